"""A picture as data: titles that answer, axes with units, lines, bars and cells, whatever draws them."""

from dataclasses import field
from html import escape
from pathlib import Path
from typing import Literal

from kvplan.inert import inert
from kvplan.records import record

Scale = Literal["linear", "log"]

PartKind = Literal[
    "weights", "used", "free", "activation", "overhead", "kept", "missing", "more", "less", "sum"
]
"""What a part of a bar is to the reader; who draws chooses its colour and its hatch."""

Look = Literal["line", "formula", "area"]
"""A plan's own line, the formula's thin one beside it, or the filled steps of a histogram."""


@record(kw_only=False)
class Tick:
    """A mark of an axis and its text. Where there is no room for all, those of higher `rank` are left out."""

    at: float
    text: str
    rank: int = 0


@record
class Axis:
    """An axis from `low` to `high`; its label names the unit."""

    label: str
    low: float
    high: float
    scale: Scale = "linear"
    ticks: tuple[Tick, ...] = ()


@record
class Series:
    """A line through `points` from left to right; `style` is its look's number, `note` its answer."""

    name: str
    points: tuple[tuple[float, float], ...]
    style: int = 0
    look: Look = "line"
    note: str = ""


@record
class Mark:
    """A point that is named."""

    x: float
    y: float
    text: str
    style: int = 0


@record
class Edge:
    """A value of the x axis that is named: a card's edge, a percentile, a window. A `hard` one is a limit."""

    at: float
    text: str
    hard: bool = False


@record
class Lines:
    """Lines over two axes; nothing fits above `bound`, which goes from left to right."""

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    edges: tuple[Edge, ...] = ()
    bound: tuple[tuple[float, float], ...] = ()
    beyond: str = ""


@record
class Part:
    """A part of a bar, from `start` to `end`, its text to stand on it where that has room."""

    kind: PartKind
    name: str
    start: int
    end: int
    text: str = ""


@record
class Bar:
    """A row: its name, the parts that are drawn, and its answer in words; or the reason why there is none."""

    name: str
    parts: tuple[Part, ...] = ()
    text: str = ""
    refusal: str = ""


@record
class Bars:
    """Rows of bars over one axis, with what is named on it; `legend` explains the parts by their names."""

    x: Axis
    bars: tuple[Bar, ...]
    edges: tuple[Edge, ...] = ()
    title: str = ""
    legend: bool = True


@record
class Cell:
    """A cell of a map: its text, and its value where it has one."""

    text: str
    value: float | None


@record
class Heat:
    """Cells below and beside the values of two axes, coloured by their values."""

    across: str
    down: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    figure: str


Panel = Lines | Bars | Heat


@record
class Chart:
    """
    A picture: a title that answers the question, how that was asked, panels one below the other, and notes.

    `save` writes it to a file, `str` draws it in letters, and notebooks show it by themselves.
    """

    kind: str
    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        return f"<Chart {self.kind}: {inert(self.title)}>"

    def save(self, path: str | Path, *, dark: bool = False, width: int | None = None) -> None:
        """
        Write the picture to a file by its ending, .png, .svg or .pdf, whole or not at all.

        *width* is in pixels, as a browser counts them. Raises KvplanError without matplotlib.
        """
        from kvplan.pictures.painted.files import save  # noqa: PLC0415 - matplotlib is imported there

        save(self, Path(path), dark=dark, width=width)

    def to_svg(self, *, dark: bool = False, width: int | None = None) -> str:
        """Return the picture as the text of an SVG file."""
        from kvplan.pictures.painted.files import svg  # noqa: PLC0415 - as above

        return svg(self, dark=dark, width=width)

    def to_text(self, *, width: int = 80, colour: bool = False, plain: bool = False) -> str:
        """Return the picture for a terminal of so many columns: in braille dots, or *plain* in ASCII."""
        from kvplan.pictures.terminal.page import page  # noqa: PLC0415 - many a picture goes to a file

        return page(self, width=width, colour=colour, plain=plain)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        drawn = self.to_svg()
        element = drawn[drawn.index("<svg") :]  # What stands before it is for files alone.
        return f'<figure role="img" aria-label="{escape(inert(self.title))}">{element}</figure>'
