"""Where the names of points stand: beside them, on no line, on no other name, inside the axes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from kvplan.pictures.chart import Lines, Mark
from kvplan.pictures.painted.sheet import PLAIN, Sheet, line_height

Box = tuple[float, float, float, float]
"""Left, low, right, high, in pixels of the figure."""

_AWAY = 9
_SAMPLES = 12


def named_marks(sheet: Sheet, axes: Axes, panel: Lines) -> None:
    """Write the texts of the marks, and what the shade means, in places that are free."""
    inside = axes.get_window_extent()
    field: Box = (inside.x0 + 2, inside.y0 + 2, inside.x1 + 12, inside.y1)
    lines = [point for each in panel.series for point in _along(axes, each.points)]
    taken: list[Box] = []
    if panel.beyond and panel.bound:
        taken.append(_shade_text(sheet, axes, panel.beyond))
    for mark in panel.marks:
        if mark.text:
            taken.append(_written(sheet, axes, mark, lines, [*taken, field]))


def _written(
    sheet: Sheet, axes: Axes, mark: Mark, lines: Sequence[tuple[float, float]], known: list[Box]
) -> Box:
    """Write a mark's text at the place with the fewest collisions, and return its box."""
    *taken, field = known
    at = axes.transData.transform((mark.x, mark.y))
    size = (sheet.text_width(mark.text, bold=True), line_height(PLAIN) * 0.9)
    box = min(_places(at, size), key=lambda each: _cost(each, field, taken, lines))
    sheet.text(
        box[0],
        sheet.height - box[3],
        mark.text,
        bold=True,
        colour=sheet.style.ink,
    ).set_bbox({"facecolor": sheet.style.paper, "edgecolor": "none", "pad": 1, "alpha": 0.75})
    return box


def _places(at: Any, size: tuple[float, float]) -> Iterator[Box]:  # noqa: ANN401 - an array of numpy
    """Yield boxes around a point, those that read best first."""
    (x, y), (width, height) = at, size
    for right, up in ((1, 1), (-1, -1), (-1, 1), (1, -1), (0, 1), (0, -1)):
        left = x + _AWAY if right > 0 else x - _AWAY - width if right < 0 else x - width / 2
        low = y + _AWAY if up > 0 else y - _AWAY - height
        yield left, low, left + width, low + height


def _cost(box: Box, field: Box, taken: Sequence[Box], lines: Sequence[tuple[float, float]]) -> int:
    outside = box[0] < field[0] or box[1] < field[1] or box[2] > field[2] or box[3] > field[3]
    hit = sum(box[0] - 3 <= x <= box[2] + 3 and box[1] - 2 <= y <= box[3] + 2 for x, y in lines)
    return 10_000 * outside + 5_000 * any(overlap(box, other) for other in taken) + hit


def overlap(one: Box, other: Box) -> bool:
    """Return whether two boxes share a point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _along(axes: Axes, points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield points of a line in pixels, close to each other."""
    placed = axes.transData.transform(points)
    for (x, y), (to_x, to_y) in pairwise(placed):
        for step in range(_SAMPLES):
            yield x + (to_x - x) * step / _SAMPLES, y + (to_y - y) * step / _SAMPLES


def _shade_text(sheet: Sheet, axes: Axes, text: str) -> Box:
    """Write what the shade means in its upper right corner, where it always reaches."""
    field = axes.get_window_extent()
    width, height = sheet.text_width(text), line_height(PLAIN)
    box = (field.x1 - width - 10, field.y1 - height - 8, field.x1 - 10, field.y1 - 8)
    written = sheet.text(box[0], sheet.height - box[3], text, colour=sheet.style.quiet)
    written.set_bbox({"facecolor": sheet.style.shade, "edgecolor": "none", "pad": 2})
    return box
