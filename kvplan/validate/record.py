"""A run as a file: replaced as a whole, so that a reader never meets half of one."""

import json
from pathlib import Path

from kvplan.files import write_whole
from kvplan.validate.results import Run


def save(run: Run, path: Path) -> None:
    """Write *run* to *path* as JSON; raise KvplanError where it cannot be written."""
    write_whole(json.dumps(run.to_dict(), indent=2) + "\n", path)
