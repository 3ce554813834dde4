"""Files of a model's folder: plain ones alone, and nothing outside the folder that was asked for."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from kvplan.errors import ImportedError
from kvplan.files import open_at_once


def open_plain(path: Path) -> tuple[BinaryIO, int]:
    """
    Return an open file and its size in bytes; raise ImportedError if it is no plain, readable file.

    A pipe or a device is refused before it could block a reader.
    """
    try:
        descriptor = open_at_once(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a plain file"
        raise ImportedError(f"{path} is {kind}; expected a file of a model")
    return os.fdopen(descriptor, "rb"), status.st_size


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a plain file; raise ImportedError if it has more than *most_bytes*."""
    file, _ = open_plain(path)
    try:
        with file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(data) > most_bytes:
        raise ImportedError(f"{path} is larger than {most_bytes // 2**20} MiB; a real one is far smaller")
    return data


def find_inside(folder: Path, name: str) -> Path | None:
    """
    Return the path of the file *name* in *folder*, or None if there is none.

    Raises ImportedError for a name or a symbolic link that leads out of the folder. The one link
    out that is followed is that of a Hugging Face cache: from `snapshots/<revision>` to the blobs
    of the same cache.
    """
    path = folder / name
    if not os.path.lexists(path):
        return None
    try:
        target = path.resolve(strict=True)
        homes = [root.resolve() for root in (folder, *_blob_folders(folder))]
    except (OSError, RuntimeError, ValueError) as error:
        raise unreadable(path, error) from None
    if not any(target.is_relative_to(home) for home in homes):
        raise ImportedError(f"{path} leads out of the folder, to {target}; copy the file into it")
    return path


def check_name(name: str, where: str) -> None:
    """Raise ImportedError unless *name*, which *where* gives, is that of a file in the same folder."""
    if not name or name in (".", "..") or not name.isprintable() or any(mark in name for mark in "/\\:"):
        raise ImportedError(f"{where}: {name[:80]!r} is not the plain name of a file in the same folder")


def unreadable(path: Path, error: Exception) -> ImportedError:
    """Return the error that says why a file cannot be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ImportedError(f"cannot read {path}: {reason}")


def _blob_folders(folder: Path) -> tuple[Path, ...]:
    """Return where a snapshot in a Hugging Face cache keeps its content, or nothing."""
    absolute = folder.absolute()
    model = absolute.parent.parent
    if absolute.parent.name != "snapshots" or not model.name.startswith("models--"):
        return ()
    return (model / "blobs", model.parent / "blobs")
