"""A card's memory as a bar, and its lines rounded so that what is printed adds up."""

from collections.abc import Sequence

from kvplan.report.console import Text
from kvplan.report.document import Part
from kvplan.units import running

_STYLES = {"weights": "blue", "used": "green", "free": "bright_black", "overhead": "magenta", "kept": "dim"}
_DRAWN = {"weights": "█", "used": "▓", "free": "░", "overhead": "▒", "kept": "·"}
_PLAIN = {"weights": "#", "used": "*", "free": "-", "overhead": "+", "kept": "."}


def style_of(part: Part) -> str:
    """Return the colour of a part, red when memory is missing."""
    return "bold red" if part.size_bytes < 0 else _STYLES[part.kind]


def glyph(part: Part, *, drawn: bool) -> str:
    """Return the character that fills the part's share of the bar, told apart without colour."""
    return (_DRAWN if drawn else _PLAIN)[part.kind]


def bar(parts: Sequence[Part], *, width: int, drawn: bool) -> Text:
    """Return a bar of *width* characters in which each part has its share."""
    sizes = [max(0, part.size_bytes) for part in parts]
    total = max(1, sum(sizes))
    text, start = Text(), 0
    for part, end in zip(parts, running(sizes), strict=True):
        stop = round(end * width / total)
        text.append(glyph(part, drawn=drawn) * (stop - start), style=style_of(part))
        start = stop
    return text
