"""A grid's table as a document."""

from math import log

from kvplan.grids.pivot import Pivot, title_of
from kvplan.report.document import BLANK, Block, Cell, Column, Document, Heading, Span, Table, line
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
        Heading(title_of(pivot), level=1),
        *([line(same, "quiet")] if same else []),
        BLANK,
        Table(columns, rows, names=pivot.names, shades=_shades(pivot)),
        *([BLANK, *notes] if notes else []),
    )


def _shades(pivot: Pivot) -> tuple[tuple[float | None, ...], ...]:
    """Return where each number lies among all that are above 0: by its logarithm, as they span decades."""
    logs = [log(each) for row in pivot.numbers for each in row if each and each > 0]
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    if low == high:
        return ()

    def shade(number: float | None) -> float | None:
        return None if number is None else (log(number) - low) / (high - low) if number > 0 else 0.0

    return tuple(tuple(map(shade, row)) for row in pivot.numbers)


def _cell(text: str) -> Cell:
    return Span(text, "quiet") if text.startswith("[") or text == "0" else text
