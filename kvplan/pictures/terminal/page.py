"""A chart in lines of text: its title, its panels, its notes."""

from textwrap import wrap
from typing import assert_never

from kvplan.pictures.chart import Bars, Chart, Heat, Lines, Panel
from kvplan.pictures.terminal.bars import bars_text
from kvplan.pictures.terminal.heat import heat_text
from kvplan.pictures.terminal.ink import inked, shown

NARROWEST, WIDEST = 40, 120
"""Columns: in fewer nothing is told apart, and more make no picture clearer."""

_IN_ASCII = str.maketrans("─│┤┬└█▒▚·▓░", "-|+++#+x.*-") | dict.fromkeys(range(0x2801, 0x2900), "*")


def page(chart: Chart, *, width: int, colour: bool, plain: bool = False) -> str:
    """Return a chart in lines that are no longer than *width* columns; a *plain* one is drawn in ASCII."""
    columns = max(NARROWEST, min(WIDEST, width))
    lines = [inked(line, "bold", on=colour) for line in wrap(shown(chart.title), columns)]
    lines += [inked(line, "dim", on=colour) for line in wrap(shown(chart.subtitle), columns)]
    for panel in chart.panels:
        drawn = _panel(panel, columns, colour=colour)
        lines += ["", *(line.translate(_IN_ASCII) if plain else line for line in drawn)]
    if chart.notes:
        lines.append("")
    lines += [inked(line, "dim", on=colour) for note in chart.notes for line in wrap(shown(note), columns)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _panel(panel: Panel, columns: int, *, colour: bool) -> list[str]:
    match panel:
        case Lines():
            from kvplan.pictures.terminal.lines import lines_text  # noqa: PLC0415 - bars need no plotille

            return lines_text(panel, columns, colour=colour)
        case Bars():
            return bars_text(panel, columns, colour=colour)
        case Heat():
            return heat_text(panel, columns, colour=colour)
        case _:
            assert_never(panel)
