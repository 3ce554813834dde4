"""A run as a file: replaced as a whole, so that a reader never meets half of one, and read again."""

import json
from pathlib import Path

from kvplan.errors import KvplanError
from kvplan.files import write_whole
from kvplan.validate.results import Run, run_from_dict


def save(run: Run, path: Path) -> None:
    """Write *run* to *path* as JSON; raise KvplanError where it cannot be written."""
    write_whole(json.dumps(run.to_dict(), indent=2) + "\n", path)


def load(path: Path) -> Run | None:
    """Return the run in a file, None if there is no file; raise KvplanError if it holds something else."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KvplanError(f"cannot read {path}: {error.strerror}") from None
    try:
        return run_from_dict(json.loads(text))
    except ValueError:
        raise KvplanError(f"cannot go on with {path}: it is no JSON") from None
