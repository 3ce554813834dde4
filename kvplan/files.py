"""Files: whether they are there, and writing them whole or not at all."""

import os
import tempfile
from pathlib import Path

from kvplan.errors import KvplanError


def write_whole(text: str, path: Path) -> None:
    """
    Write *text* to a new file, or in place of a regular one; a link stays, and what it points to changes.

    The text goes to a file beside it that is then renamed, so that an error leaves what was there and
    nobody reads half of it. Raises KvplanError if that cannot be done, and for a folder, a device or a
    pipe, which a renaming would replace.
    """
    temporary = None
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise KvplanError(f"cannot write {path}: it is no regular file")
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=".kvplan-", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except (OSError, ValueError, RuntimeError) as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise KvplanError(f"cannot write {path}: {reason}") from None


def exists(path: Path) -> bool:
    """Tell whether there is something at *path*, which may be one that nothing can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether *path*, which may be one that nothing can have, is a folder."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
