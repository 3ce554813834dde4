"""How bright the cells of a map are."""

from math import log

from kvplan.pictures.chart import Cell, Heat

_SPREAD = 10
"""From so many times the least value on, brightness is of logarithms."""


def shade(panel: Heat, cell: Cell) -> float | None:
    """Return how bright a cell is, from 0 for the least value to 1; None without a value, or for 0."""
    values = [each.value for row in panel.cells for each in row if each.value]
    if not cell.value:
        return None
    low, high = min(values), max(values)
    if low == high:
        return 1.0
    if low > 0 and high > _SPREAD * low:
        return log(cell.value / low) / log(high / low)
    return (cell.value - low) / (high - low)
