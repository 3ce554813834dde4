"""A card's memory as a bar, and its lines rounded so that what is printed adds up."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from kvplan.report.console import Text
from kvplan.units import GIB

PartKind = Literal["weights", "used", "free", "overhead", "kept"]

_STYLES = {"weights": "blue", "used": "green", "free": "bright_black", "overhead": "magenta", "kept": "dim"}
_DRAWN = {"weights": "█", "used": "▓", "free": "░", "overhead": "▒", "kept": "·"}
_PLAIN = {"weights": "#", "used": "*", "free": "-", "overhead": "+", "kept": "."}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the card: its kind, name, bytes (negative: missing) and what is said of it."""

    kind: PartKind
    name: str
    size_bytes: int
    note: str

    @property
    def style(self) -> str:
        """The colour of the part, red when memory is missing."""
        return "bold red" if self.size_bytes < 0 else _STYLES[self.kind]

    def glyph(self, *, drawn: bool) -> str:
        """Return the character that fills the part's share of the bar, told apart without colour."""
        return (_DRAWN if drawn else _PLAIN)[self.kind]


def bar(parts: list[Part], *, width: int, drawn: bool) -> Text:
    """Return a bar of *width* characters in which each part has its share."""
    sizes = [max(0, part.size_bytes) for part in parts]
    total = max(1, sum(sizes))
    text, start = Text(), 0
    for part, end in zip(parts, _running(sizes), strict=True):
        stop = round(end * width / total)
        text.append(part.glyph(drawn=drawn) * (stop - start), style=part.style)
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
