"""An answer as a document: lines, tables and cards, whatever shows them."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "strong", "quiet", "yes", "no", "maybe", "ok", "warning", "option", "kind"]
"""What a piece of text is to the reader; a renderer chooses a colour for it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some text in one tone."""

    text: str
    tone: Tone = "plain"


Cell = str | Span


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph, which may have a label before it; a `whole` one is to be copied, and is not broken."""

    spans: tuple[Span, ...] = ()
    label: str = ""
    indented: bool = False
    whole: bool = False


BLANK = Line()


def line(text: str, tone: Tone = "plain", *, label: str = "", indented: bool = False) -> Line:
    """Return a paragraph in one tone."""
    return Line((Span(text, tone),), label=label, indented=indented)


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows without titles; the first columns are set as told, what follows is text that may be broken."""

    rows: tuple[tuple[Cell, ...], ...]
    columns: tuple[Literal["whole", "number"], ...] = ()
    indented: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title, and whether it holds numbers: those stand to the right and in one piece."""

    title: str
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below titles; the first *names* columns name a row, and are in one piece, too."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 1
    indented: bool = False


PartKind = Literal["weights", "used", "free", "overhead", "kept"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a card: its kind, name, bytes (negative: missing) and what is said of it."""

    kind: PartKind
    name: str
    size_bytes: int
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """A card's memory by its parts, which sum to all of it."""

    parts: tuple[Part, ...]
    total_bytes: int
    note: str


Block = Line | Grid | Table | Card
Document = tuple[Block, ...]
