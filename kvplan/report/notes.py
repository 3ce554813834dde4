"""Lines that several answers have."""

import re
from collections.abc import Sequence

from kvplan.report.document import Line, line


def pinned(source: str) -> list[Line]:
    """Return a line that names the commit from which a model was read, if *source* has one."""
    return [line(f"read from {source}", "quiet")] if re.search(r"/blob/[0-9a-f]{40}/", source) else []


def not_read(fields: Sequence[str]) -> list[Line]:
    """Return a line that lists the fields of a model's own file that were not read, if there are any."""
    return [line(f"fields of the file: {', '.join(fields)}", "quiet", label="Ignored")] if fields else []
