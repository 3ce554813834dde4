"""A document as Markdown: every text in it is text, and stays in its line or cell."""

import re
from collections.abc import Iterable, Iterator, Sequence

from kvplan.inert import in_markdown, inert
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
    Table,
    Waterfall,
)
from kvplan.report.plain import cards_table, chart_table, waterfall_grid
from kvplan.units import format_gib, printed_gib

_BEGINNING = re.compile(r"(?P<blank>\s*)(?P<digits>\d*)(?P<mark>[-+=#.):])")
"""What is a list, a title or a rule where a line begins with it."""

_QUOTES = re.compile("`+")


def markdown(document: Document) -> str:
    """Return a document as Markdown, a blank line between its parts."""
    return "\n".join(_element(block) for block in document if block != BLANK)


def table_text(table: Table) -> str:
    """Return a table alone, numbers to the right."""
    kinds = [column.numbers for column in table.columns]
    return _table([column.title for column in table.columns], kinds, table.rows)


def _element(block: Block) -> str:  # noqa: PLR0911 - one for each kind of block
    match block:
        case Line():
            return _paragraph(block)
        case Heading():
            return f"{'#' * block.level} {in_markdown(block.text)}\n"
        case Grid():
            kinds = [kind == "number" for kind in block.columns]
            width = max(map(len, block.rows), default=0)
            return _table([""] * width, kinds + [False] * (width - len(kinds)), block.rows)
        case Table():
            return table_text(block)
        case Card():
            return _card(block)
        case Cards():
            return table_text(cards_table(block))
        case Waterfall():
            return _element(waterfall_grid(block))
        case Chart():
            return table_text(chart_table(block))


def _paragraph(line: Line) -> str:
    text = "".join(span.text for span in line.spans)
    label = f"**{in_markdown(line.label.strip())}**" if line.label else ""
    if line.whole:
        return f"{label}\n\n{_fenced(text)}"
    if line.label:
        return f"{label} {in_markdown(text).strip()}\n"
    said = _begun(in_markdown(text))
    return f"- {said}\n" if line.indented else f"{said}\n"


def _fenced(text: str) -> str:
    """Return a block of code, between more backticks than there are in it."""
    fence = "`" * max([3, *(len(each) + 1 for each in _QUOTES.findall(text))])
    return f"{fence}console\n{inert(text)}\n{fence}\n"


def _begun(text: str) -> str:
    """Return escaped text as a line may begin with it."""
    text = text.strip()
    found = _BEGINNING.match(text)
    return text if found is None else f"{text[: found.start('mark')]}\\{text[found.start('mark') :]}"


def _card(card: Card) -> str:
    sizes = printed_gib([part.size_bytes for part in card.parts])
    rows: list[tuple[Cell, ...]] = [
        (part.name, size, part.note) for part, size in zip(card.parts, sizes, strict=True)
    ]
    rows.append((card.which, format_gib(card.total_bytes), card.note))
    return _table(["", "", ""], [False, True, False], rows)


def _table(titles: Sequence[str], numbers: Sequence[bool], rows: Sequence[Sequence[Cell]]) -> str:
    return "".join(f"{line}\n" for line in _lines(titles, numbers, rows))


def _lines(titles: Sequence[str], numbers: Sequence[bool], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    yield _row(map(in_markdown, titles))
    yield _row("---:" if number else "---" for number in numbers)
    for row in rows:
        yield _row(in_markdown(cell if isinstance(cell, str) else cell.text) for cell in row)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
