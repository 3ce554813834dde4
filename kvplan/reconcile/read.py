"""A text to the start-up log in it, whichever engine wrote it."""

import codecs
import sys
from pathlib import Path

from kvplan.errors import UnknownNameError
from kvplan.reconcile import llamacpp_log, sglang_log, trtllm_log, vllm_log
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.lines import MAX_CHARACTERS, plain_lines, too_long
from kvplan.reconcile.log import EngineName, StartUpLog
from kvplan.reconcile.starts import Reader

_READERS: dict[EngineName, Reader] = {
    "vllm": vllm_log.READER,
    "sglang": sglang_log.READER,
    "llamacpp": llamacpp_log.READER,
    "trtllm": trtllm_log.READER,
}
_LOOKED_FOR = {
    "vllm": vllm_log.LOOKED_FOR,
    "sglang": sglang_log.LOOKED_FOR,
    "llamacpp": llamacpp_log.LOOKED_FOR,
    "trtllm": trtllm_log.LOOKED_FOR,
}


def read_log(text: str, engine: str | None = None) -> StartUpLog:
    """
    Return the last start-up in *text*: that of the engine with most figures in it, or of *engine*.

    Raises LogError if it has no figure of an engine, UnknownNameError for an engine whose logs
    kvplan does not read.
    """
    lines = plain_lines(text)
    readers = _READERS if engine is None else {_known(engine): _READERS[_known(engine)]}
    logs = [reader.read_last(lines) for reader in readers.values() if reader.has_figures(text)]
    found = max(logs, key=lambda log: len(log.figures), default=None)
    if found is None or not found.figures:
        looked_for = "; ".join(f"{name}: {_LOOKED_FOR[name]}" for name in readers)
        raise LogError(f"no figure of an engine's start-up is in the log\nkvplan looks for {looked_for}")
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
        with Path(source).open("rb") as file:
            return file.read(MAX_CHARACTERS + 1)
    if sys.stdin is None:
        raise LogError("stdin is closed: give a file, or pipe a log into kvplan reconcile -")
    return sys.stdin.buffer.read(MAX_CHARACTERS + 1)


def _known(engine: str) -> EngineName:
    name = engine.partition("@")[0].strip().lower()
    for known in _READERS:
        if known == name:
            return known
    raise UnknownNameError(f"kvplan reads no logs of {name[:40]!r}, only those of {', '.join(_READERS)}")
