"""A grid's table as a document."""

from kvplan.grids.pivot import Pivot, title_of
from kvplan.report.document import BLANK, Block, Cell, Column, Document, Span, Table, line
from kvplan.report.terminal import show


def print_sweep(pivot: Pivot) -> None:
    """Print one figure of a grid, or some of an axis, and the reasons of what has no answer."""
    show(sweep_document(pivot))


def sweep_document(pivot: Pivot) -> Document:
    """Return one figure of a grid, or some of an axis, and the reasons of what has no answer."""
    same = ", ".join(f"{name} {value}" for name, value in pivot.same.items())
    columns = tuple(Column(title, numbers=at >= pivot.names) for at, title in enumerate(pivot.titles))
    rows = tuple((*row[: pivot.names], *map(_cell, row[pivot.names :])) for row in pivot.rows)
    notes: list[Block] = [line(f"[{number}] {text}", "quiet") for number, text in enumerate(pivot.notes, 1)]
    return (
        line(title_of(pivot), "strong"),
        *([line(same, "quiet")] if same else []),
        BLANK,
        Table(columns, rows, names=pivot.names),
        *([BLANK, *notes] if notes else []),
    )


def _cell(text: str) -> Cell:
    return Span(text, "quiet") if text.startswith("[") or text == "0" else text
