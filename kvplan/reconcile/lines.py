"""A log as plain lines: without colours, progress bars' carriage returns and endless lines."""

import re
from collections.abc import Iterator, Sequence

from kvplan.reconcile.errors import LogError
from kvplan.records import record

MAX_CHARACTERS = 16 * 1024**2
"""Start-up lines come first; whatever is longer than this also holds the requests that followed."""

_LONGEST_LINE = 50_000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# (Worker_TP0 pid=12), (VllmWorker rank=1 pid=12), (EngineCore_DP0 pid=3), (RayWorkerWrapper pid=4)
_VLLM_WORKER = re.compile(
    r"\(((?:Vllm|Ray)?Worker\w*(?: TP\d+)?(?: rank=\d+)?|(?:DP)?EngineCore\w*)\b[^()]*\)"
)
# [2026-05-15 08:39:36 DP0 TP1 EP1]
_SGLANG_WORKER = re.compile(r"\[[^\[\]]{0,60}?((?:DP\d+ )?(?:PP\d+ )?TP\d+(?: EP\d+)?)\]")

_GZIP = "\x1f"
"""The first byte of a gzip file that is ASCII, so that any decoding keeps it (RFC 1952, section 2.3.1)."""


@record(kw_only=False)
class Line:
    """One line, its number from 1 on, and the worker that printed it (empty if it does not say)."""

    number: int
    text: str

    @property
    def worker(self) -> str:
        """The name of the process, as its prefix gives it."""
        vllm = _VLLM_WORKER.findall(self.text)
        if vllm:
            return str(vllm[-1])
        sglang = _SGLANG_WORKER.search(self.text)
        return sglang[1] if sglang else ""


def plain_lines(text: str) -> tuple[Line, ...]:
    """Return the lines of *text*; raise LogError if it is empty, no text, or far too long."""
    if not text.strip():
        raise LogError("the log is empty: paste what the engine printed when it started")
    if text.startswith(_GZIP):
        raise LogError("the log is compressed: give its text, as in `gunzip -c LOG | kvplan reconcile -`")
    if "\0" in text:
        raise LogError("the log is not text: give what the engine printed, as a plain file")
    if len(text) > MAX_CHARACTERS:
        raise too_long()
    return tuple(_lines(text))


def marked(lines: Sequence[Line], marks: Sequence[str]) -> Iterator[Line]:
    """Yield the lines that have one of *marks* in them."""
    return (line for line in lines if any(mark in line.text for mark in marks))


def too_long() -> LogError:
    """Return the error for a log of which only the beginning is wanted."""
    return LogError(
        f"the log has more than {MAX_CHARACTERS // 1024**2} million characters: the start-up lines are at "
        "its beginning, as in `head -n 5000 LOG | kvplan reconcile -`"
    )


def _lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), start=1):
        plain = _ANSI.sub("", line[:_LONGEST_LINE]) if "\x1b" in line else line[:_LONGEST_LINE]
        if plain.strip():
            yield Line(number, plain)
