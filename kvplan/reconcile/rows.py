"""One printed figure beside the planned one."""

from fractions import Fraction
from typing import Any

from kvplan.reconcile.printed import Printed
from kvplan.records import record
from kvplan.units import GIB, MIB

WEIGHTS_PERCENT = 2
"""Planned weights are those of the checkpoint: padding, buffers and tables of an engine are within this."""


DRAFT = ", draft"
"""What the name of a figure ends with that is of a draft's own pool."""


@record
class Row:
    """
    A printed figure and what the plan makes of it.

    `low` to `high` is what the plan gives over the rounding of the memory from which it starts, and
    `nearest` the planned value closest to the printed one: bytes of a size, else a count. `percent`
    is how far an estimate may be off; an exact figure must lie in its own rounding.
    """

    figure: str
    printed: Printed
    low: Fraction
    high: Fraction
    nearest: Fraction
    percent: int | None = None

    @property
    def exact(self) -> bool:
        """Whether the plan claims this figure exactly."""
        return self.percent is None

    @property
    def inside(self) -> bool:
        """Whether the planned value is printed as the printed one."""
        low, high = self.printed.interval()
        slack = abs(self.nearest) * Fraction(self.percent or 0, 100)
        return low - slack <= self.nearest <= high + slack

    @property
    def difference(self) -> Fraction:
        """What the printed figure has more than the planned one; 0 inside its rounding."""
        low, high = self.printed.interval()
        return min(Fraction(0), high - self.nearest) + max(Fraction(0), low - self.nearest)

    @property
    def difference_percent(self) -> float:
        """The difference in percent of the planned figure."""
        if not self.difference:
            return 0.0
        return float(100 * self.difference / abs(self.nearest)) if self.nearest else 100.0

    @property
    def signed_difference(self) -> str:
        """The difference in the unit of the printed figure, with its sign."""
        return ("+" if self.difference > 0 else "-") + _text(abs(self.difference), self.printed)

    @property
    def planned(self) -> str:
        """The planned figure, or its range, in the unit of the printed one."""
        low, high = (_text(value, self.printed) for value in (self.low, self.high))
        unit = f" {high.partition(' ')[2]}" if " " in high else ""
        return low if low == high else f"{low.removesuffix(unit)} to {high}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return {
            "figure": self.figure,
            "printed": str(self.printed),
            "planned": self.planned,
            "planned_low": _plain(self.low),
            "planned_high": _plain(self.high),
            "exact": self.exact,
            "inside": self.inside,
            "difference": _plain(self.difference),
            "difference_percent": self.difference_percent,
        }


def row(figure: str, printed: Printed, planned: Fraction | float, *, percent: int | None = None) -> Row:
    """Return the row of a figure that the plan gives as one number."""
    value = Fraction(planned)
    return Row(figure=figure, printed=printed, low=value, high=value, nearest=value, percent=percent)


def _text(value: Fraction, printed: Printed) -> str:
    if printed.unit == "B":
        return f"{int(value):,} B"
    if printed.is_size:
        scale, unit = (MIB, "MiB") if printed.unit in ("MiB", "MB") else (GIB, "GiB")
        return f"{float(value / scale):.2f} {unit}"
    return f"{float(value):.2f}x" if printed.unit == "x" else f"{int(value):,}"


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
