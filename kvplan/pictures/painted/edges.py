"""Values of an axis that are named above it: a card's edge, a window, a percentile."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from kvplan.pictures.chart import Axis, Edge
from kvplan.pictures.painted.sheet import SMALL, Sheet, line_height
from kvplan.pictures.ticks import share
from kvplan.records import record

_BETWEEN = 10
_AWAY = 6


@record(kw_only=False)
class Named:
    """An edge, its text's left end, and the row above the axes in which that has room."""

    edge: Edge
    left: float
    right: float
    row: int


def edge_rows(
    sheet: Sheet, edges: Sequence[Edge], axis: Axis, left: float, width: float
) -> tuple[Named, ...]:
    """
    Return where the texts of edges stand above axes that begin at *left*, so that no line crosses one.

    A text stands to the right of its line, or to the left if the next line, or the end, is too near. There it
    stands above all lines, each of which ends at its own text, and all texts that it reaches over.
    """
    placed: list[Named] = []
    lines: list[float] = []
    there = sorted(edges, key=lambda each: each.at)
    places = [*(left + share(axis, edge.at) * width for edge in there), left + width + _BETWEEN]
    for edge, (at, following) in zip(there, pairwise(places), strict=True):
        size = sheet.text_width(edge.text, SMALL, bold=edge.hard)
        fits = at + _AWAY + size + _BETWEEN <= following
        start = at + _AWAY if fits else max(left, at - _AWAY - size)
        end = start + size
        below = [
            each.row
            for each, line in zip(placed, lines, strict=True)
            if start < max(each.right, line) + _BETWEEN and min(each.left, line) < end + _BETWEEN
        ]
        placed.append(Named(edge, start, end, max(below, default=-1) + 1))
        lines.append(at)
    return tuple(placed)


def edges_height(rows: Sequence[Named]) -> float:
    """Return the pixels that the texts of edges take above the axes."""
    return len({each.row for each in rows}) * line_height(SMALL)


def draw_edges(sheet: Sheet, axes: Axes, rows: Sequence[Named], top: float) -> None:
    """Draw edges over axes that begin at *top*, each up to its text."""
    step = line_height(SMALL)
    _, height = axes.get_window_extent().size
    for each in rows:
        hard = each.edge.hard
        colour = sheet.style.alarm if hard else sheet.style.quiet
        dash = "-" if hard else (0, (4, 2))
        reach = 1 + (each.row + 0.9) * step / height
        axes.axvline(
            each.edge.at,
            ymax=reach,
            color=colour,
            linewidth=1.5 if hard else 1,
            linestyle=dash,
            clip_on=False,
            zorder=3.5,
        )
        low = top - each.row * step - 2
        sheet.text(each.left, low, each.edge.text, size=SMALL, colour=colour, bold=hard, along="bottom")
