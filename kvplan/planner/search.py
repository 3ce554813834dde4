"""The one search behind every inverse answer that no division gives."""

from collections.abc import Callable

LARGEST = 10**15
"""More than any batch or context that memory could hold; what fits this many is not limited."""

_HALVED = 3
"""Each third step halves what is left, wherever the line leads: no function takes more than 150."""


def largest(left: Callable[[int], int], most: int | None = None) -> int | None:
    """
    Return the largest n from 1 to *most* of which *left*(n), the bytes left, is not below 0.

    0 if there is none, *most* if no n is too large. *left* must never grow: each step asks where the line
    between two known points comes to 0, which is near, as caches grow nearly in a line.
    """
    low, high = 1, LARGEST if most is None else most
    beside, missing = left(low), left(high)
    if beside < 0:
        return 0
    if missing >= 0:
        return most
    step = 0
    while high - low > 1:
        step += 1
        ahead = (high - low) // 2 if step % _HALVED == 0 else beside * (high - low) // (beside - missing)
        middle = min(max(low + ahead, low + 1), high - 1)
        found = left(middle)
        if found >= 0:
            low, beside = middle, found
        else:
            high, missing = middle, found
    return low
