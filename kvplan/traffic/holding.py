"""How many sequences one replica holds: never preempted, on average, and but for a small chance."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from kvplan.engines.tally import Bound, Tally, is_held
from kvplan.planner.plan import Plan
from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints
from kvplan.traffic.chances import Chance, Draws, Method, chance_of
from kvplan.traffic.moments import ALONE, Moments, Sharing, longest_of, moments_of
from kvplan.traffic.replay import Replay, replay_of
from kvplan.traffic.requests import Traffic

SEED = 1
"""Of all draws: the same question has the same answer."""

_ANY = 10**9
"""More requests than any memory holds; as many have no limit."""


@record
class Numbers:
    """
    Sequences that run at once; None where memory sets no limit.

    `never` are never preempted, whatever they do; `average` fill the memory on average; `likely` need more
    than there is with less than the probability that was allowed, at any moment, as `method` says.
    """

    never: int | None
    average: int | None
    likely: int | None
    method: Method | None = None


@record(slots=False, eq=False)
class Crowd:
    """
    A traffic on a plan, whatever the memory: what its sequences take together, by a `tally`.

    `moments` are what a request takes at a random moment of its life.
    """

    plan: Plan
    traffic: Traffic
    sharing: Sharing
    tally: Tally
    moments: Moments

    @cached_property
    def worst(self) -> Ints:
        """What a request takes at most, beside what is surely stored once."""
        return self._alone - self.surely_once

    @cached_property
    def surely_once(self) -> Ints:
        """What is stored once whatever comes: a prefix with which every request begins."""
        if self.sharing.hits < 1:
            return np.zeros_like(self._alone)
        return np.array(self.tally.shared(self.sharing.prefix), dtype=np.int64)

    @cached_property
    def _alone(self) -> Ints:
        """What a request takes at most that shares nothing with others."""
        longest, samples = longest_of(self.traffic, self.tally), self.sharing.samples
        if samples == 1:
            return longest
        shortest = np.array(self.tally.shared(self.traffic.quantile("prompt", 0)), dtype=np.int64)
        return samples * longest - (samples - 1) * shortest

    @cached_property
    def most(self) -> int:
        """The most requests that options, or the engine, let run at all."""
        most = self.plan.most_sequences(self.traffic.quantile("total", 0))
        return _ANY if most is None else min(_ANY, most // self.sharing.samples)

    def sequences(self, requests: int) -> int | None:
        """Return the sequences of requests; None for any number."""
        return None if requests == _ANY else requests * self.sharing.samples


def crowd_of(plan: Plan, traffic: Traffic, sharing: Sharing = ALONE) -> Crowd:
    """Return a traffic on a plan; raise TrafficError for what cannot be shared."""
    ends = np.flatnonzero(traffic.totals())
    tally = plan.deployment.arrangement.tally(ends)  # type: ignore[arg-type]  # an axis of lengths
    moments = moments_of(traffic, tally, sharing, SEED)
    return Crowd(plan=plan, traffic=traffic, sharing=sharing, tally=tally, moments=moments)


@record(slots=False, eq=False)
class Packed:
    """A crowd in one replica's pools: how many of its requests are held."""

    crowd: Crowd
    pools: tuple[int, ...]

    @lru_cache(maxsize=1024)  # noqa: B019 - as long as the crowd is asked
    def room(self, requests: int, arriving: int = 0) -> Sequence[Bound]:
        """Return how much of each amount so many requests may take, and so many that arrive beside them."""
        sequences = requests * self.crowd.sharing.samples
        return self.crowd.tally.room(self.pools, sequences=sequences, arriving=arriving)

    def numbers(self, risk: float) -> Numbers:
        """Return the three numbers of sequences, `likely` with at most the probability *risk*."""
        crowd, sequences = self.crowd, self.crowd.sequences
        if crowd.plan.deployment.arrangement.refusal(self.pools, crowd.traffic.longest):
            return Numbers(never=0, average=0, likely=0)
        never, average = self._never, self._average
        if not never or never == crowd.most:
            return Numbers(never=sequences(never), average=sequences(never), likely=sequences(never))
        # All at their longest stand whoever has the prefix.
        likely = min(max(never, self._chance.most(risk, 2 * average)), crowd.most)
        return Numbers(
            never=sequences(never),
            average=sequences(average),
            likely=sequences(likely),
            method=self._chance.method,
        )

    @cached_property
    def _never(self) -> int:
        """The most requests that have room at their longest, beside one that arrives."""
        return self._held(self.crowd.worst, self.crowd.surely_once, arriving=1)

    @cached_property
    def _average(self) -> int:
        """The most requests that have room on average."""
        return max(self._never, self._held(self.crowd.moments.mean, self.crowd.moments.once))

    @cached_property
    def _chance(self) -> Chance:
        """The probability that requests need more than there is: of a trace by its order."""
        return self._replay or chance_of(self.crowd.moments, self.room, self._average, SEED)

    @cached_property
    def _replay(self) -> Replay | None:
        crowd = self.crowd
        return replay_of(crowd.traffic, crowd.tally, crowd.sharing, self.room, self._average, SEED)

    def filled(self, requests: int) -> Floats:
        """Return sums of so many requests at random moments as shares of the room, of the scarcest amount."""
        drawn = self._replay or Draws(moments=self.crowd.moments, room=self.room, seed=SEED)
        sums = drawn.sums(requests)
        most = np.array([max(1, bound.most) for bound in self.room(requests)])
        found: Floats = (sums / most[:, None]).max(axis=0)
        return found

    def _held(self, each: Ints | Floats, once: Ints, arriving: int = 0) -> int:
        """Return how many requests are held if each takes so much, beside what all of them do *once*."""

        def exceeds(requests: int) -> bool:
            sums = [
                amount * requests + beside
                for amount, beside in zip(each.tolist(), once.tolist(), strict=True)
            ]
            return not is_held(sums, self.room(requests, arriving))

        return min(self.crowd.most, bisect_left(range(1, _ANY), True, key=exceeds))  # noqa: FBT003 - the first
