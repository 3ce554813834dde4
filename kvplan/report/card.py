"""A card's memory as a bar, and its lines rounded so that what is printed adds up."""

from collections.abc import Sequence
from itertools import pairwise

from kvplan.report.console import Text
from kvplan.report.document import Part
from kvplan.units import GIB

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
    for part, end in zip(parts, _running(sizes), strict=True):
        stop = round(end * width / total)
        text.append(glyph(part, drawn=drawn) * (stop - start), style=style_of(part))
        start = stop
    return text


def printed_gib(sizes: list[int]) -> list[str]:
    """
    Return the sizes in GiB with two decimals that sum to the total's own two decimals.

    Each is the difference of two rounded running totals, so it may be 0.01 off its own rounding.
    """
    cents = [0, *(round(end * 100 / GIB) for end in _running(sizes))]
    steps = [after - before for before, after in pairwise(cents)]
    return [f"{step / 100:.2f} GiB" for step in steps]


def _running(sizes: list[int]) -> list[int]:
    ends, end = [], 0
    for size in sizes:
        end += size
        ends.append(end)
    return ends
