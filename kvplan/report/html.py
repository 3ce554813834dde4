"""A document as HTML: a fragment whose every text is escaped, with a class for each tone."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest

from kvplan.inert import inert
from kvplan.report.document import (
    BLANK,
    Block,
    Card,
    Cards,
    Cell,
    Chart,
    Document,
    Grid,
    Heading,
    Line,
    Part,
    Span,
    Table,
    Waterfall,
)
from kvplan.report.plain import PART_NAMES, cards_table, chart_table, waterfall_grid
from kvplan.report.svg import svg
from kvplan.units import format_gib, printed_gib

_BETWEEN, _BEYOND = "between the least and the most of the estimate", "does not fit"
"""What the areas of a chart are."""

_NAME = 40
"""Letters of a name that are not broken."""

_WIDE, _NARROW = (720, 340), (350, 300)
"""Pixels of a chart on a screen and on a phone: scaled, its text would be too small on one of them."""


def html(document: Document) -> str:
    """Return the elements of a document, one below the other."""
    return "\n".join(_element(block) for block in document if block != BLANK)


def _element(block: Block) -> str:  # noqa: PLR0911 - one for each kind of block
    match block:
        case Line():
            return _paragraph(block)
        case Heading():
            name = f"h{block.level}"
            return f'<{name} class="{block.tone}">{_text(block.text)}</{name}>'
        case Grid():
            return _table(block.rows, ["name" if kind == "whole" else kind for kind in block.columns])
        case Table():
            return _titled(block)
        case Card():
            return _card(block)
        case Cards():
            return _cards(block)
        case Waterfall():
            return _waterfall(block)
        case Chart():
            return _chart(block)


def _paragraph(line: Line) -> str:
    if line.whole:
        command = "".join(_text(span.text) for span in line.spans)
        return f'<p class="labelled"><b>{_text(line.label)}</b> <code class="whole">{command}</code></p>'
    if not line.label:
        return f"<p{_classed('indented' if line.indented else '')}>{_spans(line)}</p>"
    return f'<p class="labelled"><b>{_text(line.label)}</b> <span>{_spans(line)}</span></p>'


def _spans(line: Line) -> str:
    return "".join(map(_span, line.spans))


def _card(card: Card) -> str:
    """Return a bar in which each part grows with its bytes, and the parts as rows that sum to the card."""
    sizes = printed_gib([part.size_bytes for part in card.parts])
    rows = [
        _noted(f"{_swatch(part)}{_text(part.name)}", size, part.note)
        for part, size in zip(card.parts, sizes, strict=True)
    ]
    whole = _span(Span(card.which, "strong"))
    rows.append(_noted(whole, format_gib(card.total_bytes), card.note, kind="sum"))
    return f'<div class="bar">{_spread(card)}</div>{_scrolled("".join(rows), "noted")}'


def _noted(name: str, size: str, note: str, *, kind: str = "") -> str:
    """Return a row of a card, whose name is HTML already."""
    return f"<tr{_classed(kind)}><td>{name}</td>{_number(size)}<td>{_span(Span(note, 'quiet'))}</td></tr>"


def _swatch(part: Part) -> str:
    return f'<i class="{"missing" if part.size_bytes < 0 else part.kind}"></i>'


def _cards(cards: Cards) -> str:
    """Return the bars of several cards one below the other, all to one scale, and their numbers."""
    most = max(_drawn(card) for _, card in cards.cards) or 1
    keys = "".join(f'<li><i class="{kind}"></i>{_text(name)}</li>' for kind, name in PART_NAMES.items())
    rows = (
        f'<tr><td>{_text(name)}</td><td><div class="bar" style="width: {_percent(_drawn(card), most)}">'
        f"{_spread(card)}</div></td></tr>"
        for name, card in cards.cards
    )
    numbers = f"<details><summary>in numbers</summary>{_titled(cards_table(cards))}</details>"
    return f'<figure><ul>{keys}</ul><table class="cards">{"".join(rows)}</table>{numbers}</figure>'


def _drawn(card: Card) -> int:
    """Return the bytes that a card's bar shows: all of it, or all that a plan needs which does not fit."""
    return sum(max(0, part.size_bytes) for part in card.parts)


def _spread(card: Card) -> str:
    """Return the parts of a card, each as wide as its bytes, and where the card ends if they are more."""
    parts = "".join(
        f'<span class="{part.kind}" style="flex-grow: {max(0, part.size_bytes)}"></span>'
        for part in card.parts
    )
    drawn = _drawn(card)
    if drawn <= card.total_bytes:
        return parts
    return f'{parts}<i class="edge" style="left: {_percent(card.total_bytes, drawn)}"></i>'


def _waterfall(waterfall: Waterfall) -> str:
    """Return the steps as rows, each with a bar from where the one before it ends."""
    sizes = [step.size_bytes for step in waterfall.steps]
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    most = max(1, *ends)
    drawn = [
        _floating(min(end - size, end), abs(size), most, less=size < 0)
        for end, size in zip(ends, sizes, strict=True)
    ]
    drawn.append(_floating(0, ends[-1], most, less=False))
    rows = (
        f'<tr><td>{_span(name)}</td>{_number(size)}<td class="drawn">{bar}</td><td>{_span(note)}</td></tr>'
        for (name, size, note), bar in zip(waterfall_grid(waterfall).rows, drawn, strict=True)
    )
    return _scrolled("".join(rows), "noted waterfall")


def _floating(start: int, size: int, most: int, *, less: bool) -> str:
    kind = "less" if less else "more"
    return f'<i class="{kind}" style="left: {_percent(start, most)}; width: {_percent(size, most)}"></i>'


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%"


def _chart(chart: Chart) -> str:
    keys = "".join(
        f'<li><svg viewBox="0 0 28 8" aria-hidden="true"><path class="line line{number}" d="M0 4H28"/></svg> '
        f"{_text(series.name)}</li>"
        for number, series in enumerate(chart.series)
    )
    areas = [("between", _BETWEEN)] if any(series.between for series in chart.series) else []
    areas += [("beyond", _BEYOND)] if len(chart.series) == 1 else []
    keys += "".join(f'<li><i class="{kind}"></i>{_text(said)}</li>' for kind, said in areas)
    drawn = "".join(
        f'<div class="{name}">{svg(chart, width=width, height=height)}</div>'
        for name, (width, height) in (("wide", _WIDE), ("narrow", _NARROW))
    )
    numbers = f"<details><summary>in numbers</summary>{_titled(chart_table(chart))}</details>"
    return f"<figure><ul>{keys}</ul>{drawn}{numbers}</figure>"


def _titled(table: Table) -> str:
    kinds = [
        "number" if column.numbers else "name" if at < table.names else ""
        for at, column in enumerate(table.columns)
    ]
    heads = "".join(
        f"<th{_classed(kind)}>{_text(column.title)}</th>"
        for column, kind in zip(table.columns, kinds, strict=True)
    )
    shades = [(*[None] * table.names, *row) for row in table.shades]
    return _table(table.rows, kinds, f"<tr>{heads}</tr>", shades)


def _table(
    rows: Iterable[tuple[Cell, ...]],
    kinds: Sequence[str],
    heads: str = "",
    shades: Sequence[Sequence[float | None]] = (),
) -> str:
    """Return rows whose cells have the classes of their columns, where these say any, and their shades."""
    every = list(rows)
    body = (_row(row, kinds, shade or ()) for row, shade in zip_longest(every, shades))
    return _scrolled(heads + "".join(body), "heat" if shades else "noted" if _noted_all(every) else "")


def _noted_all(rows: Sequence[Sequence[Cell]]) -> bool:
    """Tell whether what each row says last is a note: on a phone that stands below it."""
    return all(isinstance(row[-1], Span) and row[-1].tone == "quiet" for row in rows)


def _row(row: Sequence[Cell], kinds: Sequence[str], shades: Sequence[float | None]) -> str:
    cells = (
        f"<td{_classed(_kind(cell, kind))}{_shaded(shade)}>{_span(cell)}</td>"
        for cell, kind, shade in zip_longest(row, kinds[: len(row)], shades[: len(row)])
    )
    return f"<tr>{''.join(cells)}</tr>"


def _kind(cell: Cell, kind: str | None) -> str | None:
    """Return the class of a cell: a name is in one piece, unless it is so long that nothing else has room."""
    text = cell if isinstance(cell, str) else cell.text
    return None if kind == "name" and len(text) > _NAME else kind


def _classed(kind: str | None) -> str:
    return f' class="{kind}"' if kind else ""


def _shaded(shade: float | None) -> str:
    return "" if shade is None else f' style="--shade: {round(100 * shade)}%"'


def _number(size: Cell) -> str:
    return f'<td class="number">{_span(size)}</td>'


def _scrolled(rows: str, kind: str = "") -> str:
    """Return a table that scrolls by itself where it is wider than the page."""
    return f'<div class="scrolled"><table{_classed(kind)}>{rows}</table></div>'


def _span(cell: Cell) -> str:
    if isinstance(cell, str) or cell.tone == "plain":
        return _text(cell if isinstance(cell, str) else cell.text)
    return f'<span class="{cell.tone}">{_text(cell.text)}</span>'


def _text(text: str) -> str:
    return escape(inert(text))
