"""The picture `heat`: one figure of a sweep over two axes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kvplan.errors import OptionsError
from kvplan.grids.sweep import sweep
from kvplan.pictures.chart import Cell, Chart, Heat
from kvplan.planner.several import Models

if TYPE_CHECKING:
    from kvplan.grids.pivot import Pivot
    from kvplan.grids.results import Sweep

MOST_ROWS, MOST_COLUMNS = 40, 24
"""More cells are a table: `kvplan sweep`."""

_WORDS = {
    "max_batch": "Sequences held at once",
    "max_batch_likely": "Sequences held at once but for the risk",
    "max_context": "The longest context",
}
"""The figures that titles have a word for; all others are called as in a sweep."""


def heat(models: Models, options: Mapping[str, Any], table: Mapping[str, Any]) -> Chart:
    """Return one figure of all products; *table* has `rows`, `columns` and `value` as in Sweep.pivot."""
    return heat_of(sweep(models, **options), table)


def heat_of(grid: "Sweep", table: Mapping[str, Any]) -> Chart:
    """Return the same of a sweep that is there."""
    pivot = grid.pivot(**table)
    if pivot.columns is None or pivot.value is None:
        raise OptionsError("a map has two axes, of several values each: --tp 1,2,4,8 -c 8k..128k")
    across = pivot.titles[pivot.names :]
    if len(pivot.rows) > MOST_ROWS or len(across) > MOST_COLUMNS:
        raise OptionsError(
            f"{len(pivot.rows)} x {len(across)} cells are more than {MOST_ROWS} x {MOST_COLUMNS} of a map: "
            "give a smaller grid, or write it to a file with kvplan sweep"
        )
    panel = Heat(
        across=pivot.columns,
        down=", ".join(pivot.titles[: pivot.names]),
        columns=across,
        rows=tuple(", ".join(row[: pivot.names]) for row in pivot.rows),
        cells=tuple(
            tuple(
                Cell(text=text, value=value) for text, value in zip(row[pivot.names :], numbers, strict=True)
            )
            for row, numbers in zip(pivot.rows, pivot.numbers, strict=True)
        ),
        figure=pivot.value,
    )
    return Chart(
        kind="heat",
        title=_title(panel, pivot),
        subtitle=", ".join(f"{name} {value}" for name, value in pivot.same.items()),
        panels=(panel,),
        notes=_notes(pivot),
    )


def _title(panel: Heat, pivot: "Pivot") -> str:
    """Return where the figure is largest."""
    what = f"{_WORDS.get(panel.figure, panel.figure)} by {panel.across} and {panel.down}"
    cells = [
        (cell.value, cell.text, row, column)
        for row, of in zip(pivot.rows, panel.cells, strict=True)
        for column, cell in zip(panel.columns, of, strict=True)
        if cell.value is not None
    ]
    if not cells:
        return f"{what}: no cell has an answer"
    _, text, row, column = max(cells, key=lambda each: each[0])
    axes = [*zip(pivot.titles, row[: pivot.names], strict=False), (panel.across, column)]
    return f"{what}: {text} at the most, with {', '.join(f'{name} {value}' for name, value in axes)}"


def _notes(pivot: "Pivot") -> tuple[str, ...]:
    return tuple(f"[{number}] {reason}" for number, reason in enumerate(pivot.notes, 1))
