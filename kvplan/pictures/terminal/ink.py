"""Colours and letters of a terminal."""

from collections.abc import Mapping

from kvplan.inert import inert
from kvplan.pictures.chart import PartKind

LINES = (
    "bright_blue",
    "bright_yellow",
    "bright_green",
    "bright_magenta",
    "bright_cyan",
    "bright_red",
    "white",
    "blue",
)
"""A line's colour by its number; its letter tells it apart without."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"

GLYPHS: Mapping[PartKind, str] = {
    "weights": "█",
    "activation": "▒",
    "overhead": "▚",
    "kept": "·",
    "used": "▓",
    "free": "░",
    "missing": "!",
    "sum": "█",
    "more": "▓",
    "less": "░",
}
PARTS: Mapping[PartKind, str] = {
    "weights": "blue",
    "activation": "magenta",
    "overhead": "magenta",
    "kept": "bright_black",
    "used": "green",
    "free": "bright_black",
    "missing": "bright_red",
    "sum": "blue",
    "more": "yellow",
    "less": "green",
}

_CODES = {
    name: 30 + at
    for at, name in enumerate(("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"))
}
_CODES |= {f"bright_{name}": code + 60 for name, code in _CODES.items()}
_CODES |= {"bold": 1, "dim": 2}


def inked(text: str, colour: str, *, on: bool) -> str:
    """Return *text* in a colour of the terminal's own."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if on and text else text


def shown(text: str) -> str:
    """Return text from outside as a terminal may have it."""
    return inert(text, 200)
