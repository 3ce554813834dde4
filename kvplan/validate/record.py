"""A run as a file: replaced as a whole, so that a reader never meets half of one, and read again."""

import json
from pathlib import Path

from kvplan.errors import KvplanError
from kvplan.files import read_up_to, write_whole
from kvplan.validate.results import Run, run_from_dict

MOST_BYTES = 2**26
"""Of a recorded run; all levels on one machine take less than 1 MiB."""

_MOST_DIGITS = 30


def save(run: Run, path: Path) -> None:
    """Write *run* to *path* as JSON; raise KvplanError where it cannot be written."""
    write_whole(json.dumps(run.to_dict(), indent=2) + "\n", path)


def load(path: Path) -> Run | None:
    """Return the run in a file, None if there is no file; raise KvplanError if it holds something else."""
    try:
        data = read_up_to(path, MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can be called so"
        raise KvplanError(f"cannot read {path}: {reason}") from None
    if len(data) > MOST_BYTES:
        raise KvplanError(f"cannot go on with {path}: it has more than {MOST_BYTES // 2**20} MiB")
    try:
        found = json.loads(data, parse_int=_whole)
    except (ValueError, RecursionError):
        raise KvplanError(f"cannot go on with {path}: it is no JSON") from None
    return run_from_dict(found)


def _whole(digits: str) -> int:
    """Return a number of bytes or elements; one that no machine has is none."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError
    return int(digits)
