"""Sizes and token counts: text in, exact ints out, and back to text that people read."""

import re
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
_PER_SUFFIX = {"": 1, "k": 1024, "m": 1024**2}
# Longer numbers are typing errors, and Python refuses to convert ints of 4300 digits and more.
_NUMBER = r"(\d{1,18})(?:\.(\d{1,18}))?"
_SIZE = re.compile(_NUMBER + r"\s*([a-zA-Z]*)", re.ASCII)
_COUNT = re.compile(r"(\d{1,18})\s*([kKmM]?)", re.ASCII)
_RATIO = re.compile(_NUMBER, re.ASCII)


class _Array(Protocol):
    """What an array of numpy has for its elements' bounds: the core does not import numpy."""

    def clip(self, min: int | None = None, max: int | None = None) -> int: ...  # noqa: A002 - numpy's names


MAX_BYTES = 10**18
MAX_COUNT = 10**12
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


def format_bytes(size_bytes: float) -> str:
    """Return a size in the unit that suits it: `584 B`, `128 KiB`, `1.13 MiB`, `5.39 GiB`."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(size_bytes) >= unit:
            return f"{_short(size_bytes / unit)} {name}"
    return f"{_short(size_bytes)} B"


def counted(number: int, noun: str) -> str:
    """Return `1 sequence` or `1,024 sequences`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def short_count(number: int) -> str:
    """Return a count as it is typed, `8k` or `1m`, where it is a whole number of these."""
    if number % KIB or not number:
        return f"{number:,}"
    return f"{number // MIB:,}m" if number % MIB == 0 else f"{number // KIB:,}k"


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


def _short(value: float) -> str:
    return f"{value:,.2f}".removesuffix("0").removesuffix("0").removesuffix(".")


def gib_apart(needed: int, there: int) -> tuple[str, str]:
    """Return two sizes in GiB, none below 0, or in bytes where two decimals would print them alike."""
    texts = format_gib(needed), format_gib(max(0, there))
    return texts if texts[0] != texts[1] else (f"{needed:,} B", f"{max(0, there):,} B")
