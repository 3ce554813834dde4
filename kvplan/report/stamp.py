"""By what and when a report was made."""

import os
from datetime import UTC, datetime

from kvplan.errors import KvplanError
from kvplan.records import record
from kvplan.version import __version__

_EPOCH = "SOURCE_DATE_EPOCH"
"""The seconds since 1970 that stand in for the clock, so that a report can be made again byte by byte:
reproducible-builds.org/specs/source-date-epoch."""


@record
class Stamp:
    """The release of kvplan, and the minute in UTC."""

    version: str
    made: str


def stamp() -> Stamp:
    """Return the stamp of now, or of SOURCE_DATE_EPOCH; raise KvplanError if that is no time."""
    return Stamp(version=__version__, made=f"{_now():%Y-%m-%d %H:%M} UTC")


def _now() -> datetime:
    told = os.environ.get(_EPOCH)
    if not told:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(told), UTC)
    except (ValueError, OverflowError, OSError):
        raise KvplanError(f"{_EPOCH} is {told[:40]!r}, and no number of seconds since 1970") from None
