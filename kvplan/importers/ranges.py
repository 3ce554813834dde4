"""The header of a weight file on a hub, by range requests that read no more than was asked for."""

import re
import time
from typing import Any

from kvplan.errors import ImportedError
from kvplan.importers.hub_guard import StatusError
from kvplan.importers.safetensors import LENGTH_BYTES, header_length, parse_header
from kvplan.importers.stored import StoredTensor
from kvplan.records import record

# huggingface_hub's own first request: of the 1000 most used models, 97 % have a smaller header.
_FIRST_BYTES = 100_000
_DEADLINE_SECONDS = 60
PARTIAL = 206
"""The status of an answer to a range request; 200 says that the range was ignored."""

_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_CONTENT_RANGE = re.compile(r"bytes \d{1,18}-\d{1,18}/(\d{1,18})", re.ASCII)


class UnreachableError(Exception):
    """The hub did not give the header, for a reason that says nothing of the file."""


@record
class HeaderSource:
    """Reads headers of one model at one commit through huggingface_hub's session, while a Guard is open."""

    repo_id: str
    commit: str

    def read(self, name: str) -> tuple[StoredTensor, ...] | None:
        """
        Return the tensors of the safetensors file *name*, None if the model has no such file.

        Raises UnreachableError if the hub does not answer as it should, and ImportedError for a header
        that is not one.
        """
        where = f"{self.repo_id}: {name}"
        start, size = self._fetch(name, 0, _FIRST_BYTES)
        if start is None:
            return None
        length = header_length(start, where, size)
        header = start[LENGTH_BYTES : LENGTH_BYTES + length]
        if len(header) < length:
            more, _ = self._fetch(name, len(start), LENGTH_BYTES + length - len(start))
            header += more or b""
        if len(header) < length:
            raise ImportedError(f"{where}: the answer has {len(header)} of {length} bytes of the header")
        return parse_header(header, where, None if size is None else size - LENGTH_BYTES - length)

    def _fetch(self, name: str, offset: int, count: int) -> tuple[bytes | None, int | None]:
        """Return up to *count* bytes from *offset* on, and the file's size if the hub tells."""
        from huggingface_hub import hf_hub_url  # noqa: PLC0415 - an extra, and heavy
        from huggingface_hub.utils import build_hf_headers, get_session  # noqa: PLC0415

        url = hf_hub_url(self.repo_id, name, revision=self.commit)
        last = offset + count - 1
        headers = {**build_hf_headers(), "range": f"bytes={offset}-{last}", "accept-encoding": "identity"}
        try:
            with get_session().stream("GET", url, headers=headers, timeout=_timeout()) as response:
                return _body(response, offset, count), _size(response)
        except StatusError as error:
            if error.code == "EntryNotFound":
                return None, None
            raise UnreachableError(str(error)) from None
        except ImportedError:
            raise
        except Exception as error:  # noqa: BLE001 - the client's own errors, of every kind
            raise UnreachableError((str(error).splitlines() or [type(error).__name__])[0][:120]) from None


def _timeout() -> float:
    from huggingface_hub import constants  # noqa: PLC0415 - an extra, and heavy

    return float(constants.HF_HUB_DOWNLOAD_TIMEOUT)


def _body(response: Any, offset: int, count: int) -> bytes:  # noqa: ANN401 - the client's own class
    """Return the bytes asked for, and read no further should the server send more."""
    if offset and response.status_code != PARTIAL:
        raise UnreachableError("the server ignores range requests")
    deadline = time.monotonic() + _DEADLINE_SECONDS
    data = b""
    for chunk in response.iter_raw():
        data += chunk
        if len(data) >= count:
            break
        if time.monotonic() > deadline:
            raise UnreachableError(f"no header after {_DEADLINE_SECONDS} seconds")
    return data[:count]


def _size(response: Any) -> int | None:  # noqa: ANN401 - the client's own class
    """Return the size of the whole file, which the answer to a range request tells."""
    if response.status_code != PARTIAL:
        length = response.headers.get("content-length", "")
        return int(length) if _DIGITS.fullmatch(length) else None
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    return int(match[1]) if match else None
