"""The one search behind every inverse answer that no division gives."""

from collections.abc import Callable

LARGEST = 10**15
"""More than any batch or context that memory could hold; what fits this many is not limited."""


def largest(fits: Callable[[int], bool], near: int = 1) -> int | None:
    """
    Return the largest n >= 1 for which *fits*(n) holds, 0 if there is none, None if no limit shows.

    *fits* must be monotone: what fits n fits every smaller number. The search starts *near* a guess,
    which only saves steps.
    """
    if not fits(1):
        return 0
    low, high = _above(fits, near) if fits(near) else _below(fits, near)
    if high is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _above(fits: Callable[[int], bool], low: int) -> tuple[int, int | None]:
    """Return what fits and what no longer does, from *low* on, in growing steps."""
    step = 1
    while fits(low + step):
        low, step = low + step, step * 2
        if low > LARGEST:
            return low, None
    return low, low + step


def _below(fits: Callable[[int], bool], high: int) -> tuple[int, int]:
    """Return what fits and what no longer does, from *high* down, in growing steps; 1 fits."""
    step = 1
    while high - step > 1 and not fits(high - step):
        high, step = high - step, step * 2
    return max(1, high - step), high
