"""
Traffic: requests by the tokens of their prompts and of their outputs.

A request brings P tokens and generates O. A running sequence of it holds P + 1, ..., P + O tokens, one step
each: at a random moment of all lives it stands at each of these lengths alike, and a request counts by its O
steps. With O = 0 nothing is generated: the sequence stands at P tokens, for one step.
"""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Literal

import numpy as np

from kvplan.errors import KvplanError
from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints, quantile_of

Of = Literal["prompt", "output", "total"]
"""What of a request is meant: its prompt, its output, or both together."""

MOST_TOKENS = 2**24
"""Tokens of the longest request: no model's context has more, and a law is an array of so many numbers."""


class TrafficError(KvplanError):
    """Traffic that cannot be read, or of which nothing is left."""


@record(slots=False, eq=False)
class Traffic(ABC):
    """
    Requests of which each brings `prompt` tokens and generates `output` tokens.

    `words` says what it is, with its source; `requests` how many observed ones it tells of, None for a law.
    `share_cut` is the share of all requests that was refused as too long (`cut`), and `notes` say what was
    left out or lost, and where it is from. Arrays of probabilities are by tokens from 0 on, and sum to 1.
    """

    words: str
    requests: int | None = None
    share_cut: float = 0.0
    notes: tuple[str, ...] = ()

    @abstractmethod
    def _pmf(self, of: Of) -> Floats:
        """Return the probabilities of a request's lengths; the array ends at the longest one."""

    @property
    @abstractmethod
    def _living(self) -> Floats: ...

    @property
    @abstractmethod
    def _living_final(self) -> Floats: ...

    @property
    @abstractmethod
    def mean_life(self) -> float:
        """Return the mean number of steps that a sequence runs: its output's tokens, or one without any."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        """Return the prompts and the outputs of *count* requests."""

    @abstractmethod
    def at_most(self, most: int) -> "Traffic | None":
        """Return the requests of at most *most* tokens, or None if there are none."""

    def pmf(self, of: Of) -> Floats:
        """Return the probabilities of a request's tokens; requests count alike, however long they run."""
        if of not in self._pmfs:
            self._pmfs[of] = self._pmf(of)
        return self._pmfs[of]

    @cached_property
    def _pmfs(self) -> dict[Of, Floats]:
        """What `pmf` has worked out so far."""
        return {}

    def totals(self) -> Floats:
        """Return the probabilities of a request's prompt and output together, shape (longest + 1,)."""
        return self.pmf("total")

    def living(self) -> Floats:
        """Return the probabilities of what a running sequence holds at a random moment of its life."""
        return self._living

    def living_final(self) -> Floats:
        """Return the probabilities of the length at which a sequence, running at a random moment, ends."""
        return self._living_final

    @property
    def longest(self) -> int:
        """Return the most tokens, prompt and output together, of a request."""
        return self.totals().size - 1

    @property
    def longest_prompt(self) -> int:
        """Return the most tokens of a prompt."""
        return self.pmf("prompt").size - 1

    @property
    def mean_prompt(self) -> float:
        """Return the mean tokens of a prompt."""
        return _mean(self.pmf("prompt"))

    @property
    def mean_output(self) -> float:
        """Return the mean tokens of an output."""
        return _mean(self.pmf("output"))

    def quantile(self, of: Of, share: float) -> int:
        """Return the fewest tokens that at least *share* of the requests do not exceed."""
        if not 0 <= share <= 1:
            raise TrafficError(f"a share of requests is from 0 to 1, not {share}: write 0.99 for 99 %")
        return quantile_of(self.pmf(of), share)

    def cut(self, most: int) -> "Traffic":
        """
        Return only the requests of at most *most* tokens, prompt and output together.

        An engine refuses longer ones than its context; `share_cut` tells how many that were. Raises
        TrafficError if none is left.
        """
        left = self.at_most(most)
        if left is None:
            raise TrafficError(
                f"no request of {self.words} has at most {most:,} tokens: the shortest has "
                f"{self.quantile('total', 0):,}",
                "let the engine take longer ones, or give other traffic",
            )
        return left


def _mean(probabilities: Floats) -> float:
    return float(probabilities @ np.arange(probabilities.size))
