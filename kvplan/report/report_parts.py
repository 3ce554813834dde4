"""Parts that several reports have: what is assumed, and the numbers of a chart."""

from collections.abc import Sequence
from typing import Any

from kvplan.report.document import Block, Chart, Column, Heading, Span, Table

FORMULA, ASSUMED = "The formula, with its numbers and sources", "What is assumed"
"""The titles of parts that several reports have."""

Assumption = tuple[str, str, str, str]
"""What is assumed: its name, what is taken, between what it may lie, and who says so."""


def assumption_table(assumed: Sequence[Assumption]) -> Table:
    """Return what is assumed, a row each."""
    columns = (Column("what"), Column("taken"), Column("between"), Column("by"))
    return Table(columns, tuple((*row[:3], Span(row[3], "quiet")) for row in assumed), names=3)


def assumption_data(assumed: Sequence[Assumption]) -> list[dict[str, str]]:
    """Return what is assumed as plain values."""
    return [dict(zip(("what", "taken", "between", "by"), row, strict=True)) for row in assumed]


def charted(chart: Chart | None) -> list[Block]:
    """Return a chart below its title, where there is one."""
    return [Heading(chart.title), chart] if chart else []


def chart_data(chart: Chart | None) -> list[dict[str, Any]]:
    """Return the lines of a chart: their points, and between what those may lie."""
    return [
        {"name": each.name, "points": each.points, "between": each.between}
        for each in (chart.series if chart else ())
    ]
