"""The axes of pictures: where their marks are, and what stands at them."""

from math import ceil, floor, log2, log10

from kvplan.pictures.chart import Axis, Tick
from kvplan.units import GIB, KIB, MIB, format_bytes, format_tokens

_EIGHT_K = 13
"""The power of 2 that stays where a context axis has room for few marks: 8k."""

_LINEAR_STEPS = 6
_STEPS = (1, 2, 2.5, 5, 10)


def context_axis(low: int, high: int, label: str = "context, tokens per sequence") -> Axis:
    """Return an axis of contexts, doubled from mark to mark."""
    exponents = range(ceil(log2(low)), floor(log2(high)) + 1)
    ticks = tuple(
        Tick(2**each, format_tokens(2**each), _rank_of_power(each - _EIGHT_K)) for each in exponents
    )
    return Axis(label=label, low=low, high=high, scale="log", ticks=ticks)


def _rank_of_power(exponent: int) -> int:
    return 0 if exponent % 4 == 0 else 1 if exponent % 2 == 0 else 2


def count_axis(label: str, low: float, high: float) -> Axis:
    """Return a logarithmic axis of numbers: 1, 2, 5, 10 and so on."""
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks = tuple(
        Tick(step * 10**exponent, f"{step * 10**exponent:,}", rank)
        for exponent in exponents
        for step, rank in ((1, 0), (2, 1), (5, 1))
        if exponent >= 0 and low <= step * 10**exponent <= high
    )
    return Axis(label=label, low=low, high=high, scale="log", ticks=ticks)


def bytes_axis(label: str, low: float, high: float) -> Axis:
    """Return a logarithmic axis of sizes: 1 MiB, 2 MiB, 4 MiB and so on."""
    exponents = range(floor(log2(low)), ceil(log2(high)) + 1)
    ticks = tuple(
        Tick(2.0**each, format_bytes(2**each), 0 if each % 10 == 0 else 1 if each % 2 == 0 else 2)
        for each in exponents
        if each >= 0 and low <= 2**each <= high
    )
    return Axis(label=label, low=low, high=high, scale="log", ticks=ticks)


def gib_axis(label: str, high: int, low: int = 0) -> Axis:
    """Return an axis of memory from *low*, which is 0 or below, in the unit that suits its end."""
    high = max(high, low + 1)
    unit, name = next(
        ((size, name) for size, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if high >= 2 * size),
        (1, "B"),
    )
    step = _step((high - low) / unit) * unit
    ticks = tuple(
        Tick(at * step, f"{at * step / unit:,g}") for at in range(ceil(low / step), floor(high / step) + 1)
    )
    return Axis(label=f"{label}, {name}", low=low, high=high, ticks=ticks)


def number_axis(label: str, high: float) -> Axis:
    """Return an axis of plain numbers from 0."""
    step = max(1, _step(high))
    ticks = tuple(Tick(at * step, f"{at * step:,g}") for at in range(floor(high / step) + 1))
    return Axis(label=label, low=0, high=high, ticks=ticks)


def _step(span: float) -> float:
    """Return the round number that parts *span* into some six steps."""
    rough = span / _LINEAR_STEPS
    size = 10.0 ** floor(log10(rough))
    return next(each * size for each in _STEPS if each * size >= rough)
