"""A printed figure beside kvplan's, and what a rounded size stands for."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from tests.field.field_records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A printed figure and kvplan's; `computed` is text for whoever reads a failure."""

    name: str
    printed: str
    computed: str
    reproduced: bool


def sizes(printed: str, step: str, unit: int) -> tuple[int, int]:
    """Return the least and the greatest whole bytes that round to *printed*."""
    size, half = Fraction(printed), Fraction(step) / 2
    return ceil((size - half) * unit), ceil((size + half) * unit) - 1


def equal(record: Record, name: str, computed: object) -> Figure:
    """Compare a count with the printed one."""
    printed = record.printed[name]
    return Figure(name=name, printed=str(printed), computed=str(computed), reproduced=computed == printed)


def between(record: Record, name: str, low: int, high: int) -> Figure:
    """Compare a count with those at both ends of a rounded size."""
    printed = record.printed[name]
    text = f"{low}..{high}"
    return Figure(name=name, printed=str(printed), computed=text, reproduced=low <= printed <= high)


def same_size(record: Record, name: str, size_bytes: int, unit: int, step: str | None = None) -> Figure:
    """Compare a size with the printed one, by its decimals or by *step*, as some engines drop zeros."""
    printed = Decimal(record.printed[name])
    decimals = -len(record.printed[name].partition(".")[2])
    rounded = (Decimal(size_bytes) / unit).quantize(Decimal(step) if step else Decimal(1).scaleb(decimals))
    return Figure(name=name, printed=str(printed), computed=str(rounded), reproduced=rounded == printed)
