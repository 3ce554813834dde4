"""A map of cells in letters."""

from kvplan.pictures.chart import Heat


def heat_text(panel: Heat, columns: int, *, colour: bool) -> list[str]:
    """Return the lines of a map."""
    raise NotImplementedError
