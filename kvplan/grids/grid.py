"""A grid of plans as data: what is asked of each point, and where each point stands."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from itertools import accumulate
from typing import Any

import numpy as np

from kvplan.frozen import FrozenDict
from kvplan.grids.arrays import AnyArray, Ints
from kvplan.grids.options import TRAFFIC
from kvplan.records import record
from kvplan.specs import ModelSpec

CHUNK = 2**18
"""Points that are answered at once: some tens of MB, whatever the grid."""

_HELD = 8
"""The same of traffic, each point of which takes some tenths of a second."""

Axis = Ints | tuple[Any, ...]
"""The values of a numeric axis: ints, or among others None and words, the longest context of each model."""


@record(eq=False)
class Structure:
    """
    What makes one plan, and the numbers that are asked of it: every context with every batch.

    `model` is how the model was named, `options` are those of `fit` but the work, or of `hold` but the
    context, and `asked` those that stand in columns, as they were given.
    """

    model: str
    spec: ModelSpec
    options: Mapping[str, Any]
    asked: Mapping[str, Any]
    contexts: Axis
    batches: Ints

    def __len__(self) -> int:
        return len(self.contexts) * len(self.batches)


@record(kw_only=False)
class Piece:
    """A rectangle of a structure's points: of its contexts from one to another, with a range of batches."""

    structure: int
    contexts: slice
    batches: slice

    def __len__(self) -> int:
        contexts, batches = (len(range(each.start, each.stop)) for each in (self.contexts, self.batches))
        return contexts * batches


@record(slots=False, eq=False)
class Grid:
    """
    All points: structure by structure, in each context by context, and in each of these batch by batch.

    `asked` are the options that have a column because they were given, `paired` those that go together, and
    `prices` those of a GPU and hour.
    """

    structures: tuple[Structure, ...]
    asked: tuple[str, ...] = ()
    paired: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=FrozenDict)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def of_traffic(self) -> bool:
        """Whether the load of each point is a traffic, in place of sequences of one length."""
        return TRAFFIC in self.asked

    @property
    def chunk(self) -> int:
        """The points that are answered at once, at the most."""
        return _HELD if self.of_traffic else CHUNK

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The number of the first point of each structure, and of the point behind the last."""
        return tuple(accumulate(map(len, self.structures), initial=0))

    def shard(self, number: int, count: int) -> range:
        """Return the points of one of *count* shards: together they are all points, each once, in order."""
        points = len(self)
        return range(points * number // count, points * (number + 1) // count)

    def pieces(self, points: range) -> Iterator[Piece]:
        """Yield rectangles of at most `chunk` points that are the asked *points*, in order."""
        first = int(np.searchsorted(self.starts, points.start, side="right")) - 1
        for number in range(first, len(self.structures)):
            start, structure = self.starts[number], self.structures[number]
            if start >= points.stop:
                break
            begin, end = max(points.start, start) - start, min(points.stop - start, len(structure))
            for contexts, batches in _rectangles(begin, end, len(structure.batches), self.chunk):
                yield Piece(number, contexts, batches)

    @cached_property
    def fingerprint(self) -> str:
        """What tells this grid from any other: parts of one are no parts of another."""
        # The release is the package's own fact, which imports nothing from above for it.
        release = import_module("kvplan").__version__
        told = sha256(f"{release} {self.asked} {sorted(self.prices.items())}".encode())
        specs: dict[int, str] = {}
        for each in self.structures:
            if id(each.spec) not in specs:
                specs[id(each.spec)] = each.spec.model_dump_json()
            told.update(repr((each.model, specs[id(each.spec)], sorted(each.options.items()))).encode())
            told.update(_bytes_of(each.contexts) + b"|" + _bytes_of(each.batches))
        return told.hexdigest()


def _bytes_of(axis: Axis) -> bytes:
    return axis.tobytes() if isinstance(axis, np.ndarray) else repr(axis).encode()


def _rectangles(begin: int, end: int, width: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Yield rectangles of rows of *width* points that are the points from *begin* to *end*, in order."""
    while begin < end:
        row, column = divmod(begin, width)
        rows = min((end - begin) // width, max(1, most // width)) if not column else 0
        if rows and width <= most:
            yield slice(row, row + rows), slice(0, width)
            begin += rows * width
        else:
            stop = min(column + most, width, column + end - begin)
            yield slice(row, row + 1), slice(column, stop)
            begin += stop - column


def part_of(axis: Axis, cut: slice) -> AnyArray | tuple[Any, ...]:
    """Return the values of a range of an axis."""
    return axis[cut]
