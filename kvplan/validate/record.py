"""A run as a file: replaced as a whole, so that a reader never meets half of one."""

import json
from pathlib import Path

from kvplan.errors import KvplanError
from kvplan.validate.results import Run


def save(run: Run, path: Path) -> None:
    """Write *run* to *path* as JSON; raise KvplanError where it cannot be written."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(json.dumps(run.to_dict(), indent=2) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise KvplanError(f"cannot write {path}: {error.strerror}") from None
