"""Sizes and token counts: text in, exact ints out, and back to text that people read."""

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import ceil, floor, log2
from typing import Protocol, cast

from kvplan.errors import UnitError

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_BYTES_PER_UNIT = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": KIB,
    "mib": MIB,
    "gib": GIB,
    "tib": 1024**4,
}
_FLOPS_PER_UNIT = {"g": 10**9, "t": 10**12, "p": 10**15, "e": 10**18}
_PER_SECOND = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}
_PER_SUFFIX = {"": 1, "k": 1024, "m": 1024**2}
# Longer numbers are typing errors, and Python refuses to convert ints of 4300 digits and more.
_NUMBER = r"(\d{1,18})(?:\.(\d{1,18}))?"
_SIZE = re.compile(_NUMBER + r"\s*([a-zA-Z]*)", re.ASCII)
_RATE = re.compile(_NUMBER + r"\s*([a-zA-Z]*?)([bB])(?:/s|ps)", re.ASCII)
_COUNT = re.compile(r"(\d{1,18})\s*([kKmM]?)", re.ASCII)
_RATIO = re.compile(_NUMBER, re.ASCII)


class _Array(Protocol):
    """What an array of numpy has for its elements' bounds: the core does not import numpy."""

    def clip(self, min: int | None = None, max: int | None = None) -> int: ...  # noqa: A002 - numpy's names

    def max(self) -> int: ...


MAX_BYTES = 10**18
MAX_COUNT = 10**12
MAX_SECONDS = 10**6
_SHOWN = 40


def parse_bytes(text: str) -> int:
    """
    Return the bytes of a size such as `80GB` (80 x 10^9), `57.3GiB` (57.3 x 2^30) or `512B`.

    A fraction of a byte is dropped. Raises UnitError for a bare number, an unknown unit, or a
    size above 10^18 bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UnitError(f"{_shown(text)} is not a size: write a number and its unit, as in 80GB or 57.3GiB")
    whole, fraction, unit = match[1], match[2] or "", match[3].lower()
    if not unit:
        raise UnitError(
            f"{_shown(text)} has no unit: write {text.strip()}GB (10^9) or {text.strip()}GiB (2^30)"
        )
    if unit not in _BYTES_PER_UNIT:
        raise UnitError(
            f"{_shown(text)} has the unknown unit {_shown(match[3])}: "
            "use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB"
        )
    scale: int = 10 ** len(fraction)
    size = int(whole + fraction) * _BYTES_PER_UNIT[unit] // scale
    if size > MAX_BYTES:
        raise UnitError(f"{_shown(text)} is more than 10^18 bytes")
    return size


def parse_count(text: str, noun: str = "tokens") -> int:
    """
    Return the count in `8192`, `8k` (8192) or `1m` (1048576), at least 1.

    *noun* says in the UnitError what is counted. Above 10^12 is refused.
    """
    match = _COUNT.fullmatch(text.strip())
    if match is None:
        raise UnitError(f"{_shown(text)} is not a number of {noun}: write 8192, 8k (8192) or 1m (1048576)")
    count = int(match[1]) * _PER_SUFFIX[match[2].lower()]
    if not 1 <= count <= MAX_COUNT:
        raise UnitError(f"{_shown(text)} is not between 1 and 10^12 {noun}")
    return count


def parse_rate(text: str) -> int:
    """
    Return the bytes per second of a rate: `400Gbps` and `400Gb/s` are bits, `50GB/s` and `50GiB/s` bytes.

    A small b is a bit and a large B a byte, as on data sheets. Raises UnitError for a bare number, an
    unknown unit, and for what is no byte per second or more than 10^18.
    """
    match = _RATE.fullmatch(text.strip())
    size = _BYTES_PER_UNIT.get(f"{match[3].lower()}b") if match else None
    if match is None or size is None:
        raise UnitError(f"{_shown(text)} is not a rate: write 400Gbps (bits) or 50GB/s (bytes)")
    fraction = match[2] or ""
    per_byte = 8 if match[4] == "b" else 1
    scale: int = 10 ** len(fraction) * per_byte
    rate = int(match[1] + fraction) * size // scale
    if not 1 <= rate <= MAX_BYTES:
        raise UnitError(f"{_shown(text)} is not between 1 and 10^18 bytes per second")
    return rate


def parse_flops(text: str) -> int:
    """
    Return the operations per second in `989T`, `989.5TFLOPS` or `2.25P`: dense, so without sparsity.

    Raises UnitError for a bare number, an unknown unit, or none at all.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match[3].lower().removesuffix("/s").removesuffix("flops").removesuffix("ops") if match else ""
    if match is None or unit not in _FLOPS_PER_UNIT:
        raise UnitError(f"{_shown(text)} is not a number of operations per second: write 989T or 2.25P")
    fraction = match[2] or ""
    scale: int = 10 ** len(fraction)
    flops = int(match[1] + fraction) * _FLOPS_PER_UNIT[unit] // scale
    if not 1 <= flops <= MAX_BYTES * 1000:
        raise UnitError(f"{_shown(text)} is not between 1 and 10^21 operations per second")
    return flops


def parse_seconds(text: str) -> float:
    """Return the seconds in `30ms`, `1.5s` or `200us`, above 0; raise UnitError without a unit."""
    match = _SIZE.fullmatch(text.strip())
    parts = _PER_SECOND.get(match[3].lower()) if match else None
    if match is None or parts is None:
        raise UnitError(f"{_shown(text)} is not a time: write 30ms, 1.5s or 200us")
    seconds = float(f"{match[1]}.{match[2] or 0}") / parts
    if not 0 < seconds <= MAX_SECONDS:
        raise UnitError(f"{_shown(text)} is not above 0 and at most {MAX_SECONDS:,} s")
    return seconds


def parse_ratio(text: str) -> tuple[int, int]:
    """
    Return `0.9` as the exact ratio (9, 10), above 0 and at most 1.

    A ratio is kept as two ints because 0.9 has no exact float. Raises UnitError.
    """
    match = _RATIO.fullmatch(text.strip())
    if match is None:
        raise UnitError(f"{_shown(text)} is not a ratio: write a number above 0 and at most 1, as in 0.9")
    fraction = match[2] or ""
    numerator, denominator = int(match[1] + fraction), 10 ** len(fraction)
    if not 0 < numerator <= denominator:
        raise UnitError(f"{_shown(text)} is not above 0 and at most 1")
    return numerator, denominator


def _shown(text: str) -> str:
    """Quote what was typed, and cut what would fill the screen."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...")


def format_gib(size_bytes: int) -> str:
    """Return `5.39 GiB`, the unit in which torch and the serving engines print memory."""
    return f"{size_bytes / GIB:.2f} GiB"


def printed_gib(sizes: Sequence[int]) -> list[str]:
    """
    Return the sizes in GiB with two decimals that sum to the total's own two decimals.

    Each is the difference of two rounded running totals, so it may be 0.01 off its own rounding.
    """
    cents = [0, *(round(end * 100 / GIB) for end in running(sizes))]
    steps = [after - before for before, after in pairwise(cents)]
    return [f"{step / 100:.2f} GiB" for step in steps]


def running(sizes: Sequence[int]) -> list[int]:
    """Return the running totals of *sizes*."""
    return list(accumulate(sizes))


def format_bytes(size_bytes: float) -> str:
    """Return a size in the unit that suits it: `584 B`, `128 KiB`, `1.13 MiB`, `5.39 GiB`."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(size_bytes) >= unit:
            return f"{_short(size_bytes / unit)} {name}"
    return f"{_short(size_bytes)} B"


def format_seconds(seconds: float) -> str:
    """Return a time in the unit that suits it, with three digits: `7.39 ms`, `1.11 s`, `840 us`."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{_digits(seconds / unit)} {name}"
    return f"{_digits(seconds / 1e-9)} ns"


def format_rate(bytes_per_second: float) -> str:
    """Return a rate as networks are sold, in bits: `59.9 Gbps`, `3.6 Tbps`."""
    bits = 8 * bytes_per_second
    for unit, name in ((1e12, "Tbps"), (1e9, "Gbps"), (1e6, "Mbps")):
        if bits >= unit:
            return f"{_digits(bits / unit)} {name}"
    return f"{_digits(bits / 1e3)} kbps"


def format_decimal(size_bytes: float) -> str:
    """Return a size in powers of 1000, as what is sent is counted: `2.30 GB`, `167 MB`."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if size_bytes >= unit:
            return f"{_digits(size_bytes / unit)} {name}"
    return f"{size_bytes:,.0f} B"


def _digits(value: float) -> str:
    """Return a number in three digits, all of those before the point."""
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004


def counted(number: int, noun: str) -> str:
    """Return `1 sequence` or `1,024 sequences`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def format_tokens(tokens: int) -> str:
    """Return a number of tokens as it is typed, `8k`, or whole where it is no multiple of 1024."""
    if tokens % KIB or not tokens:
        return f"{tokens:,}"
    return f"{tokens // _PER_SUFFIX['m']:,}m" if tokens % MIB == 0 else f"{tokens // KIB}k"


def ceil_div(dividend: int, divisor: int) -> int:
    """Return *dividend* / *divisor*, rounded up. As all arithmetic of ints, it takes int64 arrays, too."""
    return -(-dividend // divisor)


def minimum(one: int, other: int) -> int:
    """
    Return the smaller of two counts, element by element where one is an int64 array.

    Rules of bytes are written with this, `maximum` and `ceil_div`, so that they answer for one context or
    for a whole axis of them. Who asks with arrays sees to it that nothing exceeds 2^63; ints are exact.
    """
    if type(one) is type(other) is int:
        return min(one, other)
    array, bound = (other, one) if type(one) is int else (one, other)
    return cast("_Array", array).clip(max=bound)


def maximum(one: int, other: int) -> int:
    """Return the larger of two counts, element by element where one is an int64 array."""
    if type(one) is type(other) is int:
        return max(one, other)
    array, bound = (other, one) if type(one) is int else (one, other)
    return cast("_Array", array).clip(min=bound)


def octaves(low: int, high: int, parts: int) -> list[int]:
    """Return counts from *low* to *high* for a logarithmic axis: so many *parts* of each doubling of 1."""
    exponents = range(ceil(log2(low) * parts), floor(log2(high) * parts) + 1)
    return [round(2 ** (each / parts)) for each in exponents]


def largest_of(counts: int) -> int:
    """Return the largest of an int64 array of counts, or the only one."""
    return counts if type(counts) is int else int(cast("_Array", counts).max())


def _short(value: float) -> str:
    return f"{value:,.2f}".removesuffix("0").removesuffix("0").removesuffix(".")


def gib_apart(needed: int, there: int) -> tuple[str, str]:
    """Return two sizes in GiB, none below 0, or in bytes where two decimals would print them alike."""
    texts = format_gib(needed), format_gib(max(0, there))
    return texts if texts[0] != texts[1] else (f"{needed:,} B", f"{max(0, there):,} B")
