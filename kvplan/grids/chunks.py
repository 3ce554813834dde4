"""Answered points in order, and their columns: numbers as arrays, what is the same for all once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kvplan.grids.arrays import AnyArray, Flags, Ints
from kvplan.grids.columns import NONE, Column
from kvplan.grids.lines import RESOURCES
from kvplan.records import record
from kvplan.traffic.chances import METHODS

_WORDS: Mapping[str, tuple[str, ...]] = {
    "limit": tuple(each.value for each in RESOURCES),
    "method": METHODS,
}
"""Figures that are words, told by their places."""

_VARYING = ("context", "batch", "reason", "pareto", *_WORDS)


@record(eq=False)
class Chunk:
    """
    All points of some contexts with some batches, of one structure.

    `labels` are the same for all of them. `figures` are arrays that broadcast to contexts x batches. `why`
    is the place in `reasons` of the error of each context, below 0 where there is an answer; a context that
    is not known is 0.
    """

    labels: Mapping[str, Any]
    context: Ints
    batch: Ints
    why: Ints
    reasons: tuple[str, ...]
    figures: Mapping[str, AnyArray]
    pareto: Flags | None = None

    def __len__(self) -> int:
        return len(self.context) * len(self.batch)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of contexts and that of batches."""
        return len(self.context), len(self.batch)

    def is_constant(self, column: Column) -> bool:
        """Return whether a column is the same for all points: a label, or a figure that none of them has."""
        return column.name not in _VARYING and column.name not in self.figures

    def number(self, column: Column) -> tuple[AnyArray, Flags | None]:
        """Return the values of a column of numbers or flags, and where it has none; None if everywhere."""
        values, missing = self._found(column)
        return self.flat(values), None if missing is None else self.flat(missing)

    def flat(self, values: AnyArray) -> AnyArray:
        """Return an array that broadcasts to contexts x batches point by point."""
        return np.broadcast_to(values, self.shape).ravel()

    def text(self, column: Column) -> tuple[Ints, Sequence[str]]:
        """Return a column of text as places in a list of few; below 0 where there is none."""
        if column.name == "reason":
            return self.flat(self.why[:, None]), self.reasons
        if column.name not in _WORDS:
            value = self.labels.get(column.name)
            return np.full(len(self), -1 if value is None else 0), () if value is None else (str(value),)
        known = self.figures.get(column.name, np.full((1, 1), -1))
        return self.flat(np.where(self.why[:, None] < 0, known, -1)), _WORDS[column.name]

    def _found(self, column: Column) -> tuple[AnyArray, Flags | None]:
        refused = self.why[:, None] >= 0
        match column.name:
            case "context":
                values = self.context[:, None]
                return values, values < 1 if (values < 1).any() else None
            case "batch":
                return self.batch[None, :], None
            case "pareto":
                marked = np.zeros((1, 1), dtype=np.bool_) if self.pareto is None else self.pareto
                return marked, None
            case name if name in self.figures:
                return self.figures[name], _missing(column, self.figures[name], refused)
            case name:
                value = self.labels.get(name)
                return np.array([[_ZERO[column.kind] if value is None else value]]), (
                    np.ones((1, 1), dtype=np.bool_) if value is None else None
                )


_ZERO: Mapping[str, Any] = {"int": 0, "float": 0.0, "flag": False}
"""What stands at a point without a value."""


def _missing(column: Column, values: AnyArray, refused: Flags) -> Flags | None:
    if values.dtype.kind == "f":
        refused = refused | np.isnan(values)
    elif column.without is not None:
        refused = refused | (values == NONE)
    return refused if refused.any() else None


def below(chunks: Sequence[Chunk]) -> Chunk:
    """Return chunks of the same batches as one, their contexts one after the other."""
    if len(chunks) == 1:
        return chunks[0]
    reasons = tuple(dict.fromkeys(text for each in chunks for text in each.reasons))
    like = next((each for each in chunks if each.figures), chunks[0])
    return Chunk(
        labels=like.labels,
        context=np.concatenate([each.context for each in chunks]),
        batch=like.batch,
        why=np.concatenate([_moved(each, reasons) for each in chunks]),
        reasons=reasons,
        figures={
            name: np.concatenate([_rows(each, name, figure) for each in chunks])
            for name, figure in like.figures.items()
        },
    )


def _moved(chunk: Chunk, reasons: tuple[str, ...]) -> Ints:
    places = np.array([*map(reasons.index, chunk.reasons), -1], dtype=np.int64)
    return places[chunk.why]


def _rows(chunk: Chunk, name: str, like: AnyArray) -> AnyArray:
    """Return a figure of all points of a chunk, or as many that say nothing."""
    found = chunk.figures.get(name)
    return np.zeros(chunk.shape, like.dtype) if found is None else np.broadcast_to(found, chunk.shape)
