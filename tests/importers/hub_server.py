"""A hub on the loopback: a real HTTP server that answers the paths which huggingface_hub asks for."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_PATH = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_MIB = 2**20


@dataclass(frozen=True)
class Asked:
    """One request: its method, the file in the model, and the headers that matter."""

    method: str
    file: str
    range: str
    token: str


@dataclass
class Hub:
    """
    What the server holds and how it misbehaves.

    `files` are the bytes of `organisation/name/file`. `errors` answers a model with a status and the
    hub's own error code. `lengths` announces files longer than they are, with bodies as long;
    `grown` does so for GET alone. `cut` ends each body after so many bytes, `slow` models never
    answer, `moved` files are at another address. `etags` are those of a file from some request on,
    `commits` those of a model. `dripping` files send a byte now and then, `packed` ones have the encoding
    that they are announced with.
    """

    files: Mapping[str, bytes]
    errors: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    grown: Mapping[str, int] = field(default_factory=dict)
    cut: Mapping[str, int] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    etags: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)
    packed: Mapping[str, str] = field(default_factory=dict)
    slow: frozenset[str] = frozenset()
    dripping: frozenset[str] = frozenset()
    ignores_ranges: bool = False
    asked: list[Asked] = field(default_factory=list)
    sent_bytes: int = 0
    endpoint: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def fault(self, repo: str, revision: str, file: str) -> tuple[int, str] | None:
        """Return the status and the hub's error code for a request, None if it is answered."""
        if repo in self.errors:
            return self.errors[repo]
        if not any(name.startswith(f"{repo}/") for name in self.files):
            return 404, "RepoNotFound"
        if revision not in ("main", COMMIT):
            return 404, "RevisionNotFound"
        return None if f"{repo}/{file}" in self.files else (404, "EntryNotFound")


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve *hub* on a free port of 127.0.0.1 and set its endpoint."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, which is their right."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output clean."""

    def _answer(self) -> None:
        match = _PATH.fullmatch(self.path)
        if match is None:
            self._plain(404, {})
            return
        repo, revision, file = match.groups()
        token = self.headers.get("authorization", "")
        self.hub.asked.append(Asked(self.command, file, self.headers.get("range", ""), token))
        if repo in self.hub.slow:
            self.hub.closing.wait(30)
            self.close_connection = True
        elif fault := self.hub.fault(repo, revision, file):
            commit = self.hub.commits.get(repo, COMMIT)
            self._plain(fault[0], {"X-Error-Code": fault[1], "X-Repo-Commit": commit})
        elif f"{repo}/{file}" in self.hub.moved:
            self._plain(302, {"Location": self.hub.moved[f"{repo}/{file}"], "X-Repo-Commit": COMMIT})
        else:
            self._file(f"{repo}/{file}")

    def _plain(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, name: str) -> None:
        size = self.hub.lengths.get(name, len(self.hub.files[name]))
        if self.command == "GET":
            size = self.hub.grown.get(name, size)
        first, last = self._range(size)
        partial = (first, last) != (0, size - 1)
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", f'"{self._etag(name)}"')
        self.send_header("X-Repo-Commit", self.hub.commits.get(name.rpartition("/")[0], COMMIT))
        if name in self.hub.packed:
            self.send_header("Content-Encoding", self.hub.packed[name])
        self.end_headers()
        if self.command == "GET":
            with suppress(OSError):
                self._send(name, first, last - first + 1)

    def _etag(self, name: str) -> str:
        number, etag = self.hub.etags.get(name, (0, ""))
        asked = sum(asked.file == name.rpartition("/")[2] for asked in self.hub.asked)
        return etag if etag and asked >= number else f"{abs(hash(name)):x}"

    def _range(self, size: int) -> tuple[int, int]:
        match = _RANGE.fullmatch(self.headers.get("range", ""))
        if match is None or self.hub.ignores_ranges:
            return 0, size - 1
        return int(match[1]), min(int(match[2]), size - 1)

    def _send(self, name: str, first: int, count: int) -> None:
        """Send the file's bytes, and spaces where it is announced longer than it is."""
        while name in self.hub.dripping and not self.hub.closing.wait(0.05):
            self.wfile.write(b" ")
            self.hub.sent_bytes += 1
        self.close_connection = name in self.hub.cut
        count = min(count, self.hub.cut.get(name, count))
        data = self.hub.files[name][first : first + count]
        for start in range(0, count, _MIB):
            piece = data[start : start + _MIB]
            self.wfile.write(piece.ljust(min(_MIB, count - start)))
            self.hub.sent_bytes += min(_MIB, count - start)
