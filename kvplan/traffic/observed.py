"""Traffic as it was observed, request by request."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints, normalised
from kvplan.traffic.requests import MOST_TOKENS, Of, Traffic, TrafficError


@record(slots=False, eq=False)
class Observed(Traffic):
    """
    Requests as they were observed: `prompts` and `outputs`, shape (requests,), in their order.

    `arrivals` are in seconds, where they are known, from the zero of the trace on. `hashes` name
    each prompt's blocks of `hash_block` tokens: a block that is the same, behind the same ones, has one name.
    """

    prompts: Ints
    outputs: Ints
    arrivals: Floats | None = None
    hashes: tuple[tuple[int, ...], ...] | None = None
    hash_block: int | None = None

    @cached_property
    def _lives(self) -> Ints:
        return np.maximum(self.outputs, 1)

    def _pmf(self, of: Of) -> Floats:
        match of:
            case "prompt":
                lengths = self.prompts
            case "output":
                lengths = self.outputs
            case "total":
                lengths = self.prompts + self.outputs
        return normalised(np.bincount(lengths).astype(np.float64))

    @cached_property
    def _living(self) -> Floats:
        """Each request adds one from its first length on and takes it back behind its last one."""
        first = self.prompts + (self.outputs > 0)
        size = self.longest + 2
        steps = np.bincount(first, minlength=size) - np.bincount(first + self._lives, minlength=size)
        return normalised(np.cumsum(steps)[:-1].astype(np.float64))

    @cached_property
    def _living_final(self) -> Floats:
        return normalised(np.bincount(self.prompts + self.outputs, weights=self._lives).astype(np.float64))

    @cached_property
    def mean_life(self) -> float:
        """Return the mean number of steps that a sequence ran."""
        return float(self._lives.mean())

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return requests that were observed, each as likely as another, with replacement."""
        places = rng.integers(0, self.prompts.size, count)
        return self.prompts[places], self.outputs[places]

    def at_most(self, most: int) -> "Observed | None":
        fits = self.prompts + self.outputs <= most
        left = int(np.count_nonzero(fits))
        if left == 0:
            return None
        if left == fits.size:
            return self
        return replace(
            self,
            requests=left,
            share_cut=1 - (1 - self.share_cut) * left / fits.size,
            prompts=self.prompts[fits],
            outputs=self.outputs[fits],
            arrivals=None if self.arrivals is None else self.arrivals[fits],
            hashes=self.hashes and tuple(self.hashes[place] for place in np.flatnonzero(fits).tolist()),
        )


def observed(  # noqa: PLR0913 - what a trace may hold
    words: str,
    prompts: Ints,
    outputs: Ints,
    *,
    arrivals: Floats | None = None,
    hashes: tuple[tuple[int, ...], ...] | None = None,
    hash_block: int | None = None,
    notes: tuple[str, ...] = (),
) -> Observed:
    """Return traffic as it was observed; raise TrafficError if there is none, or a request is too long."""
    if prompts.size == 0:
        raise TrafficError(f"{words} holds no request")
    longest = int((prompts + outputs).max())
    if longest > MOST_TOKENS:
        raise TrafficError(
            f"{words}: a request has {longest:,} tokens, and {MOST_TOKENS:,} are the most that kvplan takes"
        )
    return Observed(
        words=words,
        requests=prompts.size,
        notes=notes,
        prompts=prompts,
        outputs=outputs,
        arrivals=arrivals,
        hashes=hashes,
        hash_block=hash_block,
    )
