"""An answer as a document: lines, tables and cards, whatever shows them."""

from typing import Literal

from kvplan.records import record

Tone = Literal["plain", "strong", "quiet", "yes", "no", "maybe", "ok", "warning", "option", "kind"]
"""What a piece of text is to the reader; a renderer chooses a colour for it."""


@record(kw_only=False)
class Span:
    """Some text in one tone."""

    text: str
    tone: Tone = "plain"


Cell = str | Span


@record(kw_only=False)
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


@record(kw_only=False)
class Heading:
    """A title: of the document at level 1, which is its answer, and of a part of it at level 2."""

    text: str
    tone: Tone = "strong"
    level: Literal[1, 2] = 2


@record(kw_only=False)
class Grid:
    """Rows without titles; the first columns are set as told, what follows is text that may be broken."""

    rows: tuple[tuple[Cell, ...], ...]
    columns: tuple[Literal["whole", "number"], ...] = ()
    indented: bool = False


@record(kw_only=False)
class Column:
    """A column's title, and whether it holds numbers: those stand to the right and in one piece."""

    title: str
    numbers: bool = False


@record(kw_only=False)
class Table:
    """
    Rows below titles; the first *names* columns name a row, and are in one piece, too.

    *shades* are of each row's other cells where they lie among all, from 0 for the least to 1; None: nowhere.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 1
    indented: bool = False
    shades: tuple[tuple[float | None, ...], ...] = ()


PartKind = Literal["weights", "used", "free", "overhead", "kept"]
"""What a part of a card is: weights, cache in use, cache free, activation and overhead, kept back."""


@record(kw_only=False)
class Part:
    """One part of a card: its kind, name, bytes (negative: missing) and what is said of it."""

    kind: PartKind
    name: str
    size_bytes: int
    note: str


@record(kw_only=False)
class Card:
    """A card's memory by its parts, which sum to all of it; `which` says whose memory it is."""

    parts: tuple[Part, ...]
    total_bytes: int
    note: str
    which: str = "each GPU"


@record(kw_only=False)
class Cards:
    """Several cards side by side, each with its name, all to one scale."""

    cards: tuple[tuple[str, Card], ...]


@record(kw_only=False)
class Step:
    """One line of a waterfall: its bytes, negative where they are saved, and why."""

    name: str
    size_bytes: int
    note: str


@record(kw_only=False)
class Waterfall:
    """Bytes that are added up, step by step; `total` names their sum."""

    steps: tuple[Step, ...]
    total: str


@record(kw_only=False)
class Series:
    """A line of a chart: points with rising x, and in `between` of some x the least and the most of y."""

    name: str
    points: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, int, int], ...] = ()


@record(kw_only=False)
class Mark:
    """A point of a chart that stands out."""

    name: str
    x: int
    y: int


@record(kw_only=False)
class Chart:
    """Lines over two logarithmic axes: tokens, and what is counted, all of them at least 1."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()


Block = Line | Heading | Grid | Table | Card | Cards | Waterfall | Chart
Document = tuple[Block, ...]
