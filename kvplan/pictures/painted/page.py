"""A chart on a sheet: its title, its panels one below the other, its notes."""

from collections.abc import Callable
from typing import assert_never

from matplotlib.figure import Figure

from kvplan.pictures.chart import Bars, Chart, Heat, Lines, Panel
from kvplan.pictures.painted.bars import bars_block
from kvplan.pictures.painted.heat import heat_block
from kvplan.pictures.painted.lines import lines_block
from kvplan.pictures.painted.sheet import LARGE, PLAIN, SMALL, Sheet, line_height
from kvplan.pictures.painted.style import DARK, LIGHT
from kvplan.records import record

WIDTH = 960
"""Pixels of a picture that nobody gave a width."""

MARGIN = 18
_GAP = 12


@record(kw_only=False)
class Block:
    """Something of a known height, and what draws it from a height on."""

    height: float
    draw: Callable[[float], None]


def painted(chart: Chart, *, dark: bool, width: int | None) -> Figure:
    """Return a chart as a figure, within the settings of its style."""
    sheet = Sheet(width or WIDTH, DARK if dark else LIGHT)
    blocks = [_paragraph(sheet, chart.title, LARGE, "title")]
    if chart.subtitle:
        blocks.append(_paragraph(sheet, chart.subtitle, PLAIN, "subtitle"))
    blocks.append(Block(_GAP, lambda _: None))
    blocks += [_panel(sheet, each) for each in chart.panels]
    blocks += [_paragraph(sheet, each, SMALL, "note") for each in chart.notes]
    sheet.grow(sum(each.height for each in blocks) + 2 * MARGIN)
    top: float = MARGIN
    for block in blocks:
        block.draw(top)
        top += block.height
    return sheet.figure


def _paragraph(sheet: Sheet, text: str, size: float, role: str) -> Block:
    """Return a paragraph: the title in bold, all others quiet."""
    bold = role == "title"
    lines = sheet.wrapped(text, sheet.width - 2 * MARGIN, size, bold=bold)
    step, colour = line_height(size), sheet.style.ink if bold else sheet.style.quiet

    def draw(top: float) -> None:
        for at, line in enumerate(lines):
            sheet.text(MARGIN, top + at * step, line, size=size, bold=bold, colour=colour)

    return Block(len(lines) * step + 3, draw)


def _panel(sheet: Sheet, panel: Panel) -> Block:
    match panel:
        case Lines():
            height, draw = lines_block(sheet, panel, MARGIN)
        case Bars():
            height, draw = bars_block(sheet, panel, MARGIN)
        case Heat():
            height, draw = heat_block(sheet, panel, MARGIN)
        case _:
            assert_never(panel)
    return Block(height + _GAP, draw)
