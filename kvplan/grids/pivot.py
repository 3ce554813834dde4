"""One figure of a grid as a table: axes down and across, and the reasons of what has no answer below."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kvplan.errors import OptionsError
from kvplan.grids.cells import cell_of, head_of
from kvplan.grids.columns import PARETO, PRICE, RATE, REPLICAS, Column, find_column, is_figure
from kvplan.grids.grid import Grid
from kvplan.grids.results import Sweep
from kvplan.grids.texts import row_dicts
from kvplan.inert import in_markdown
from kvplan.records import record

MOST_POINTS = 20_000
"""Of a table that people read; more go into a file."""

_ALONE = (
    *("max_batch", "max_context", "kv_bytes", "free_bytes"),
    *("max_batch_never", "max_batch_likely", "max_batch_average", RATE.name),
    *(each.name for each in (REPLICAS[-1], PRICE, PARETO)),
)
"""The figures beside the only axis that varies."""


@record
class Pivot:
    """
    Cells of text below titles, the first `names` columns being axes; `notes` are the reasons by number.

    `same` are the axes that do not vary. `value` is None where the columns are figures; of one figure
    `numbers` are the cells' own values beside the axes, None where there is none, and where a cell is text.
    """

    value: str | None
    columns: str | None
    names: int
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    same: Mapping[str, str]
    numbers: tuple[tuple[float | None, ...], ...] = ()


@record(kw_only=False)
class _Shape:
    """The axes down, the one across, if one is, and the figures of the cells: one beside an axis across."""

    down: Sequence[str]
    across: str | None
    figures: Sequence[Column]


def pivot_of(sweep: Sweep, *, rows: Sequence[str], columns: str | None, value: str | None) -> Pivot:
    """Return a table of *value* as Sweep.pivot says; raise OptionsError for what is no axis or no figure."""
    if len(sweep) > MOST_POINTS:
        raise OptionsError(
            f"{len(sweep):,} points are no table to read: write them to a file, as in -o grid.parquet, or "
            "give a smaller grid"
        )
    points = [point for chunk in sweep.chunks() for point in row_dicts(chunk, sweep.columns)]
    axes = {
        each.name: {point[each.name] for point in points} for each in sweep.columns if not is_figure(each)
    }
    shape = _shape(sweep, axes, rows, columns, value)
    cells = _Cells(shape)
    for point in points:
        cells.put(point)
    seen = (*shape.down, shape.across)
    # What differs and has no place here changes no cell, or follows from the model.
    alike = {name: next(iter(each)) for name, each in axes.items() if len(each) == 1 and name not in seen}
    return cells.table({name: head_of(name, each) for name, each in alike.items() if each is not None})


def _shape(
    sweep: Sweep, axes: Mapping[str, set[Any]], rows: Sequence[str], columns: str | None, value: str | None
) -> _Shape:
    """Return the table that was asked for, and the usual one of what was left open."""
    figure = _figure(sweep, value or ("max_batch_likely" if sweep.grid.of_traffic else "max_batch"))
    named = [_axis(name, axes) for name in rows]
    across = _axis(columns, axes) if columns else None
    if across in named:
        raise OptionsError(f"{across} is in the rows and in the columns: name it once")
    given = ("model", *_of_work(sweep.grid), *sweep.grid.asked)
    free = [name for name in axes if name in given and len(axes[name]) > 1 and name not in (*named, across)]
    # Of what goes together each row is one.
    apart = [name for name in free if name not in sweep.grid.paired]
    if value is None and across is None and (not apart or len({*free, *named}) == 1):
        return _Shape(
            [*named, *free] or ["model"], None, [each for each in sweep.columns if each.name in _ALONE]
        )
    # An axis that the figure ignores would only repeat it.
    free = [name for name in free if name != figure.ignores]
    if across is None and (apart := [name for name in apart if name in free]):
        across = next((name for name in ("context", "batch") if name in apart), apart[-1])
    down = [*named, *(name for name in free if name != across)]
    return _Shape(down or ["model"], across, [figure])


def _of_work(grid: Grid) -> tuple[str, ...]:
    """Return the axes of the work; a model's longest context is no axis of traffic, which seldom has it."""
    longest = all(
        not isinstance(each.contexts, np.ndarray) and each.contexts == (None,) for each in grid.structures
    )
    return () if grid.of_traffic and longest else ("context", "batch")


def _axis(name: str, axes: Mapping[str, object]) -> str:
    spelt = name.strip().replace("-", "_")
    if spelt not in axes:
        raise OptionsError(f"{name[:40]!r} is no axis of this grid: there are {', '.join(axes)}")
    return spelt


def _figure(sweep: Sweep, name: str) -> Column:
    found = find_column(name, sweep.columns)
    if not is_figure(found):
        figures = ", ".join(each.name for each in sweep.columns if is_figure(each))
        raise OptionsError(f"{found.name} is an axis, and no figure: choose of {figures}")
    return found


class _Cells:
    """The cells of a table while it is filled: a figure's text, or the reason why there is none."""

    def __init__(self, shape: _Shape) -> None:
        self.shape = shape
        self.heads: dict[Any, None] = {}
        self.rows: dict[tuple[Any, ...], dict[Any, tuple[str, str | None]]] = {}
        self.numbers: dict[tuple[tuple[Any, ...], Any], float | None] = {}

    def put(self, point: Mapping[str, Any]) -> None:
        """Put a point in its place; of several that the figure does not tell apart, an answered one."""
        reason = point["reason"]
        key = tuple(point[name] for name in self.shape.down)
        row = self.rows.setdefault(key, {})
        for figure in self.shape.figures:
            head = point[self.shape.across] if self.shape.across else figure.name
            self.heads[head] = None
            if figure.name == "reason":
                row[head] = reason or "", None
            elif reason is None or head not in row:
                value = None if reason else point[figure.name]
                self.numbers[key, head] = value if isinstance(value, int | float) else None
                row[head] = "" if reason else cell_of(figure, point[figure.name]), reason

    def table(self, same: Mapping[str, str]) -> Pivot:
        """Return the table, its reasons numbered as they come."""
        shape, notes = self.shape, dict[str, int]()
        rows = tuple(
            (*map(head_of, shape.down, key), *self._texts(row, notes)) for key, row in self.rows.items()
        )
        return Pivot(
            value=shape.figures[0].name if len(shape.figures) == 1 else None,
            columns=shape.across,
            names=len(shape.down),
            titles=(*shape.down, *(head_of(shape.across, head) for head in self.heads)),
            rows=rows,
            notes=tuple(notes),
            same=same,
            numbers=tuple(tuple(self.numbers.get((key, head)) for head in self.heads) for key in self.rows)
            if len(shape.figures) == 1
            else (),
        )

    def _texts(self, row: Mapping[Any, tuple[str, str | None]], notes: dict[str, int]) -> Iterator[str]:
        for head in self.heads:
            text, reason = row.get(head, ("", None))
            yield f"[{notes.setdefault(reason, len(notes) + 1)}]" if reason else text


def title_of(pivot: Pivot) -> str:
    """Return what a table shows, in a line."""
    what = pivot.value or "Plans"
    return f"{what} by {pivot.columns}" if pivot.columns else what


def as_markdown(pivot: Pivot) -> str:
    """Return a table of Markdown: numbers to the right, and the reasons below."""
    head = [in_markdown(each) for each in pivot.titles]
    rule = ["---"] * pivot.names + ["---:"] * (len(head) - pivot.names)
    body = [[in_markdown(each) for each in row] for row in pivot.rows]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
    same = ", ".join(f"{name} {each}" for name, each in pivot.same.items())
    title = f"{title_of(pivot)} ({same})" if same else title_of(pivot)
    text = [in_markdown(title), "", *lines]
    if pivot.notes:
        text += ["", *(f"- [{number}] {in_markdown(each)}" for number, each in enumerate(pivot.notes, 1))]
    return "\n".join(text) + "\n"
