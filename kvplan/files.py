"""Files: whether they are there, reading them in a time, and writing them whole or not at all."""

import os
import select
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kvplan.errors import KvplanError

IDLE_SECONDS = 10
MOST_SECONDS = 60
"""How long a pipe may be silent, and how long it may take to end."""

_CHUNK_BYTES = 2**20


def write_whole(text: str, path: Path) -> None:
    """Write *text* to a new file, or in place of a regular one, as `written_whole` does."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _unwritten(path, error) from None
    with written_whole(path) as file:
        file.write(data)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """
    Give a file to write to, which becomes *path* at the end: a new one, or in place of a regular one.

    A link stays, and what it points to changes. What is written goes to a file beside it that is then
    renamed, so that an error, or an interruption, leaves what was there and nobody reads half of it. Raises
    KvplanError if that cannot be done, and for a folder, a device or a pipe, which a renaming would replace.
    """
    target, temporary = _beside(path)
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise _unwritten(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path: Path) -> tuple[Path, Path]:
    """Return what *path* points to, and a new file beside that; raise KvplanError if there can be none."""
    try:
        target = _replaceable(path)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".kvplan-", delete=False) as file:
            return target, Path(file.name)
    except (OSError, ValueError, RuntimeError) as error:
        raise _unwritten(path, error) from None


def require_writable(path: Path) -> None:
    """Raise KvplanError for what `write_whole` would refuse after the work: no folder, or no regular file."""
    try:
        folder = _replaceable(path).parent
    except (OSError, ValueError, RuntimeError) as error:
        raise _unwritten(path, error) from None
    if not is_folder(folder):
        raise KvplanError(f"cannot write {path}: {folder} is not a folder")


def _unwritten(path: Path, error: Exception) -> KvplanError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return KvplanError(f"cannot write {path}: {reason}")


def _replaceable(path: Path) -> Path:
    """Return what a path, or a link there, points to; raise KvplanError for what is no regular file."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise KvplanError(f"cannot write {path}: it is no regular file")
    return target


def open_at_once(path: Path) -> int:
    """Return the descriptor of a file opened for reading, without waiting for who writes into a pipe."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))


def read_up_to(path: Path, most_bytes: int) -> bytes:
    """
    Return the bytes of a file, a device or a pipe, *most_bytes* of them at the most.

    Raises OSError as reading does, and KvplanError for a pipe or a terminal from which nothing comes for
    IDLE_SECONDS, or which does not end within MOST_SECONDS.
    """
    with os.fdopen(open_at_once(path), "rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return _whole(file.fileno(), most_bytes)
        return _piped(file.fileno(), most_bytes, path)


def _whole(descriptor: int, most_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < most_bytes and (more := os.read(descriptor, most_bytes - len(data))):
        data += more
    return bytes(data)


def _piped(descriptor: int, most_bytes: int, path: Path) -> bytes:
    data = bytearray()
    waited = False
    end = time.monotonic() + MOST_SECONDS
    while len(data) < most_bytes:
        more = _at_hand(descriptor, most_bytes - len(data))
        if more:
            data += more
        elif more is not None and (data or waited):
            break  # Who wrote has gone; before the first byte, and a wait for it, nobody may have come yet.
        else:
            waited = True
            if not select.select([descriptor], [], [], IDLE_SECONDS)[0]:
                raise KvplanError(f"{path}: nothing was written into this pipe for {IDLE_SECONDS} seconds")
        if time.monotonic() > end:
            raise KvplanError(f"{path} did not end within {MOST_SECONDS} seconds; give a file")
    return bytes(data)


def _at_hand(descriptor: int, most_bytes: int) -> bytes | None:
    """Return what can be read now, empty at the end, None if it would have to be waited for."""
    try:
        return os.read(descriptor, min(_CHUNK_BYTES, most_bytes))
    except BlockingIOError:
        return None


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
