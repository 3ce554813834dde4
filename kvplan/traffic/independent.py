"""Traffic by laws: prompts and outputs that do not depend on each other."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from kvplan.records import record
from kvplan.traffic.arrays import ROUNDING, Floats, Ints, at, convolved, kept, normalised, picked
from kvplan.traffic.requests import Of, Traffic


@record(slots=False, eq=False)
class Independent(Traffic):
    """
    Prompts and outputs by their probabilities, independent of each other but for `most`, their sum's end.

    `prompt` and `output` are of what was asked: they may sum to less than 1 where a law goes on beyond
    `most`, and what is longer than that is refused.
    """

    prompt: Floats
    output: Floats
    most: int

    @cached_property
    def taken(self) -> Floats:
        """The probabilities that a request has a prompt of so many tokens and is not refused."""
        return self.prompt * at(np.cumsum(self.output), self.most - np.arange(self.prompt.size))

    @cached_property
    def _end(self) -> int:
        """The longest request: to each prompt the longest output that may follow."""
        places = np.where(self.output > 0, np.arange(self.output.size), -1)
        longest = np.maximum.accumulate(places)
        prompts = np.flatnonzero(self.taken)
        room = (self.most - prompts).clip(max=self.output.size - 1)
        return int((prompts + longest[room]).max())

    def _pmf(self, of: Of) -> Floats:
        match of:
            case "prompt":
                return normalised(_trimmed(self.taken))
            case "output":
                room = self.most - np.arange(self.output.size)
                return normalised(_trimmed(self.output * at(np.cumsum(self.prompt), room)))
            case "total":
                return normalised(convolved(self.prompt, self.output)[: self._end + 1])

    @cached_property
    def _living(self) -> Floats:
        """
        The sum over prompts p of P(p) x P(c - p <= output <= most - p): as survival functions, a difference.

        A sequence without an output stands at its prompt.
        """
        survival = np.cumsum(self.output[::-1])[::-1].copy()
        survival[0] = 0.0
        size = self._end + 1
        living = convolved(self.prompt, survival)[:size] if survival.any() else np.zeros(size)
        living -= self._refused_at(np.append(survival, 0.0), size)
        still = self.prompt[:size] * self.output[0]
        living[: still.size] += still
        return normalised(living.clip(min=0.0))

    def _refused_at(self, survival: Floats, size: int) -> Floats:
        """Return, by lengths c, the probability of a prompt below c whose output would exceed `most`."""
        over = self.prompt * at(survival, (self.most + 1 - np.arange(self.prompt.size)).clip(min=0))
        below: Floats = np.append(0.0, np.cumsum(over))
        return at(below, np.arange(size))

    @cached_property
    def _living_final(self) -> Floats:
        return normalised(convolved(self.prompt, self.output * _lives(self.output.size))[: self._end + 1])

    @cached_property
    def mean_life(self) -> float:
        """Return the mean number of steps that a sequence runs."""
        outputs = self.pmf("output")
        return float(outputs @ _lives(outputs.size))

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return prompts, and to each an output that keeps their sum within `most`."""
        prompts = picked(np.cumsum(self.pmf("prompt")), rng.random(count))
        upto = np.cumsum(self.output)
        room = self.most - prompts
        outputs = picked(upto, rng.random(count) * at(upto, room))
        return prompts, np.minimum(outputs, room)

    def at_most(self, most: int) -> "Independent | None":
        most = min(most, self.most)
        left = replace(self, most=most)
        if not left.taken.any():
            return None
        return replace(left, share_cut=_refused(self.prompt, self.output, most))


def independent(  # noqa: PLR0913 - two laws, and what is said of them
    words: str,
    prompt: Floats,
    output: Floats | None = None,
    most: int | None = None,
    *,
    requests: int | None = None,
    notes: tuple[str, ...] = (),
) -> Traffic:
    """
    Return traffic of prompts and outputs that do not depend on each other, by their probabilities.

    Without *output* nothing is generated. Requests of more than *most* tokens together are refused, as `cut`
    does; a law whose probabilities sum to less than 1 has the rest beyond *most*.
    """
    output = np.array([1.0]) if output is None else output
    end = prompt.size + output.size - 2
    most = end if most is None else most
    whole = Independent(
        words=words,
        requests=requests,
        notes=notes,
        prompt=kept(prompt),
        output=kept(output),
        most=max(most, end),
    )
    return whole.cut(most)


def _lives(size: int) -> Floats:
    """Return the steps that a sequence runs, by its output's tokens."""
    return np.arange(size, dtype=np.float64).clip(min=1.0)


def _trimmed(weights: Floats) -> Floats:
    """Return weights up to the last that is not 0."""
    return weights[: int(np.flatnonzero(weights)[-1]) + 1]


def _refused(prompt: Floats, output: Floats, most: int) -> float:
    """
    Return the share of requests with more than *most* tokens.

    It is summed from the far ends, so that it is 0 where nothing is refused.
    """
    longer = np.append(np.cumsum(output[::-1])[::-1][1:], 0.0) + _missing(output)
    room = most - np.arange(prompt.size)
    over = np.where(room < 0, 1.0, longer[room.clip(0, longer.size - 1)])
    return _missing(prompt) + float(prompt @ over)


def _missing(probabilities: Floats) -> float:
    """Return what a law has beyond its array; sums of probabilities are right to 1e-12 or so."""
    missing = 1 - float(probabilities.sum())
    return missing if missing > ROUNDING else 0.0
