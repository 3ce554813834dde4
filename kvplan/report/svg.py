"""A chart as SVG that needs nothing from elsewhere: its colours are those of the page around it, by class."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor, log2, log10

from kvplan.inert import inert
from kvplan.records import record
from kvplan.report.document import Chart, Series
from kvplan.report.frontier import STAIRS
from kvplan.units import format_tokens

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 44
"""Room around the lines for ticks and titles, in pixels."""

_TICK_WIDTH = 42
"""Pixels that a tick below the axis takes."""

_LETTER = 6.6
"""The width of a letter of the page's font at 12 pixels, at the most."""

MOST_LINES = 8
"""Lines that the page tells apart by colour and dashes: as many classes as its style has."""


@record(kw_only=False)
class _Axis:
    """A logarithmic axis: from one value at one pixel to another at another."""

    low: float
    high: float
    start: int
    end: int

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (log2(value) - log2(self.low)) / (log2(self.high) - log2(self.low))
        return round(self.start + share * (self.end - self.start), 1)


def svg(chart: Chart, *, width: int, height: int) -> str:
    """Return a chart of so many pixels; its lines are told in the order of their classes, `line0` and on."""
    x, y = _axes(chart, width, height)
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{_text(_told(chart))}">',
        *_infeasible(chart, x, y),
        *_grid_lines(x, y),
        *(_band(series, x, y) for series in chart.series if series.between),
        *(_line(number, series, x, y) for number, series in enumerate(chart.series)),
        *_marks(chart, x, y),
        *_titles(chart, x, y, height),
        "</svg>",
    ]
    return "".join(parts)


def _told(chart: Chart) -> str:
    return f"{chart.title}: {chart.y} against {chart.x}, both axes logarithmic"


def _axes(chart: Chart, width: int, height: int) -> tuple[_Axis, _Axis]:
    xs = [x for series in chart.series for x, _ in series.points] + [mark.x for mark in chart.marks]
    ys = [y for series in chart.series for _, y in series.points] + [mark.y for mark in chart.marks]
    ys += [high for series in chart.series for *_, high in series.between]
    x = _Axis(min(xs), max(*xs, 2 * min(xs)), _LEFT, width - _RIGHT)
    return x, _Axis(1, max(10.0, *map(float, ys)) * 1.15, height - _BOTTOM, _TOP)


def x_ticks(low: float, high: float, most: int) -> list[int]:
    """Return powers of two from *low* to *high*, evenly apart and no more than *most*."""
    first, last = ceil(log2(low)), floor(log2(high))
    step = max(1, ceil((last - first + 1) / most))
    return [1 << power for power in range(first, last + 1, step)]


def y_ticks(high: float) -> list[int]:
    """Return 1, 10, 100 and on; below 100 also 2 and 5 of each ten."""
    tens = [10**power for power in range(floor(log10(high)) + 1)]
    steps = (1, 2, 5) if len(tens) <= 2 else (1,)  # noqa: PLR2004 - a chart with few tens has room for more
    return [tick for ten in tens for step in steps if (tick := ten * step) <= high]


def _grid_lines(x: _Axis, y: _Axis) -> Iterator[str]:
    for tick in x_ticks(x.low, x.high, max(2, (x.end - x.start) // _TICK_WIDTH)):
        at = x.at(tick)
        yield f'<path class="grid" d="M{at} {y.start}V{y.end}"/>'
        below = f'x="{at}" y="{y.start + 16}" text-anchor="middle"'
        yield f'<text class="tick" {below}>{format_tokens(tick)}</text>'
    for tick in y_ticks(y.high):
        at = y.at(tick)
        yield f'<path class="grid" d="M{x.start} {at}H{x.end}"/>'
        yield f'<text class="tick" x="{x.start - 6}" y="{at + 4}" text-anchor="end">{tick:,}</text>'


def _titles(chart: Chart, x: _Axis, y: _Axis, height: int) -> Iterator[str]:
    middle = (y.start + y.end) // 2
    yield f'<path class="axis" d="M{x.start} {y.end}V{y.start}H{x.end}"/>'
    yield (
        f'<text class="name" x="{(x.start + x.end) // 2}" y="{height - 8}" text-anchor="middle">'
        f"{_text(chart.x)}</text>"
    )
    yield (
        f'<text class="name" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        f"{_text(chart.y)}</text>"
    )


def _infeasible(chart: Chart, x: _Axis, y: _Axis) -> Iterator[str]:
    """Yield the area above the only line, where nothing fits: of several each has its own."""
    if len(chart.series) == 1:
        line = _corners(chart.series[0].points, x, y)
        around = [(x.end, y.start), (x.end, y.end), (line[0][0], y.end)]
        yield f'<path class="no" d="{_path([*line, (line[-1][0], y.start), *around])}Z"/>'


def _line(number: int, series: Series, x: _Axis, y: _Axis) -> str:
    return f'<path class="line line{number}" d="{_path(_corners(series.points, x, y))}"/>'


def _band(series: Series, x: _Axis, y: _Axis) -> str:
    """Return the area between the least and the most, whose own corners lie anywhere between two points."""
    # Where the least memory holds none, the band reaches down to the axis, which begins at one.
    least = _corners([(at, max(1, low)) for at, low, _ in series.between], x, y)
    most = _corners([(at, high) for at, _, high in series.between], x, y, late=True)
    return f'<path class="between" d="{_path([*most, *reversed(least)])}Z"/>'


def _corners(
    points: Sequence[tuple[int, int]], x: _Axis, y: _Axis, *, late: bool = False
) -> list[tuple[float, float]]:
    """Return a line's pixels; stairs fall right behind each point, or *late*: where the next one is."""
    found = [(x.at(points[0][0]), y.at(points[0][1]))]
    for (_, before), (at, value) in pairwise(points):
        if before <= STAIRS:
            found.append((x.at(at), y.at(before)) if late else (found[-1][0], y.at(value)))
        found.append((x.at(at), y.at(value)))
    return found


def _path(pixels: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{across} {up}" for across, up in pixels)


def _marks(chart: Chart, x: _Axis, y: _Axis) -> Iterator[str]:
    """Yield the points that stand out, each with its name on that side where no line runs through it."""
    lines = [pixel for series in chart.series for pixel in _passed(_corners(series.points, x, y))]
    for mark in chart.marks:
        across, up = x.at(mark.x), y.at(mark.y)
        places = [_Place(mark.name, side, across, up) for side in _SIDES]
        inside = [each for each in places if each.inside(x, y)] or places
        place = next((each for each in inside if not any(each.holds(*pixel) for pixel in lines)), inside[0])
        yield f'<circle class="mark" cx="{across}" cy="{up}" r="4.5"/>'
        yield (
            f'<text class="said" x="{across + place.side[0]:.1f}" y="{place.level:.1f}" '
            f'text-anchor="{place.anchor}">{_text(mark.name)}</text>'
        )


_SIDES = ((-8, 16), (8, -8), (-8, -8), (8, 16))
"""How far from its point a name begins or ends, and its base line: where the lines fall to the right, below
and to the left is most often free."""


@record(kw_only=False)
class _Place:
    """Where the name of a point may stand: to one side of it."""

    name: str
    side: tuple[int, int]
    across: float
    up: float

    @property
    def anchor(self) -> str:
        return "end" if self.side[0] < 0 else "start"

    @property
    def level(self) -> float:
        """The pixel of the base line."""
        return self.up + self.side[1]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The pixels to the left and right, above and below."""
        edge, width = self.across + self.side[0], len(inert(self.name)) * _LETTER
        left = edge - width if self.side[0] < 0 else edge
        return left, left + width, self.level - 11, self.level + 3

    def inside(self, x: _Axis, y: _Axis) -> bool:
        """Tell whether the name is in the picture."""
        left, right, top, bottom = self.box
        return x.start <= left and right <= x.end and y.end <= top and bottom <= y.start

    def holds(self, across: float, up: float) -> bool:
        """Tell whether a pixel lies in the name."""
        left, right, top, bottom = self.box
        return left <= across <= right and top <= up <= bottom


def _passed(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield pixels all along a line."""
    for (left, up), (right, down) in pairwise(corners):
        steps = ceil(max(abs(right - left), abs(down - up)) / 4) or 1
        for step in range(steps + 1):
            yield left + (right - left) * step / steps, up + (down - up) * step / steps


def _text(text: str) -> str:
    return escape(inert(text))
