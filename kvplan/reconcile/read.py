"""A text to the start-up log in it, whichever engine wrote it."""

import codecs
import sys
from dataclasses import replace
from pathlib import Path

from kvplan.files import read_up_to
from kvplan.reconcile.dialects import DIALECTS, find_dialect
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.foreign import find_foreign
from kvplan.reconcile.lines import MAX_CHARACTERS, plain_lines, too_long
from kvplan.reconcile.log import StartUpLog


def read_log(text: str, engine: str | None = None) -> StartUpLog:
    """
    Return the last start-up in *text*: that of the engine with most figures in it, or of *engine*.

    Raises LogError if it has no figure of an engine, UnknownNameError for an engine whose logs
    kvplan does not read.
    """
    lines = plain_lines(text)
    dialects = tuple(DIALECTS.values()) if engine is None else (find_dialect(engine),)
    readers = [each.reader for each in dialects if each.reader.has_figures(text)]
    found = max((each.read_last(lines) for each in readers), key=lambda log: len(log.figures), default=None)
    foreign = find_foreign(text)
    if found is None or not found.figures:
        if foreign is not None:
            whose = f"of {foreign.name}" if " " in foreign.name else f"{foreign.name}'s"
            raise LogError(f"the log is {whose}, and has no figure to compare", foreign.lacks)
        looked_for = "; ".join(f"{each.engine}: {each.looked_for}" for each in dialects)
        raise LogError("no figure of an engine's start-up is in the log", f"kvplan looks for {looked_for}")
    return replace(found, foreign=foreign)


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
