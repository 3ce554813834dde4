"""How much work is done, counted in calls of functions: the same on every machine, however loaded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Assert that no more than so many functions, of Python and of C, are called meanwhile."""
    count = 0

    def counted(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ARG001 - the form of a profiler
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert count <= calls, f"{count} calls are more than {calls}"
