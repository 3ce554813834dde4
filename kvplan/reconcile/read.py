"""A text to the start-up log in it, whichever engine wrote it."""

import codecs
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kvplan.errors import UnknownNameError
from kvplan.files import read_up_to
from kvplan.reconcile import llamacpp_log, sglang_log, trtllm_log, vllm_log
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.lines import MAX_CHARACTERS, Line, plain_lines, too_long
from kvplan.reconcile.log import EngineName, StartUpLog


@dataclass(frozen=True, slots=True)
class _Reader:
    """What reads one engine's lines, which of them it wants in words, and which begin a start."""

    read: Callable[[Sequence[Line]], StartUpLog]
    looked_for: str
    starts: re.Pattern[str]

    def read_last(self, lines: Sequence[Line]) -> StartUpLog:
        """
        Return the log of the last start that has figures.

        An engine that is started again writes to the same log, and may then run another model. Options
        may stand before the line that begins a start: what follows the figures before it belongs to it.
        """
        whole = self.read(lines)
        if not whole.figures:
            return whole
        end = whole.figures[-1].line
        starts = (line.number for line in lines if line.number < end and self.starts.search(line.text))
        last = max(starts, default=0)
        before = max((each.line for each in whole.figures if each.line < last), default=0)
        if not before:
            return whole
        return replace(self.read([line for line in lines if line.number > before]), restarted=True)


_READERS: dict[EngineName, _Reader] = {
    "vllm": _Reader(vllm_log.read_vllm, vllm_log.LOOKED_FOR, vllm_log.STARTS),
    "sglang": _Reader(sglang_log.read_sglang, sglang_log.LOOKED_FOR, sglang_log.STARTS),
    "llamacpp": _Reader(llamacpp_log.read_llamacpp, llamacpp_log.LOOKED_FOR, llamacpp_log.STARTS),
    "trtllm": _Reader(trtllm_log.read_trtllm, trtllm_log.LOOKED_FOR, trtllm_log.STARTS),
}


def read_log(text: str, engine: str | None = None) -> StartUpLog:
    """
    Return the last start-up in *text*: that of the engine with most figures in it, or of *engine*.

    Raises LogError if it has no figure of an engine, UnknownNameError for an engine whose logs
    kvplan does not read.
    """
    lines = plain_lines(text)
    readers = _READERS if engine is None else {_known(engine): _READERS[_known(engine)]}
    logs = [reader.read_last(lines) for reader in readers.values()]
    found = max(logs, key=lambda log: len(log.figures))
    if not found.figures:
        looked_for = "; ".join(f"{name}: {reader.looked_for}" for name, reader in readers.items())
        raise LogError("no figure of an engine's start-up is in the log", f"kvplan looks for {looked_for}")
    return found


def read_source(source: str) -> str:
    """Return the text of a file, or of stdin for `-`; raise LogError if it cannot be read or is too long."""
    try:
        data = _bytes(source)
    except OSError as error:
        raise LogError(f"cannot read {source[:80]}: {error.strerror}") from None
    except ValueError:
        raise LogError(f"{source[:80]!r} is no path of a file") from None
    if len(data) > MAX_CHARACTERS:
        raise too_long()
    # PowerShell's > writes UTF-16; any other encoding harms no line that is looked for.
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8", errors="replace")


def _bytes(source: str) -> bytes:
    if source != "-":
        return read_up_to(Path(source), MAX_CHARACTERS + 1)
    if sys.stdin is None:
        raise LogError("stdin is closed: give a file, or pipe a log into kvplan reconcile -")
    return sys.stdin.buffer.read(MAX_CHARACTERS + 1)


def _known(engine: str) -> EngineName:
    name = engine.partition("@")[0].strip().lower()
    for known in _READERS:
        if known == name:
            return known
    raise UnknownNameError(f"kvplan reads no logs of {name[:40]!r}, only those of {', '.join(_READERS)}")
