"""A document in a terminal or a pipe, drawn by rich."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable

from kvplan.report.card import bar, glyph, style_of
from kvplan.report.console import Text, bar_width, can_draw, text_of, write
from kvplan.report.document import (
    Block,
    Card,
    Cards,
    Chart,
    Document,
    Grid,
    Heading,
    Line,
    Table,
    Waterfall,
    line,
)
from kvplan.report.narrow import NotedRows, NumberTable
from kvplan.report.plain import cards_table, chart_table, heading_line, waterfall_grid
from kvplan.report.shell import Command
from kvplan.units import format_gib, printed_gib

_INDENT = (0, 0, 0, 2)
_LABEL_WIDTH = 9
_PARTS = ("whole", "whole", "number")
"""How the lines of a card are set: a mark, a name, a size."""


def show(document: Document) -> None:
    """Write a document: in a terminal as wide as it is, in a pipe unwrapped."""
    write(*map(_drawn, document))


def _drawn(block: Block) -> RenderableType:  # noqa: PLR0911 - one for each kind of block
    match block:
        case Line(whole=True):
            return Command(_label(block), "".join(span.text for span in block.spans))
        case Line():
            drawn: RenderableType = _line(block)
        case Heading():
            return _line(heading_line(block))
        case Grid():
            drawn = _grid(block)
        case Table():
            drawn = NumberTable(block)
        case Card():
            return _card(block)
        case Cards():
            return NumberTable(cards_table(block))
        case Waterfall():
            return _drawn(waterfall_grid(block))
        case Chart():
            return Group(_line(line(block.title, "strong")), NumberTable(chart_table(block)))
    return Padding(drawn, _INDENT) if block.indented else drawn


def _label(paragraph: Line) -> Text:
    return Text().append(f"{paragraph.label:<{_LABEL_WIDTH}}" if paragraph.label else "", "bold")


def _line(paragraph: Line) -> Text:
    text = Text().append(_label(paragraph))
    for span in paragraph.spans:
        text.append(text_of(span))
    return text


def _grid(grid: Grid) -> RenderableType:
    rows = [tuple(map(text_of, row)) for row in grid.rows]
    if grid.columns:
        return NotedRows(grid.columns, rows)
    table = RichTable.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _card(card: Card) -> RenderableType:
    sizes = printed_gib([part.size_bytes for part in card.parts])
    rows = []
    for part, size in zip(card.parts, sizes, strict=True):
        mark = Text(glyph(part, drawn=can_draw()), style_of(part))
        rows.append((mark, Text(part.name), Text(size), Text(part.note, "dim")))
    total = Text(format_gib(card.total_bytes), "bold")
    rows.append((Text("="), Text(card.which, "bold"), total, Text(card.note, "dim")))
    return Group(bar(card.parts, width=bar_width(), drawn=can_draw()), NotedRows(_PARTS, rows))
