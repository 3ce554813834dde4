"""A sheet of paper to draw on, in pixels from its upper left corner, and what texts take on it."""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from kvplan.inert import inert
from kvplan.pictures.painted.style import Style

PER_INCH = 96
"""Pixels of an inch, as in CSS."""

SMALL, PLAIN, LARGE = 8.5, 9.5, 13.0
"""Sizes of letters, in points."""

_FINER = 4

_LINE = 1.35
"""The height of a line of text, by that of its letters."""

_UNIT = re.compile(r"(\d) (B|KiB|MiB|GiB|%)(?![\w])")

MOST_TEXT = 200
"""Characters of a name or a note; what is longer keeps its beginning and its end."""


class Sheet:
    """A figure whose height grows until all of it is known; `style` are its colours."""

    def __init__(self, width: int, style: Style) -> None:
        self.width = width
        self.style = style
        self.height = 100.0
        self.figure = Figure(figsize=(width / PER_INCH, 1), dpi=PER_INCH, facecolor=style.paper)
        # Few pixels would round each letter's width, which neither a file of more pixels does nor a browser.
        fine: Any = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=PER_INCH * _FINER))
        self._renderer = fine.get_renderer()

    def grow(self, height: float) -> None:
        """Set the height, in pixels: before anything is drawn."""
        self.height = height
        self.figure.set_size_inches(self.width / PER_INCH, height / PER_INCH)

    def text_width(self, text: str, size: float = PLAIN, *, bold: bool = False) -> float:
        """Return the pixels that a line of text takes."""
        font = FontProperties(size=size, weight="bold" if bold else "normal")
        known = shown(text.replace("\u00a0", " "))
        width, _, _ = self._renderer.get_text_width_height_descent(known, font, ismath=False)
        return float(width) / _FINER

    def widest(self, texts: Sequence[str], size: float = PLAIN) -> float:
        """Return the pixels of the widest of *texts*; 0 without any."""
        return max((self.text_width(each, size) for each in texts), default=0)

    def wrapped(self, text: str, width: float, size: float = PLAIN, *, bold: bool = False) -> list[str]:
        """Return *text* in lines that are no wider than *width*; a longer word is broken."""
        lines: list[str] = []
        # A number and its unit stay together.
        for word in _UNIT.sub("\\1\u00a0\\2", shown(text)).split(" "):
            whole = f"{lines[-1]} {word}" if lines else word
            if lines and self.text_width(whole, size, bold=bold) <= width:
                lines[-1] = whole
            else:
                lines += self._broken(word, width, size, bold=bold)
        return [each.replace("\u00a0", " ") for each in lines]

    def _broken(self, word: str, width: float, size: float, *, bold: bool) -> list[str]:
        parts = [""]
        for letter in word:
            if parts[-1] and self.text_width(parts[-1] + letter, size, bold=bold) > width:
                parts.append("")
            parts[-1] += letter
        return parts

    def text(  # noqa: PLR0913 - what a text looks like
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = PLAIN,
        bold: bool = False,
        colour: str | None = None,
        across: str = "left",
        along: str = "top",
    ) -> Text:
        """Write a line of text at a point."""
        return self.figure.text(
            x / self.width,
            1 - y / self.height,
            shown(text),
            fontsize=size,
            fontweight="bold" if bold else "normal",
            color=colour or self.style.ink,
            ha=across,
            va=along,
        )

    def over(self, x: float, y: float, text: str, **looks: Any) -> None:  # noqa: ANN401 - those of `text`
        """Write a line of text at a point on paper of its own, so that no line of a grid runs through it."""
        paper = {"facecolor": self.style.paper, "edgecolor": "none", "pad": 1}
        self.text(x, y, text, **looks).set_bbox(paper)

    def axis_label(self, x: float, y: float, text: str) -> None:
        """Write what an axis below says, ending at a point."""
        self.text(x, y, text, size=SMALL, colour=self.style.quiet, across="right")

    def rectangle(self, x: float, y: float, width: float, height: float, **looks: Any) -> None:  # noqa: ANN401
        """Draw a rectangle, its upper left corner at a point."""
        corner = (x / self.width, 1 - (y + height) / self.height)
        patch = Rectangle(
            corner, width / self.width, height / self.height, transform=self.figure.transFigure, **looks
        )
        self.figure.add_artist(patch)

    def stroke(self, x: float, y: float, width: float, **looks: Any) -> None:  # noqa: ANN401
        """Draw a line to the right from a point, its mark in the middle."""
        xs = [x / self.width, (x + width / 2) / self.width, (x + width) / self.width]
        line = Line2D(
            xs, [1 - y / self.height] * 3, transform=self.figure.transFigure, markevery=[1], **looks
        )
        self.figure.add_artist(line)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Return axes whose upper left corner is at a point."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place)
        axes.set_facecolor(self.style.paper)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(self.style.quiet)
        axes.tick_params(
            which="both", length=3, color=self.style.quiet, labelcolor=self.style.ink, labelsize=SMALL
        )
        axes.set_axisbelow(True)
        return axes


def shown(text: str) -> str:
    """Return text from outside as a picture may have it: in one line, and with nothing that hides."""
    return inert(text, MOST_TEXT)


def line_height(size: float = PLAIN) -> float:
    """Return the pixels of a line of text."""
    return size * PER_INCH / 72 * _LINE
