"""A document as HTML: a fragment whose every text is escaped, with a class for each tone."""

from collections.abc import Iterable
from html import escape

from kvplan.inert import inert
from kvplan.report.document import Block, Card, Cell, Document, Grid, Line, Span, Table
from kvplan.units import format_gib, printed_gib


def html(document: Document) -> str:
    """Return the elements of a document, one below the other."""
    return "\n".join(_element(block) for block in document if block != Line())


def _element(block: Block) -> str:
    match block:
        case Line():
            label = f"<b>{_text(block.label)}</b> " if block.label else ""
            return f"<p>{label}{''.join(map(_span, block.spans))}</p>"
        case Grid():
            return _table(block.rows)
        case Table():
            heads = "".join(f"<th>{_text(column.title)}</th>" for column in block.columns)
            return _table(block.rows, f"<tr>{heads}</tr>")
        case Card():
            return _card(block)


def _card(card: Card) -> str:
    """Return a bar in which each part grows with its bytes, and the parts as rows that sum to the card."""
    bar = "".join(
        f'<span class="{part.kind}" style="flex-grow: {max(0, part.size_bytes)}"></span>'
        for part in card.parts
    )
    sizes = printed_gib([part.size_bytes for part in card.parts])
    rows: list[tuple[Cell, ...]] = [
        (part.name, size, Span(part.note, "quiet")) for part, size in zip(card.parts, sizes, strict=True)
    ]
    rows.append((Span("each GPU", "strong"), format_gib(card.total_bytes), Span(card.note, "quiet")))
    return f'<div class="bar" style="display: flex">{bar}</div>{_table(rows)}'


def _table(rows: Iterable[tuple[Cell, ...]], heads: str = "") -> str:
    body = "".join(f"<tr>{''.join(f'<td>{_span(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{heads}{body}</table>"


def _span(cell: Cell) -> str:
    if isinstance(cell, str) or cell.tone == "plain":
        return _text(cell if isinstance(cell, str) else cell.text)
    return f'<span class="{cell.tone}">{_text(cell.text)}</span>'


def _text(text: str) -> str:
    return escape(inert(text))
