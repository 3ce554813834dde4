"""How pictures look: colours for light and dark paper that nobody confuses, dashes, marks and hatches."""

from collections.abc import Mapping
from typing import Any

from kvplan.pictures.chart import PartKind
from kvplan.records import record

Colour = str

# Okabe and Ito, Color Universal Design, 2008 (https://jfly.uni-koeln.de/color/): told apart with any vision.
_BLUE, _SKY, _GREEN, _YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
_ORANGE, _VERMILION, _PURPLE = "#E69F00", "#D55E00", "#CC79A7"

DASHES: tuple[Any, ...] = (
    "solid",
    (0, (6, 2)),
    (0, (6, 2, 1.5, 2)),
    (0, (2, 1.5)),
    (0, (10, 3)),
    (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)),
    (0, (3, 3)),
    (0, (10, 2, 3, 2)),
)
"""A line's dash by its number, as are its colour and its mark: grey print tells lines apart by these."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

FORMULA_DASH: Any = (0, (1, 1.6))

HATCHES: Mapping[PartKind, str] = {
    "weights": "",
    "activation": "||||",
    "overhead": "xxxx",
    "kept": "----",
    "used": "////",
    "free": "",
    "missing": "\\\\\\\\\\\\",
    "sum": "",
    "more": "////",
    "less": "\\\\\\\\",
}


@record
class Style:
    """The colours of one kind of paper."""

    paper: Colour
    ink: Colour
    quiet: Colour
    grid: Colour
    shade: Colour
    hatch: Colour
    alarm: Colour
    lines: tuple[Colour, ...]
    parts: Mapping[PartKind, Colour]


LIGHT = Style(
    paper="#FFFFFF",
    ink="#1A1A1A",
    quiet="#5A5A5A",
    grid="#E3E3E3",
    shade="#F1F1F1",
    hatch="#D2D2D2",
    alarm="#B3261E",
    lines=(_BLUE, _VERMILION, _GREEN, "#9B4F7F", "#B87A00", _SKY, _ORANGE, "#000000"),
    parts={
        "weights": "#7FB8D8",
        "activation": "#E3B7CF",
        "overhead": "#CC79A7",
        "kept": "#DADADA",
        "used": "#7FCEB9",
        "free": "#FFFFFF",
        "missing": "#F2B599",
        "sum": "#7FB8D8",
        "more": "#F3CF80",
        "less": "#7FCEB9",
    },
)
DARK = Style(
    paper="#15181D",
    ink="#ECECEC",
    quiet="#A9AFB8",
    grid="#2E343D",
    shade="#1E232A",
    hatch="#39414C",
    alarm="#FF8A70",
    lines=(_SKY, _ORANGE, "#3CC9A3", "#E3A3C6", _YELLOW, "#4C9FDC", "#F08A4B", "#FFFFFF"),
    parts={
        "weights": "#1F6E9C",
        "activation": "#7E4C68",
        "overhead": "#9C5A80",
        "kept": "#454B55",
        "used": "#0F7A5C",
        "free": "#15181D",
        "missing": "#A4461A",
        "sum": "#1F6E9C",
        "more": "#8A6413",
        "less": "#0F7A5C",
    },
)

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "kvplan",
    "pdf.fonttype": 42,
    "hatch.linewidth": 0.7,
    "path.simplify": True,
    "axes.unicode_minus": False,
    "figure.dpi": 96,
}
"""Text stays text in SVG and PDF, and is never read as a formula; the same picture has the same bytes."""
