"""A map of cells, dark to bright by their values, with their texts where these have room."""

from collections.abc import Callable

from matplotlib import colormaps
from matplotlib.colors import to_hex

from kvplan.pictures.chart import Cell, Heat
from kvplan.pictures.painted.sheet import SMALL, Sheet, line_height
from kvplan.pictures.shades import shade

_HIGH, _BESIDE = 30, 9
_WIDEST = 120
_SIZES = (9.0, 8.0, 7.0)
"""The letters of cells, the largest that have room."""

# cividis: brightness rises all the way, also in grey and for colour-blind eyes (Nuñez, Anderton and Renslow,
# PLoS ONE 13(7), 2018, e0199239).
_MAP = "cividis"
_BRIGHT = 0.5


def heat_block(sheet: Sheet, panel: Heat, margin: float) -> tuple[float, Callable[[float], None]]:
    """Return the height of a map and what draws it."""
    left = margin + min(sheet.widest(panel.rows), sheet.width / 3) + _BESIDE
    width = min(_WIDEST, (sheet.width - margin - left) / len(panel.columns))
    names = [sheet.wrapped(each, left - margin - _BESIDE) for each in panel.rows]
    heights = [max(_HIGH, len(each) * line_height() + 4) for each in names]
    step = line_height(SMALL)
    size = _size(sheet, panel, width)

    def draw(top: float) -> None:
        sheet.text(left, top, panel.across, size=SMALL, colour=sheet.style.quiet)
        sheet.text(
            left - _BESIDE,
            top + step,
            panel.down,
            size=SMALL,
            colour=sheet.style.quiet,
            across="right",
        )
        _heads(sheet, panel, left, top + step, width)
        low = top + 2 * step + 4
        for name, row, height in zip(names, panel.cells, heights, strict=True):
            first = low + height / 2 - (len(name) - 1) * line_height() / 2
            for at, line in enumerate(name):
                sheet.text(
                    left - _BESIDE,
                    first + at * line_height(),
                    line,
                    across="right",
                    along="center_baseline",
                )
            for at, cell in enumerate(row):
                _cell(sheet, panel, cell, (left + at * width, low, width, height), size)
            low += height

    return 2 * step + 4 + sum(heights), draw


def _heads(sheet: Sheet, panel: Heat, left: float, top: float, width: float) -> None:
    """Write the columns' names, or every second, third or so where they are too wide for all."""
    every = 1 + int((sheet.widest(panel.columns, SMALL) + 6) // width)
    for at, text in enumerate(panel.columns):
        if at % every == 0:
            sheet.text(left + (at + 0.5) * width, top, text, size=SMALL, across="center")


def _size(sheet: Sheet, panel: Heat, width: float) -> float | None:
    """Return the size of letters at which the cells' texts have room; None if they have at none."""
    texts = [cell.text for row in panel.cells for cell in row]
    return next((size for size in _SIZES if sheet.widest(texts, size) + 6 <= width), None)


def _cell(
    sheet: Sheet, panel: Heat, cell: Cell, place: tuple[float, float, float, float], size: float | None
) -> None:
    x, y, width, height = place
    share = shade(panel, cell)
    colour = sheet.style.paper if share is None else to_hex(colormaps[_MAP](share))
    looks = (
        {"hatch": "////", "edgecolor": sheet.style.hatch}
        if share is None
        else {"edgecolor": sheet.style.paper}
    )
    sheet.rectangle(x, y, width, height, facecolor=colour, linewidth=0.8, **looks)
    if size is not None and cell.text:
        ink = sheet.style.ink if share is None else "#000000" if share > _BRIGHT else "#FFFFFF"
        written = sheet.text(
            x + width / 2,
            y + height / 2,
            cell.text,
            size=size,
            colour=ink,
            across="center",
            along="center_baseline",
        )
        written.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1})
