"""Traffic of several kinds, by their shares of the requests."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints, added, normalised
from kvplan.traffic.requests import Of, Traffic, TrafficError


@record(slots=False, eq=False)
class Mixture(Traffic):
    """Traffic of several kinds: `shares` of the requests are of each of `parts`; they sum to 1."""

    shares: tuple[float, ...]
    parts: tuple[Traffic, ...]

    def _added(self, weights: Sequence[float], arrays: Sequence[Floats]) -> Floats:
        return normalised(added(list(zip(weights, arrays, strict=True))))

    def _pmf(self, of: Of) -> Floats:
        return self._added(self.shares, [part.pmf(of) for part in self.parts])

    @cached_property
    def _steps(self) -> tuple[float, ...]:
        """The steps that each part adds to a mean request: what runs long is met more often."""
        return tuple(share * part.mean_life for share, part in zip(self.shares, self.parts, strict=True))

    @cached_property
    def _living(self) -> Floats:
        return self._added(self._steps, [part.living() for part in self.parts])

    @cached_property
    def _living_final(self) -> Floats:
        return self._added(self._steps, [part.living_final() for part in self.parts])

    @property
    def mean_life(self) -> float:
        """Return the mean number of steps that a sequence runs."""
        return sum(self._steps)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return requests of all parts, in no order."""
        kinds = rng.choice(len(self.parts), size=count, p=np.array(self.shares))
        prompts, outputs = np.zeros((2, count), dtype=np.int64)
        for kind, part in enumerate(self.parts):
            here = np.flatnonzero(kinds == kind)
            prompts[here], outputs[here] = part.draw(rng, here.size)
        return prompts, outputs

    def at_most(self, most: int) -> "Mixture | None":
        if most >= self.longest:
            return self
        cut = [(share, part, part.at_most(most)) for share, part in zip(self.shares, self.parts, strict=True)]
        # A part's own `share_cut` is of what it was before any cut.
        left = [
            (share * (1 - after.share_cut) / (1 - before.share_cut), after)
            for share, before, after in cut
            if after is not None
        ]
        if not left:
            return None
        share_left = (1 - self.share_cut) * sum(share for share, _ in left)
        return replace(mixed(left, self.words), share_cut=1 - share_left)


def mixed(parts: Sequence[tuple[float, Traffic]], words: str | None = None) -> Mixture:
    """
    Return traffic of which each part has a share of the requests; shares are made to sum to 1.

    They are shares of what is left of parts that were cut; `share_cut` is of what there was before.
    """
    whole = sum(share for share, _ in parts)
    if not parts or not all(share > 0 for share, _ in parts):
        raise TrafficError("a mixture of traffic needs parts, and each a share above 0")
    before = sum(share / (1 - part.share_cut) for share, part in parts)
    counts = [part.requests for _, part in parts]
    return Mixture(
        words=words or " and ".join(f"{share / whole:.0%} {part.words}" for share, part in parts),
        requests=sum(each for each in counts if each is not None) if None not in counts else None,
        share_cut=1 - whole / before,
        notes=tuple(dict.fromkeys(note for _, part in parts for note in part.notes)),
        shares=tuple(share / whole for share, _ in parts),
        parts=tuple(part for _, part in parts),
    )
