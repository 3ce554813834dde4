"""A figure as an engine printed it, and the values that the text stands for."""

import re
from fractions import Fraction
from math import ceil, floor

from kvplan.reconcile.errors import LogError
from kvplan.records import record
from kvplan.units import GIB, MIB

# Engines that print GB and MB divide by 2^30 and 2^20 all the same: vLLM's memory profiler up to
# 0.6 (worker/model_runner.py), SGLang (mem_cache/memory_pool.py, GB = 1024^3), ggml's examples.
_SCALES = {"GiB": GIB, "GB": GIB, "MiB": MIB, "MB": MIB, "B": 1}
_DECIMAL = {"GiB": 10**9, "GB": 10**9, "MiB": 10**6, "MB": 10**6, "B": 1}
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,20})?", re.ASCII)


@record(kw_only=False)
class Printed:
    """
    The text of a number and its unit: a size, or a count of `tokens`, `blocks`, `layers` or `x`.

    `decimals` are those that the engine rounds to, where it then drops zeros (vLLM prints 42.80
    GiB as 42.8). With `decimal_units` a size is read as 10^9 or 10^6 bytes to the unit.
    """

    text: str
    unit: str
    decimals: int = 0
    decimal_units: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no number."""
        if _NUMBER.fullmatch(self._digits) is None:
            raise LogError(f"{self.text[:40]!r} is not a number of {self.unit}")

    def __str__(self) -> str:
        if self.unit == "B":
            return f"{int(self.value):,} B"
        if self.is_size:
            return f"{self.text} {self.unit}"
        return f"{self.text}x" if self.unit == "x" else f"{int(self.value):,} {self.unit}"

    @property
    def is_size(self) -> bool:
        """Whether it counts bytes."""
        return self.unit in _SCALES

    @property
    def value(self) -> Fraction:
        """The number itself: bytes of a size, else the count."""
        return Fraction(self._digits) * self._scale

    def interval(self) -> tuple[Fraction, Fraction]:
        """Return the least and the greatest value that is printed so."""
        shown = len(self._digits.partition(".")[2])
        if (self.unit == "B" or not self.is_size) and not shown:
            return self.value, self.value
        half = Fraction(1, 2 * 10 ** max(shown, self.decimals)) * self._scale
        return self.value - half, self.value + half

    def whole(self) -> tuple[int, int]:
        """Return the interval in whole bytes (or tokens), never below 0."""
        low, high = self.interval()
        return max(0, ceil(low)), max(0, floor(high))

    @property
    def _digits(self) -> str:
        return self.text.replace(",", "")

    @property
    def _scale(self) -> int:
        return (_DECIMAL if self.decimal_units else _SCALES).get(self.unit, 1)
