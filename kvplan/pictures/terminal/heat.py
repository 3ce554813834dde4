"""A map of cells in letters: their texts, each behind a block that is as dense as its value is high."""

from kvplan.pictures.chart import Cell, Heat
from kvplan.pictures.shades import shade
from kvplan.pictures.terminal.ink import inked, shown

_SHADES = "░▒▓█"


def heat_text(panel: Heat, columns: int, *, colour: bool) -> list[str]:
    """Return the lines of a map; what is too wide for *columns* stands in parts below each other."""
    rows = [shown(each) for each in panel.rows]
    names = max(map(len, [*rows, panel.down]))
    width = max(len(shown(cell.text)) for row in panel.cells for cell in row)
    width = max(width + 2, *(len(shown(each)) for each in panel.columns))
    fit = max(1, (columns - names) // (width + 1))
    lines: list[str] = []
    for start in range(0, len(panel.columns), fit):
        heads = "".join(f" {shown(each):>{width}}" for each in panel.columns[start : start + fit])
        lines += [
            f"{'':>{names}} {inked(panel.across, 'dim', on=colour)}",
            f"{shown(panel.down):>{names}}{heads}",
        ]
        for name, row in zip(rows, panel.cells, strict=True):
            cells = "".join(f" {_cell(panel, each, width)}" for each in row[start : start + fit])
            lines.append(f"{name:>{names}}{cells}")
    return lines


def _cell(panel: Heat, cell: Cell, width: int) -> str:
    share = shade(panel, cell)
    block = " " if share is None else _SHADES[min(len(_SHADES) - 1, int(share * len(_SHADES)))]
    return f"{block}{shown(cell.text):>{width - 1}}"
