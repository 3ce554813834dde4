"""What stands for a picture where none is drawn, and beside one that is: its numbers as lines and tables."""

from collections.abc import Mapping
from typing import get_args

from kvplan.report.document import (
    Card,
    Cards,
    Cell,
    Chart,
    Column,
    Grid,
    Heading,
    Line,
    PartKind,
    Span,
    Table,
    Waterfall,
    line,
)
from kvplan.units import format_gib, format_tokens, printed_gib

PART_NAMES: Mapping[PartKind, str] = {
    "weights": "weights",
    "used": "KV cache used",
    "free": "KV cache free",
    "overhead": "activation, overhead",
    "kept": "kept back",
}
"""The kinds of a card's parts, where several cards stand side by side."""


def heading_line(heading: Heading) -> Line:
    """Return a title as a paragraph."""
    return line(heading.text, heading.tone)


def waterfall_grid(waterfall: Waterfall) -> Grid:
    """Return the steps as rows, and their sum below them."""
    rows: list[tuple[Cell, ...]] = [
        (step.name, f"{step.size_bytes:,} B", Span(step.note, "quiet")) for step in waterfall.steps
    ]
    total = sum(step.size_bytes for step in waterfall.steps)
    rows.append((Span(waterfall.total, "strong"), Span(f"{total:,} B", "strong"), ""))
    return Grid(tuple(rows), ("whole", "number"), indented=True)


def cards_table(cards: Cards) -> Table:
    """Return a row for each card with its parts by their kinds, which sum to the last column."""
    columns = (Column("each GPU"), *(Column(PART_NAMES[kind], numbers=True) for kind in get_args(PartKind)))
    rows = tuple(
        (name, *printed_gib(list(by_kind(card).values())), format_gib(card.total_bytes))
        for name, card in cards.cards
    )
    return Table((*columns, Column("all of it", numbers=True)), rows)


def by_kind(card: Card) -> dict[PartKind, int]:
    """Return the bytes of a card's parts, those of one kind together, in the order of the kinds."""
    kinds: tuple[PartKind, ...] = get_args(PartKind)
    return {kind: sum(part.size_bytes for part in card.parts if part.kind == kind) for kind in kinds}


def chart_table(chart: Chart) -> Table:
    """Return a row for each x that is a round number of tokens or the last, and a column for each line."""
    lines = [dict(series.points) for series in chart.series]
    every = sorted({x for points in lines for x in points})
    ends = {mark.x for mark in chart.marks} | {max(points) for points in lines if points}
    columns = (Column(chart.x, numbers=True), *(Column(each.name, numbers=True) for each in chart.series))
    return Table(
        columns,
        tuple(
            (format_tokens(x), *(f"{points[x]:,}" if x in points else "" for points in lines))
            for x in every
            if x & (x - 1) == 0 or x in ends
        ),
    )
