"""An answered grid: chunk by chunk, or as columns, rows, tables and files."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column, columns_of, find_column
from kvplan.grids.frontier import Frontier, frontier_of
from kvplan.grids.grid import Grid
from kvplan.grids.points import Answering
from kvplan.grids.shards import Workers, in_order
from kvplan.grids.texts import row_dicts
from kvplan.records import record
from kvplan.shown import Shown

if TYPE_CHECKING:
    from kvplan.grids.pivot import Pivot

Progress = Callable[[int, int], None]
"""Told of the points that are done, and of all there are."""

_KEPT = 2**21
"""Points whose answers are kept for the next question; of more they are worked out again."""


@record(slots=False, eq=False)
class Sweep(Shown):
    """
    A grid of plans and the answers to it, which are worked out when they are asked for.

    Points are in the order of the grid: model by model, plan by plan, context by context, batch by batch.
    Iterating yields each as a dict by the columns' names. It is a stream of Arrow, too: `polars.DataFrame`,
    `pandas.DataFrame.from_arrow` and `pyarrow.table` take it as it is.
    """

    grid: Grid
    keys: tuple[Column, ...] = ()
    workers: Workers | None = None
    progress: Progress | None = None
    _kept: list[Chunk] = field(default_factory=list, init=False)

    def __len__(self) -> int:
        return len(self.grid)

    def __repr__(self) -> str:
        return f"<Sweep of {len(self):,} points, {len(self.grid.structures):,} plans>"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the points as dicts: ints, floats, bools and text, None where there is no value."""
        for chunk in self.chunks():
            yield from row_dicts(chunk, self.columns)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in order."""
        return columns_of(self.grid.asked, priced=bool(self.grid.prices), marked=bool(self.keys))

    @cached_property
    def frontier(self) -> Frontier | None:
        """The points that no other beats; None where no keys were given."""
        return frontier_of(self._answered(), self.keys) if self.keys else None

    def chunks(self) -> Iterator[Chunk]:
        """Yield the answers in order, some 10^5 points at once."""
        frontier = self.frontier
        yield from map(frontier.mark, self._answered()) if frontier else self._answered()

    def column(self, name: str) -> Any:  # noqa: ANN401 - a masked array, or a list of text
        """Return the values of a column: a masked array of numpy, or of text a list with None."""
        found = find_column(name, self.columns)
        if found.kind == "text":
            return [row[found.name] for chunk in self.chunks() for row in row_dicts(chunk, (found,))]
        parts = [_masked(chunk, found) for chunk in self.chunks()]
        return np.ma.concatenate(parts)  # type: ignore[no-untyped-call]

    def pivot(
        self, *, rows: str | Iterable[str] = (), columns: str | None = None, value: str | None = None
    ) -> "Pivot":
        """
        Return a table of one figure: *rows* and *columns* are axes of the grid, *value* a figure.

        Axes that vary and are named by neither are rows, too. Left out, the columns are the contexts.
        """
        from kvplan.grids.pivot import pivot_of  # noqa: PLC0415 - many a sweep is no table

        named = rows.split(",") if isinstance(rows, str) else list(rows)
        return pivot_of(self, rows=[each for each in named if each], columns=columns, value=value)

    def to_markdown(self, **asked: Any) -> str:  # noqa: ANN401 - those of pivot
        """Return `pivot(...)` as a table of Markdown."""
        from kvplan.grids.pivot import as_markdown  # noqa: PLC0415 - as above

        return as_markdown(self.pivot(**asked))

    def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return a pyarrow.Table of all points."""
        return self._reader().read_all()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the points as a stream of Arrow's C interface (the PyCapsule protocol)."""
        return self._reader().__arrow_c_stream__(requested_schema)

    def unanswered(self) -> str | None:
        """Return the reason of the first point if no point has an answer; None if one has."""
        reason, answering = None, Answering(self.grid)
        for chunk in self._kept or map(answering.answer, self.grid.pieces(range(len(self)))):
            if chunk.figures:
                return None
            reason = reason or next(iter(chunk.reasons), None)
        return reason

    def save(self, path: str | Path, *, resume: bool = False, **table: Any) -> None:  # noqa: ANN401 - those of pivot
        """
        Write all points to a file by its ending, .csv, .jsonl, .parquet, .arrow or .md, or to a folder.

        A folder gets a Parquet file for each million points. A file is there whole or not at all. What an
        interrupted run had finished stays beside it, and *resume* goes on from there. A .md file holds
        `pivot(**table)`, and a .html or .json file the report of it. Raises KvplanError.
        """
        from kvplan.grids.saving import save  # noqa: PLC0415 - many a sweep is not written

        save(self, path, resume=resume, table=table)

    def to_csv(self, path: str | Path) -> None:
        """Write all points to a file as CSV, whatever its ending; as `save` else."""
        self._save_as(path, ".csv")

    def to_jsonl(self, path: str | Path) -> None:
        """Write all points to a file as a JSON object a line."""
        self._save_as(path, ".jsonl")

    def to_parquet(self, path: str | Path) -> None:
        """Write all points to a file as Parquet."""
        self._save_as(path, ".parquet")

    def _save_as(self, path: str | Path, ending: str) -> None:
        from kvplan.grids.saving import save  # noqa: PLC0415 - as above

        save(self, path, ending=ending)

    def _reader(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        from kvplan.grids.arrow import reader_of  # noqa: PLC0415 - pyarrow is needed here alone

        return reader_of(self.chunks(), self.columns)

    def _answered(self) -> Iterator[Chunk]:
        """Yield the answers without marks; those of a small grid are worked out once."""
        if self._kept:
            yield from self._kept
            return
        found: list[Chunk] = []
        points = 0
        for chunk in self._worked_out():
            points += len(chunk)
            if self.progress:
                self.progress(points, len(self))
            if len(self) <= _KEPT:
                found.append(chunk)
            yield chunk
        self._kept.extend(found)

    def _worked_out(self) -> Iterator[Chunk]:
        if self.workers is None:
            answering = Answering(self.grid)
            yield from map(answering.answer, self.grid.pieces(range(len(self))))
            return
        shards = -(-len(self) // self.grid.chunk)
        for chunks in in_order(self.workers, partial(answered_shard, self.grid, shards), range(shards)):
            yield from chunks


def answered_shard(grid: Grid, shards: int, number: int) -> list[Chunk]:
    """Return the answers to one of so many shards of a grid: what a worker does."""
    answering = Answering(grid)
    return [answering.answer(piece) for piece in grid.pieces(grid.shard(number, shards))]


def _masked(chunk: Chunk, column: Column) -> Any:  # noqa: ANN401 - numpy's masked arrays have loose types
    values, missing = chunk.number(column)
    return np.ma.masked_array(values, mask=np.ma.nomask if missing is None else missing)
