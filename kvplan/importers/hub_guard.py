"""What a hub may answer: looked at before a body is read or anything is written, and in a time."""

import logging
import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from kvplan.importers.safetensors import MAX_INDEX_BYTES

T = TypeVar("T")

SECONDS = 60
"""How long one file of metadata may take, and the headers of all weight files."""

NOTICE_SECONDS = 5
"""How long nothing is said of it."""

MOST_REDIRECT_BYTES = 2**20
REFUSED = 400
"""Statuses from here on are no answer."""

_TRY_AGAIN = (408, 429)
_COMMIT = re.compile(r"[0-9a-f]{40}")
# Hubs give git's and sha256 hashes; a store's own is of the same letters, perhaps with a count of parts.
_ETAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_XET = "x-xet-hash"


class BadAnswerError(Exception):
    """An answer that no hub gives, or one that does not end."""


class StatusError(Exception):
    """A body was refused with a status, and with the hub's own code for it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"the server answers {status}")
        self.code = code


class Guard:
    """
    Looks at every answer to huggingface_hub's session while it is open.

    huggingface_hub calls its files in the cache by the ETag and the commit that a server sends.
    `origin` is the scheme and host of the last answer that named a commit.
    """

    def __init__(self) -> None:
        self.origin = ""
        self._open: list[Any] = []
        self._ended = False

    def __enter__(self) -> Self:
        from huggingface_hub.utils import get_session  # noqa: PLC0415 - an extra, and heavy

        self._hooks = get_session().event_hooks["response"]
        self._hooks.append(self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.remove(self._look)

    def in_time(self, what: str, work: Callable[[], T]) -> T:
        """
        Return what *work* returns; raise BadAnswerError if it takes more than SECONDS.

        After NOTICE_SECONDS a warning says what is waited for. The work has a thread of its own, as a
        server that sends a byte now and then would hold any read; what it still reads is closed.
        """
        results: list[T] = []
        errors: list[BaseException] = []
        thread = threading.Thread(target=_kept, args=(work, results, errors), daemon=True)
        thread.start()
        thread.join(NOTICE_SECONDS)
        if thread.is_alive():
            logging.getLogger("kvplan").warning("kvplan: waiting for %s, %s seconds at most", what, SECONDS)
            thread.join(max(0, SECONDS - NOTICE_SECONDS))
        if thread.is_alive():
            self._end()
            raise BadAnswerError(f"no whole answer within {SECONDS} seconds")
        if errors:
            raise errors[0]
        return results[0]

    def _end(self) -> None:
        self._ended = True
        for response in self._open:
            response.close()

    def _look(self, response: Any) -> None:  # noqa: ANN401 - the client's own class
        """Refuse an answer that is none of a hub's, before its body is read."""
        if self._ended:
            raise BadAnswerError("no answer is waited for any longer")
        self._open = [*(each for each in self._open if not each.is_closed), response]
        headers, url = response.headers, response.request.url
        _check_names(headers)
        if headers.get("x-repo-commit") is not None:
            self.origin = f"{url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}"
        # Xet's own downloads would pass by what is looked at here; its files can be had without it.
        headers.pop(_XET, None)
        if response.request.method == "GET":
            _check_body(response)


class TooLargeError(Exception):
    """A file of metadata that is too large to be one."""


class Limit:
    """
    Stands in for the progress bar of a download: shows nothing, and stops one that is too large.

    It sees the size that the server announces and every chunk before it is written.
    """

    def __init__(self, *_: object, total: float | None = None, initial: float = 0, **__: object) -> None:
        self._left = MAX_INDEX_BYTES - initial
        if total is not None and total > MAX_INDEX_BYTES:
            raise TooLargeError

    def update(self, chunk_bytes: float | None = 1) -> None:
        self._left -= chunk_bytes or 0
        if self._left < 0:
            raise TooLargeError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what else a progress bar may be asked to do
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: None


def _kept(work: Callable[[], T], results: list[T], errors: list[BaseException]) -> None:
    try:
        results.append(work())
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
        errors.append(error)


def _check_names(headers: Any) -> None:  # noqa: ANN401 - the client's own class
    """Raise BadAnswerError for a commit or an ETag that is not plain."""
    commit = headers.get("x-repo-commit")
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise BadAnswerError(f"the server calls {commit[:80]!r} a commit; expected 40 hexadecimal digits")
    for name in ("etag", "x-linked-etag"):
        etag = headers.get(name)
        if etag is not None and not _ETAG.fullmatch(etag.removeprefix("W/").strip('"')):
            raise BadAnswerError(f"the server sends the ETag {etag[:80]!r}; expected letters and digits")


def _check_body(response: Any) -> None:  # noqa: ANN401 - the client's own class
    """Raise for a body that may grow when it is unpacked, for that of an error, and for a long redirect."""
    packed = response.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise BadAnswerError(f"the server packs its answer ({packed[:40]}), which it was not asked to")
    if response.status_code >= REFUSED and response.status_code not in _TRY_AGAIN:
        raise StatusError(response.status_code, response.headers.get("x-error-code", ""))
    length = response.headers.get("content-length", "0")
    if response.has_redirect_location and not (length.isdigit() and int(length) <= MOST_REDIRECT_BYTES):
        raise BadAnswerError(f"the server redirects with {length[:40]} bytes")
