"""Legends: samples with their names, set one behind the other in as many rows as they need."""

from collections.abc import Callable, Sequence

from kvplan.pictures.painted.sheet import PLAIN, Sheet, line_height
from kvplan.records import record

SAMPLE = 34
"""Pixels of a line's sample; a patch has half of it."""

_BETWEEN = 22
_BESIDE = 7


@record(kw_only=False)
class Entry:
    """A sample of so many pixels, drawn at a point and its middle's height, and its name."""

    text: str
    sample: float
    draw: Callable[[float, float], None]


Row = list[tuple[float, Entry, str]]


def legend(sheet: Sheet, entries: Sequence[Entry], left: float) -> tuple[float, Callable[[float], None]]:
    """Return the height of a legend and what draws it; 0 of none."""
    step = line_height(PLAIN) + 3
    rows = _rows(sheet, entries, left)

    def draw(top: float) -> None:
        for at, row in enumerate(rows):
            for x, entry, text in row:
                middle = top + (at + 0.5) * step
                if entry.text.startswith(text):  # the first of its lines
                    entry.draw(x, middle)
                sheet.text(x + entry.sample + _BESIDE, middle, text, along="center_baseline")

    return len(rows) * step + (6 if rows else 0), draw


def _rows(sheet: Sheet, entries: Sequence[Entry], left: float) -> list[Row]:
    rows: list[Row] = []
    x = float(sheet.width)
    for entry in entries:
        room = sheet.width - 2 * left - entry.sample - _BESIDE
        first, *more = sheet.wrapped(entry.text, room)
        width = entry.sample + _BESIDE + sheet.text_width(first)
        if not rows or x + width > sheet.width - left:
            rows.append([])
            x = left
        rows[-1].append((x, entry, first))
        rows += [[(left, entry, each)] for each in more]
        x = sheet.width if more else x + width + _BETWEEN
    return rows
