"""The arrays of a grid, and how far their ints go."""

from typing import Any

import numpy as np

from kvplan.errors import KvplanError

Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
AnyArray = np.ndarray[Any, Any]

MOST = 2**63 - 1
"""The largest number of an int64: what is larger is an error, and never wraps around."""


class TooLargeError(KvplanError):
    """Bytes, or a count, that an int64 of a table does not hold."""


def require_held(number: int, what: str) -> None:
    """Raise TooLargeError for a number, worked out in Python's exact ints, that an int64 does not hold."""
    if abs(number) > MOST:
        raise TooLargeError(
            f"{what} is {number:.3e} bytes, and a table holds no number beyond 2^63: shorten --context, or "
            "lower --batch"
        )


def ints(values: list[int], what: str) -> Ints:
    """Return numbers as an array; raise TooLargeError as above."""
    require_held(max(values, default=0), what)
    return np.array(values, dtype=np.int64)
