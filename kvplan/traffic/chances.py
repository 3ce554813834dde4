"""
How many independent sequences stand at once, but for a small chance: by three methods that must agree.

Each is asked for a number of sequences and answers with the probability that their sums exceed the room.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Literal, Protocol, get_args

import numpy as np

from kvplan.engines.tally import Bound, is_held
from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints
from kvplan.traffic.moments import Moments

Method = Literal["convolution", "normal", "draws", "replay"]
"""How a probability was found: exactly, by a closed form, by seeded draws, or in a trace's own order."""

METHODS: tuple[Method, ...] = get_args(Method)

Room = Callable[[int], Sequence[Bound]]
"""How much of each amount there is for so many sequences."""

DRAWS = 10_000
"""Draws of a Monte Carlo: a probability of 1 % is then known to 0.1 %."""

_SMALL = 2**17
"""Cells of a distribution that is convolved exactly: larger ones take too long."""

_TABLE = 2**16
"""Equally likely amounts of which draws are made: a probability below a half of 1 / 65,536 may be missed."""

_AT_ONCE = 32
"""Sequences that are drawn together: many make use of the processor, and fewer stay in its cache."""

_SKEWED = 0.03
"""Skewness of a sum above which it is not normal enough: the next term of the series is about its square."""


class Chance(Protocol):
    """The probability that so many sequences need more than there is."""

    @property
    def method(self) -> Method:
        """How it is found."""

    def exceeded(self, sequences: int) -> float:
        """Return the probability."""

    def most(self, risk: float, upto: int) -> int:
        """Return a number of sequences, *upto* some, with at most *risk*, which one more exceeds."""


@record(slots=False, eq=False)
class Normal:
    """
    A closed form: the sum is normal but for its skewness, the first term of Edgeworth's series.

    Of several amounts the chances are added, which is never too little.
    """

    moments: Moments
    room: Room
    method: Method = "normal"

    @cached_property
    def _central(self) -> tuple[Floats, Floats, Floats]:
        """The mean, the deviation and the skewness of each amount."""
        apart = self.moments.amounts - self.moments.mean[:, None]
        deviation = np.sqrt(apart**2 @ self.moments.shares)
        skewness = (apart**3 @ self.moments.shares) / np.where(deviation > 0, deviation, 1.0) ** 3
        return self.moments.mean, deviation, skewness

    def skewness(self, sequences: int) -> float:
        """Return how skewed the sum of so many sequences is."""
        return float(np.abs(self._central[2]).max()) / math.sqrt(sequences)

    def exceeded(self, sequences: int) -> float:
        """Return the probability by the closed form."""
        means, deviations, skews = self._central
        grains = np.gcd.reduce(self.moments.amounts, axis=1)
        found = 0.0
        for bound, mean, deviation, skew, grain, once in zip(
            self.room(sequences), means, deviations, skews, grains, self.moments.once, strict=True
        ):
            left = bound.most - once - sequences * mean
            if deviation <= 0:
                found += float(left < 0)
                continue
            # Half a grain, as the sum comes in whole ones.
            x = (left + grain / 2) / (deviation * math.sqrt(sequences))
            density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
            found += math.erfc(x / math.sqrt(2)) / 2 + density * skew * (x * x - 1) / 6 / math.sqrt(sequences)
        return min(1.0, max(0.0, found))

    def most(self, risk: float, upto: int) -> int:
        """Return the most sequences, *upto* some, with at most *risk*."""
        return bisect_right(range(1, upto + 1), risk, key=self.exceeded)


@record(slots=False, eq=False)
class Convolution:
    """The exact distribution of the sum of one amount, by powers of its Fourier transform."""

    moments: Moments
    room: Room
    cells: int
    grain: int
    method: Method = "convolution"

    @cached_property
    def _transform(self) -> "np.typing.NDArray[np.complex128]":
        one = np.zeros(self.cells)
        np.add.at(one, self.moments.amounts[0] // self.grain, self.moments.shares)
        return np.fft.rfft(one)

    def exceeded(self, sequences: int) -> float:
        """Return the probability; rounding leaves an error below 1e-12."""
        most = (self.room(sequences)[0].most - int(self.moments.once[0])) // self.grain
        if most < 0:
            return 1.0
        held = np.fft.irfft(self._transform**sequences, self.cells)[: most + 1].sum()
        return min(1.0, max(0.0, 1 - float(held)))

    def most(self, risk: float, upto: int) -> int:
        """Return the most sequences, *upto* some, with at most *risk*."""
        return bisect_right(range(1, upto + 1), risk, key=self.exceeded)


@record(slots=False, eq=False)
class Draws:
    """
    A seeded Monte Carlo: sums of draws, each of one sequence more.

    A larger number of sequences has the same draws and more, so that the share without room never falls.
    """

    moments: Moments
    room: Room
    seed: int
    draws: int = DRAWS
    method: Method = "draws"

    def exceeded(self, sequences: int) -> float:
        """Return the share of the drawn sums that have no room."""
        return float(self._without_room(self.sums(sequences)[:, None], sequences, sequences)[0])

    def most(self, risk: float, upto: int) -> int:
        """Return the most sequences, *upto* some, of which at most a share *risk* of the sums has no room."""
        for before, sums in self._longer(upto):
            exceeds = self._without_room(sums, before + 1, before + sums.shape[1]) > risk
            if exceeds.any():
                return before + int(exceeds.argmax())
        return upto

    def sums(self, sequences: int) -> Ints:
        """Return drawn sums of so many sequences, shape (amounts, draws)."""
        for _, sums in self._longer(sequences):
            last: Ints = sums[:, -1]
        return last

    def _longer(self, upto: int) -> Iterator[tuple[int, Ints]]:
        """Yield a number of sequences and the sums of the next ones, shape (amounts, sequences, draws)."""
        rng = np.random.default_rng(self.seed)
        table = self._table()
        before, last = 0, np.repeat(self.moments.once[:, None], self.draws, axis=1)
        while before < upto:
            more = min(_AT_ONCE, upto - before)
            picked = rng.integers(0, _TABLE, (more, self.draws), dtype=np.uint16)
            sums: Ints = np.stack([row.take(picked) for row in table]).cumsum(axis=1) + last[:, None]
            yield before, sums
            before, last = before + more, sums[:, -1]

    def _table(self) -> Ints:
        """Return amounts that are equally likely, as many of each as it has of the probability."""
        places = (np.arange(_TABLE) + 0.5) / _TABLE
        found = np.searchsorted(np.cumsum(self.moments.shares), places, side="right")
        return self.moments.amounts[:, found.clip(max=len(self.moments.shares) - 1)]

    def _without_room(self, sums: Ints, first: int, last: int) -> Floats:
        """Return the share of sums, shape (amounts, sequences, draws), without room for so many sequences."""
        if self.room(first) == self.room(last):
            rooms = [self.room(first)]
        else:
            rooms = [self.room(each) for each in range(first, last + 1)]
        shares = [
            1 - np.mean(is_held(list(part), room), axis=-1)
            for part, room in zip(np.split(sums, len(rooms), axis=1), rooms, strict=True)
        ]
        return np.concatenate(shares)


def chance_of(moments: Moments, room: Room, about: int, seed: int) -> Chance:
    """
    Return the method for about so many sequences, and up to twice as many.

    It is exact where that is small, and closed where the sum is normal enough. Draws stand in where neither
    is: few sequences of unlike lengths, or several amounts.
    """
    normal = Normal(moments=moments, room=room)
    if len(moments.amounts) == 1:
        grain = int(np.gcd.reduce(moments.amounts[0])) or 1
        largest, there = int(moments.most[0]) // grain, max(0, room(1)[0].most) // grain
        # Longer sums wrap around: none does of so few, or the room is exceeded by far more often.
        cells = 1 << min(2 * (about + 1) * largest, 4 * there + largest).bit_length()
        if cells <= _SMALL:
            return Convolution(moments=moments, room=room, cells=cells, grain=grain)
        if normal.skewness(about) <= _SKEWED:
            return normal
    return Draws(moments=moments, room=room, seed=seed) if about <= _DRAWN else normal


_DRAWN = 5_000
"""Sequences above which draws take seconds, and any sum is normal."""
