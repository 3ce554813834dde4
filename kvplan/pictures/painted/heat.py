"""A map of cells."""

from collections.abc import Callable

from kvplan.pictures.chart import Heat
from kvplan.pictures.painted.sheet import Sheet


def heat_block(sheet: Sheet, panel: Heat, margin: float) -> tuple[float, Callable[[float], None]]:
    """Return the height of a map and what draws it."""
    raise NotImplementedError
