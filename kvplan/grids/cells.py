"""Values of a grid as people read them in a table."""

from kvplan.grids.columns import Column
from kvplan.units import format_gib, format_tokens

_WIDE = 1000
"""From here on a ratio is written without decimals."""


def head_of(axis: str | None, value: object) -> str:
    """Return a value of an axis: a context as it is typed, `32k`."""
    return format_tokens(value) if axis == "context" and isinstance(value, int) else said(value)


def cell_of(figure: Column, value: object) -> str:
    """Return a figure: bytes in GiB, and a word for what memory does not limit."""
    if value is None:
        return figure.without or ""
    if figure.is_bytes and isinstance(value, int):
        return format_gib(value)
    return said(value)


def said(value: object) -> str:
    """Return a value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < _WIDE else f"{value:,.0f}"
        case _:
            return str(value)
