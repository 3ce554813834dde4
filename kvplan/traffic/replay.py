"""
A trace worked off in its order: as many requests run as may, and the next one comes when one ends.

Requests that come together are alike: where a trace's mean rises and falls, sums of requests that run
together spread wider than those of requests that are drawn apart.
"""

from bisect import bisect_right
from heapq import heapreplace

import numpy as np

from kvplan.engines.tally import Tally, is_held
from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints
from kvplan.traffic.chances import DRAWS, Method, Room
from kvplan.traffic.lives import Lives, lives_of
from kvplan.traffic.moments import Sharing, hit_of, shared_of
from kvplan.traffic.observed import Observed
from kvplan.traffic.requests import Traffic

_TURNS = 20
"""Requests of a trace for each that runs: fewer tell of the moment at which it began."""

_MET, _FEWEST = 2**20, 1000
"""Requests that are met at all moments together, and moments: sums of very many change little in between."""

_MOST = 2**16
"""Requests that are worked off: of a longer trace, stretches of it."""

_STRETCH = 32
"""Requests of a stretch for each that runs: where two of them meet, requests run together that came apart."""


@record(slots=False, eq=False)
class Replay:
    """
    Requests in their order, and at each of them the amounts that it takes less, `less`, of what is shared.

    `once` is taken beside all requests, each of which is answered by so many `samples`.
    """

    lives: Lives
    room: Room
    less: Ints
    once: Ints
    samples: int
    method: Method = "replay"

    def exceeded(self, requests: int) -> float:
        """Return the share of the moments at which so many requests need more than there is."""
        return 1 - float(np.mean(is_held(list(self.sums(requests)), self.room(requests))))

    def most(self, risk: float, upto: int) -> int:
        """Return a number of requests, *upto* some, with at most *risk*, which one more exceeds."""
        return bisect_right(range(1, upto + 1), risk, key=self.exceeded)

    def sums(self, requests: int) -> Ints:
        """
        Return what so many requests take together at moments evenly apart, shape (amounts, moments).

        From when as many more have come as run, as the first ones all come at once, until the last one comes.
        """
        starts = self._starts(requests)
        first, last = int(starts[2 * requests - 1]), int(starts[-1])
        count = min(DRAWS, max(_FEWEST, _MET // requests))
        moments = np.unique(np.linspace(first, last, count, dtype=np.int64))
        ends = starts + self.lives.steps
        before, behind = (np.searchsorted(moments, each) for each in (starts, ends))
        met = behind - before
        places = np.repeat(np.arange(met.size), met)
        at = np.arange(places.size) + np.repeat(behind - np.cumsum(met), met)
        taken = self.samples * self.lives.amounts(places, ends[places] - moments[at])
        taken -= self.less[:, places]
        # Sums of bytes are whole in a float below 2^53.
        sums = [np.bincount(at, weights=row, minlength=moments.size) for row in taken]
        return np.stack(sums).astype(np.int64) + self.once[:, None]

    def _starts(self, running: int) -> Ints:
        """Return the step at which each request comes, if so many run."""
        ends, starts = [0] * running, []
        for steps in self.lives.steps.tolist():
            start = ends[0]
            starts.append(start)
            heapreplace(ends, start + steps)
        return np.array(starts, dtype=np.int64)


def replay_of(  # noqa: PLR0913, PLR0917 - the parts of a replay
    traffic: Traffic, tally: Tally, sharing: Sharing, room: Room, about: int, seed: int
) -> Replay | None:
    """
    Return the replay of a trace for about so many requests at once, and up to twice as many.

    None for traffic of which no order is known, or of too few requests. Who begins with a prefix is drawn by
    the *seed*.
    """
    if not isinstance(traffic, Observed) or traffic.arrivals is None:
        return None
    picked = _picked(traffic.arrivals, about)
    if picked.size < _TURNS * about:
        return None
    prompts, outputs = traffic.prompts[picked], traffic.outputs[picked]
    lives = lives_of(tally, prompts, outputs)
    less = np.zeros((len(lives.arriving), prompts.size), dtype=np.int64)
    once = np.zeros(len(less), dtype=np.int64)
    if sharing.samples > 1:
        less += (sharing.samples - 1) * shared_of(tally, prompts, "samples of one prompt")
    if sharing.prefix and sharing.hits:
        prefix = shared_of(tally, np.array([sharing.prefix]), "a prefix")
        drawn = np.random.default_rng(seed).random(prompts.size) < hit_of(traffic, sharing)
        less += prefix * ((prompts > sharing.prefix) & drawn)
        once = prefix[:, 0]
    return Replay(lives=lives, room=room, less=less, once=once, samples=sharing.samples)


def _picked(arrivals: Floats, about: int) -> Ints:
    """Return the requests in the order of their arrival; of very many, stretches that are evenly apart."""
    order = np.argsort(arrivals, kind="stable")
    if order.size <= _MOST:
        return order
    length = min(_MOST, _STRETCH * about)
    begins = np.linspace(0, order.size - length, _MOST // length, dtype=np.int64)
    picked: Ints = order[(begins[:, None] + np.arange(length)).ravel()]
    return picked
