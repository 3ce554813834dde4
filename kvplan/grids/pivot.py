"""One figure of a grid as a table: axes down and across, and the reasons of what has no answer below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvplan.errors import OptionsError
from kvplan.grids.columns import FIGURES, PARETO, PRICE, Column, find_column
from kvplan.grids.results import Sweep
from kvplan.grids.texts import row_dicts
from kvplan.inert import inert
from kvplan.units import KIB, MIB, format_gib

MOST_POINTS = 20_000
"""Of a table that people read; more go into a file."""

_ALONE = ("max_batch", "max_context", "kv_bytes", "free_bytes")
"""The figures beside the only axis that varies."""

_ANY = "any"
"""Stands where memory sets no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pivot:
    """
    Cells of text below titles, the first `names` columns being axes; `notes` are the reasons by number.

    `same` are the axes that do not vary. `value` is None where the columns are figures.
    """

    value: str | None
    columns: str | None
    names: int
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    same: Mapping[str, str]


def pivot_of(sweep: Sweep, *, rows: Sequence[str], columns: str | None, value: str | None) -> Pivot:
    """Return a table of *value* as Sweep.pivot says; raise OptionsError for what is no axis or no figure."""
    if len(sweep) > MOST_POINTS:
        raise OptionsError(
            f"{len(sweep):,} points are no table to read: write them to a file, as in -o grid.parquet, or "
            "give a smaller grid"
        )
    axes = _axes(sweep)
    figure = _figure(sweep, value or "max_batch")
    down = [_axis(name, axes) for name in rows]
    across = _axis(columns, axes) if columns else None
    if across in down:
        raise OptionsError(f"{across} is in the rows and in the columns: name it once")
    # An axis that the figure ignores would only repeat it.
    free = [each for each in axes if len(axes[each]) > 1 and each not in (*down, across, figure.ignores)]
    # Of what goes together each row is one.
    apart = [each for each in free if each not in sweep.grid.paired]
    alone = value is None and across is None and (not apart or len({*free, *down}) < 2)  # noqa: PLR2004 - no two axes
    if across is None and not alone and apart:
        across = next((name for name in ("context", "batch") if name in apart), apart[-1])
        free.remove(across)
    order = [name for name in axes if name in free]
    return _filled(sweep, [*down, *order] or ["model"], across, _usual_figures(sweep) if alone else [figure])


def _axes(sweep: Sweep) -> dict[str, list[Any]]:
    """Return the values of each axis, in the order of the columns."""
    names = [each.name for each in sweep.columns if not _is_figure(each)]
    values: dict[str, dict[Any, None]] = {name: {} for name in names}
    for chunk in sweep.chunks():
        for name in names:
            if name in ("context", "batch"):
                values[name].update(dict.fromkeys(getattr(chunk, name).tolist()))
            elif name == "model" or name in sweep.grid.asked:
                values[name][chunk.labels.get(name)] = None
            else:
                values[name].setdefault(chunk.labels.get(name))
    # What was not asked for follows from the model: it is no axis.
    followed = [each for each in names if each not in ("model", "context", "batch", *sweep.grid.asked)]
    return {name: list(found)[:1] if name in followed else list(found) for name, found in values.items()}


def _is_figure(column: Column) -> bool:
    return column in (*FIGURES, PRICE, PARETO) or column.name in ("limit", "reason")


def _axis(name: str, axes: Mapping[str, object]) -> str:
    spelt = name.strip().replace("-", "_")
    if spelt not in axes:
        raise OptionsError(f"{name[:40]!r} is no axis of this grid: there are {', '.join(axes)}")
    return spelt


def _figure(sweep: Sweep, name: str) -> Column:
    found = find_column(name, sweep.columns)
    if not _is_figure(found):
        raise OptionsError(f"{found.name} is an axis, and no figure: choose of {_figures(sweep)}")
    return found


def _figures(sweep: Sweep) -> str:
    return ", ".join(each.name for each in sweep.columns if _is_figure(each))


def _usual_figures(sweep: Sweep) -> list[Column]:
    return [each for each in sweep.columns if each.name in _ALONE or each in (PRICE, PARETO)]


def _filled(sweep: Sweep, down: list[str], across: str | None, figures: list[Column]) -> Pivot:
    """Return the cells of a table, each point's in its place."""
    notes: dict[str, int] = {}
    heads: dict[Any, None] = {}
    found: dict[tuple[Any, ...], dict[Any, str]] = {}
    rest: dict[str, set[Any]] = {}
    axes = [each.name for each in sweep.columns if not _is_figure(each)]
    for chunk in sweep.chunks():
        for point in row_dicts(chunk, sweep.columns):
            key = tuple(point[name] for name in down)
            for figure in figures:
                head = point[across] if across else figure.name
                heads[head] = None
                cells = found.setdefault(key, {})
                # Of points that differ in what a figure ignores some may be refused.
                if point["reason"] is None or head not in cells:
                    cells[head] = _cell(point, figure, notes)
            for name in axes:
                rest.setdefault(name, set()).add(point[name])
    order = list(heads)
    # What differs from model to model, and changes no figure here, is not said.
    same = {name: next(iter(each)) for name, each in rest.items() if len(each) == 1}
    return Pivot(
        value=figures[0].name if across or len(figures) == 1 else None,
        columns=across,
        names=len(down),
        titles=(*down, *(head_of(across, head) for head in order)),
        rows=tuple(
            (*map(head_of, down, key), *(cells.get(head, "") for head in order))
            for key, cells in found.items()
        ),
        notes=tuple(notes),
        same={
            name: head_of(name, each)
            for name, each in same.items()
            if each is not None and name not in (*down, across)
        },
    )


def _cell(point: Mapping[str, Any], figure: Column, notes: dict[str, int]) -> str:
    """Return the text of a figure, or the number of the note that says why there is none."""
    reason = point["reason"]
    if reason is not None and figure.name != "reason":
        return f"[{notes.setdefault(reason, len(notes) + 1)}]"
    value = point[figure.name]
    if value is None:
        return _ANY if figure.name in ("max_batch", "max_context", "max_batch_per_gpu") else ""
    if figure.is_bytes:
        return format_gib(value)
    return _said(value)


def head_of(axis: str | None, value: object) -> str:
    """Return a value of an axis: a context as it is typed, `32k`."""
    if axis == "context" and isinstance(value, int) and value % KIB == 0:
        return f"{value // MIB}m" if value % MIB == 0 else f"{value // KIB}k"
    return _said(value)


def _said(value: object) -> str:
    """Return a value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004 - digits
        case _:
            return str(value)


def title_of(pivot: Pivot) -> str:
    """Return what a table shows, in a line."""
    what = pivot.value or "Plans"
    return f"{what} by {pivot.columns}" if pivot.columns else what


def as_markdown(pivot: Pivot) -> str:
    """Return a table of Markdown: numbers to the right, and the reasons below."""
    head = [_escaped(each) for each in pivot.titles]
    rule = ["---"] * pivot.names + ["---:"] * (len(head) - pivot.names)
    body = [[_escaped(each) for each in row] for row in pivot.rows]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
    same = ", ".join(f"{name} {each}" for name, each in pivot.same.items())
    text = [f"{title_of(pivot)} ({same})" if same else title_of(pivot), "", *lines]
    if pivot.notes:
        text += ["", *(f"- [{number}] {_escaped(each)}" for number, each in enumerate(pivot.notes, 1))]
    return "\n".join(text) + "\n"


def _escaped(text: str) -> str:
    return inert(text).replace("<", "&lt;").replace("|", "\\|")
