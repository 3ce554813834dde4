"""Which points no other beats: the Pareto frontier by some keys, found chunk by chunk."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from kvplan.arguments import as_argument
from kvplan.errors import OptionsError
from kvplan.grids.arrays import AnyArray, Flags
from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column, find_column
from kvplan.records import record

_BEYOND = np.iinfo(np.int64).max
"""What a figure without a limit counts as."""


@record(kw_only=False, eq=False)
class Frontier:
    """The keys of a frontier, and the costs of its points: of each key an array, less being better."""

    keys: tuple[Column, ...]
    costs: tuple[AnyArray, ...]

    def mark(self, chunk: Chunk) -> Chunk:
        """Return the chunk with its points on the frontier marked."""
        costs, there = _costs(chunk, self.keys)
        found = np.zeros(len(chunk), dtype=np.bool_)
        for at in range(len(self.costs[0])):
            found |= np.logical_and.reduce(
                [each == own[at] for each, own in zip(costs, self.costs, strict=True)]
            )
        return replace(chunk, pareto=(found & there).reshape(chunk.shape))


def pareto_keys(given: object, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the columns by which points are compared; raise OptionsError for one of which none is better."""
    read = as_argument(given, str | Sequence, "kvplan.sweep: pareto")
    names = read.split(",") if isinstance(read, str) else cast("Sequence[str]", read)
    keys = tuple(dict.fromkeys(find_column(name, columns) for name in names if name.strip()))
    for key in keys:
        if key.better is None:
            known = ", ".join(each.name for each in columns if each.better)
            raise OptionsError(f"no value of {key.name} is better than another: choose of {known}")
    return keys


def frontier_of(chunks: Iterable[Chunk], keys: tuple[Column, ...]) -> Frontier:
    """Return the frontier of all points that fit."""
    best: tuple[AnyArray, ...] | None = None
    for chunk in chunks:
        costs, there = _costs(chunk, keys)
        here = tuple(each[there] for each in costs)
        joint = here if best is None else tuple(map(np.concatenate, zip(best, here, strict=True)))
        best = tuple(each[_unbeaten(joint)] for each in joint)
    return Frontier(keys, best or tuple(np.zeros(0, dtype=np.int64) for _ in keys))


def _costs(chunk: Chunk, keys: Sequence[Column]) -> tuple[list[AnyArray], Flags]:
    """Return what the points of a chunk cost by each key, and which of them fit and have them all."""
    fits, refused = chunk.number(_FITS)
    there = fits if refused is None else fits & ~refused
    costs = []
    for key in keys:
        values, missing = chunk.number(key)
        if missing is not None and key.kind == "int":
            # Of a point that fits no figure lacks but the one that nothing limits.
            values = np.where(missing, _BEYOND, values)
        elif missing is not None:
            there = there & ~missing
        costs.append(-values if key.better == "more" and key.kind != "flag" else _plain(values, key))
    return costs, there


_FITS = Column("fits", "flag")


def _plain(values: AnyArray, key: Column) -> AnyArray:
    return np.where(values, 0, 1) if key.kind == "flag" else values


def _unbeaten(costs: Sequence[AnyArray]) -> Any:  # noqa: ANN401 - an index
    """Return the places of one of each kind of points that no other is as good as and better."""
    if not len(costs[0]):
        return np.zeros(0, dtype=np.int64)
    # Places in order stand for the values, so that ints and floats are compared exactly.
    ranks = np.stack([np.unique(each, return_inverse=True)[1] for each in costs], axis=1)
    rows, first = np.unique(ranks, axis=0, return_index=True)
    kept = []
    while len(rows):
        # The first in order is beaten by none behind it.
        kept.append(first[0])
        ahead = (rows < rows[0]).any(axis=1)
        rows, first = rows[ahead], first[ahead]
    return np.array(kept, dtype=np.int64)
