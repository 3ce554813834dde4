"""Lines of braille dots, each with its letter on it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import log10
from textwrap import wrap
from typing import Any

from kvplan.extras import needed
from kvplan.pictures.chart import Axis, Lines, Look, Mark, Series
from kvplan.pictures.terminal.axes import axis_lines
from kvplan.pictures.terminal.ink import LETTERS, LINES, inked, shown
from kvplan.pictures.ticks import share, with_room

_HEIGHT = 18
_LETTERS_OF_A_LINE = 3
_BLANK = "\u2800"
"""The braille letter without dots, which is as wide as a space and looks like one."""


def lines_text(panel: Lines, columns: int, *, colour: bool) -> list[str]:
    """Return the lines of text of a panel of lines; raise MissingError without plotille."""
    ticks = {min(_HEIGHT - 1, int(share(panel.y, each.at) * _HEIGHT)): each.text for each in _rows(panel.y)}
    left = max((len(each) for each in ticks.values()), default=0) + 1
    width = columns - left - 1
    drawn = _canvas(panel, width, colour=colour)
    lines = list(_key(panel, columns, colour=colour))
    lines.append(panel.y.label)
    for at, line in enumerate(drawn):
        text = ticks.get(_HEIGHT - 1 - at)
        lines.append(f"{text or '':>{left - 1}} {'┤' if text else '│'}{line}")
    lines += [" " * left + line for line in _below(panel.x, width)]
    if panel.edges:
        named = "; ".join(each.text for each in sorted(panel.edges, key=lambda each: each.at))
        lines += wrap(shown(f"upright, from left to right: {named}"), columns)
    return lines


def _below(axis: Axis, width: int) -> list[str]:
    rule, *texts = axis_lines(axis, width)
    return [f"└{rule}", *(f" {each}" for each in texts)]


def _rows(axis: Axis) -> Iterator[Any]:
    yield from with_room(axis, _HEIGHT - 1, lambda _: 1, apart=0)


def _canvas(panel: Lines, width: int, *, colour: bool) -> list[str]:
    plotille = needed("plotille", "a picture in the terminal", extra="plot")
    x, y = _Scaled(panel.x), _Scaled(panel.y)
    canvas = plotille.Canvas(width, _HEIGHT, x.low, y.low, x.high, y.high)
    for edge in panel.edges:
        canvas.line(x.at(edge.at), y.low, x.at(edge.at), y.high)
    for series in panel.series:
        points = [(x.at(px), y.at(py)) for px, py in series.points]
        _line(canvas, points, series.look, _ink(series.style, on=colour))
    for at, series in enumerate(panel.series):
        if len(panel.series) > 1:
            _letters(canvas, series, (x, y), at, _ink(series.style, on=colour))
    for mark in panel.marks:
        _mark(
            canvas, mark, (x.at(mark.x), y.at(mark.y)), (x.high - x.low) / width, _ink(mark.style, on=colour)
        )
    return [line.replace(_BLANK, " ") for line in canvas.plot(linesep="\n").split("\n")[:_HEIGHT]]


def _ink(style: int, *, on: bool) -> str | None:
    return LINES[style % len(LINES)] if on else None


def _line(canvas: Any, points: Sequence[tuple[float, float]], look: Look, ink: str | None) -> None:  # noqa: ANN401
    for (x0, y0), (x1, y1) in pairwise(points):
        if look == "line":
            canvas.line(x0, y0, x1, y1, color=ink)
        elif look == "formula":
            canvas.point(x0, y0, color=ink)
        else:
            canvas.line(x0, y0, x1, y0, color=ink)
            canvas.line(x1, y0, x1, y1, color=ink)


def _letters(canvas: Any, series: Series, scaled: Sequence["_Scaled"], at: int, ink: str | None) -> None:  # noqa: ANN401
    """Write a line's letter on it, at other points than other lines have theirs."""
    x, y = scaled
    for number in range(_LETTERS_OF_A_LINE):
        share_of = (number + 0.25 + 0.1 * (at % 6)) / _LETTERS_OF_A_LINE
        px, py = series.points[min(len(series.points) - 1, int(share_of * len(series.points)))]
        canvas.point(x.at(px), y.at(py), color=ink, marker=LETTERS[at])


def _mark(canvas: Any, mark: Mark, at: tuple[float, float], letter: float, ink: str | None) -> None:  # noqa: ANN401
    """Write a named point, its name to the right, or to the left where the picture ends."""
    x, y = at
    if mark.text:
        text = f"o {mark.text}"
        fits = x + len(text) * letter < canvas.xmax
        canvas.text(x if fits else x - len(text) * letter, y, text if fits else f"{mark.text} o", color=ink)


class _Scaled:
    """An axis on which logarithms are drawn as they are."""

    def __init__(self, axis: Axis) -> None:
        self.at = log10 if axis.scale == "log" else float
        self.low, self.high = self.at(axis.low), self.at(axis.high)


def _key(panel: Lines, columns: int, *, colour: bool) -> Iterator[str]:
    for at, series in enumerate(panel.series):
        if len(panel.series) > 1:
            text = f"{LETTERS[at]} {series.name}" + (f": {series.note}" if series.note else "")
            for line in wrap(shown(text), columns):
                yield inked(line, LINES[series.style % len(LINES)], on=colour)
