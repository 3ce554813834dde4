"""Which marks of an axis have room for their texts."""

from collections.abc import Callable
from itertools import pairwise
from math import log

from kvplan.pictures.chart import Axis, Tick


def share(axis: Axis, at: float) -> float:
    """Return where a value lies between an axis' ends, 0 to 1."""
    if axis.scale == "log":
        return log(at / axis.low) / log(axis.high / axis.low)
    return (at - axis.low) / (axis.high - axis.low)


def with_room(
    axis: Axis, length: float, extent: Callable[[str], float], *, apart: float = 10
) -> tuple[Tick, ...]:
    """Return the marks up to the highest rank at which texts stand *apart* on an axis of *length*."""
    for rank in sorted({each.rank for each in axis.ticks}, reverse=True):
        ticks = sorted((each for each in axis.ticks if each.rank <= rank), key=lambda each: each.at)
        places = [(share(axis, each.at) * length, extent(each.text) / 2) for each in ticks]
        if all(left + half + apart <= right - other for (left, half), (right, other) in pairwise(places)):
            return tuple(ticks)
    ends = sorted((each for each in axis.ticks if each.rank == 0), key=lambda each: each.at)
    return tuple(ends[:: max(1, len(ends) - 1)])
