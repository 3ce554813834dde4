"""Files of requests by their tokens, with arrivals and block hashes where there are any."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from kvplan.inert import inert
from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints
from kvplan.traffic.documents import read_document
from kvplan.traffic.formats import Cell
from kvplan.traffic.laws import Law
from kvplan.traffic.observed import Observed, observed
from kvplan.traffic.requests import MOST_TOKENS, TrafficError
from kvplan.traffic.rows import Row, Rows, csv_rows, json_rows, opened
from kvplan.units import ceil_div, counted

_BOM = b"\xef\xbb\xbf"

_MOST_REQUESTS = 2**25
"""Requests of a trace: 27,303,999 is the longest public one (Azure, a week of 2024)."""

_MOST_HASHES = 2**24
"""Block hashes of a trace: each is an object of some 40 bytes."""

_UNREADABLE = (TypeError, ValueError, OverflowError)
"""What reading a cell raises where it is none."""

_AT_ONCE = 2**14
"""Rows that are turned into numbers together."""


def read_file(path: Path) -> Law | Observed:
    """
    Return the requests of a trace, or the law of a cumulative distribution.

    Raises TrafficError, with the line, for what cannot be read.
    """
    with opened(path) as file:
        head = file.peek(64).removeprefix(_BOM).lstrip()[:1]
        if head == b"[":
            said = read_document(file, path)
            return said if isinstance(said, Law) else _read_rows(said, path)
        return _read_rows(json_rows(file, path) if head == b"{" else csv_rows(file, path), path)


@record
class _Part:
    """Some rows of a trace as numbers, and how many were left out of them."""

    prompts: Ints
    outputs: Ints
    times: Floats
    hashes: list[tuple[int, ...]]
    failed: int
    empty: int


def _read_rows(rows: Rows, path: Path) -> Observed:
    parts: list[_Part] = []
    requests = hashes = 0
    while some := list(islice(rows.rows, _AT_ONCE)):
        parts.append(_part(some, rows))
        requests += parts[-1].prompts.size
        hashes += sum(map(len, parts[-1].hashes))
        if requests > _MOST_REQUESTS or hashes > _MOST_HASHES:
            raise TrafficError(
                f"{path} holds more than {_MOST_REQUESTS:,} requests or {_MOST_HASHES:,} block hashes: "
                "give a part of it"
            )
    if not requests:
        raise TrafficError(f"{path} holds no request")
    return observed(
        f"{inert(str(path))} ({rows.format.name})",
        np.concatenate([part.prompts for part in parts]),
        np.concatenate([part.outputs for part in parts]),
        arrivals=_arrivals(np.concatenate([part.times for part in parts])) if rows.timed else None,
        hashes=tuple(each for part in parts for each in part.hashes) if rows.hashed else None,
        hash_block=rows.format.hash_block if rows.hashed else None,
        notes=_notes(requests, sum(part.failed for part in parts), sum(part.empty for part in parts)),
    )


def _part(some: list[Row], rows: Rows) -> _Part:
    """Return rows as numbers; raise TrafficError for a cell that is not what its column says."""
    form = rows.format
    numbers, prompt, output, time, hashes = zip(*some, strict=True)
    prompts = _tokens(prompt, numbers, rows.place, form.prompt)
    outputs = _tokens(output, numbers, rows.place, form.output)
    times = _times(time, numbers, rows) if rows.timed else np.zeros(len(some))
    failed = (outputs == 0) & form.fails
    empty = (prompts + outputs == 0) & ~failed
    kept = ~(failed | empty)

    def blocks(each: int) -> tuple[int, ...]:
        return _blocks(hashes[each], int(prompts[each]), rows, numbers[each])

    return _Part(
        prompts=prompts[kept],
        outputs=outputs[kept],
        times=times[kept],
        hashes=[blocks(each) for each in np.flatnonzero(kept).tolist()] if rows.hashed else [],
        failed=int(failed.sum()),
        empty=int(empty.sum()),
    )


def _tokens(cells: Sequence[Cell], numbers: Sequence[int], place: str, column: str) -> Ints:
    """Return counts, which are digits in CSV and ints in JSON."""
    try:
        return np.array(list(map(_count, cells)), dtype=np.int64)
    except _UNREADABLE:
        raise _bad(cells, numbers, _count, (place, column, "no whole number of tokens")) from None


def _count(cell: Cell) -> int:
    """Return a count of tokens; raise ValueError for what is none."""
    if type(cell) is str and cell.isdecimal():
        tokens = int(cell)
    elif type(cell) is int:
        tokens = cell
    else:
        raise ValueError
    if not 0 <= tokens <= MOST_TOKENS:
        raise ValueError
    return tokens


def _times(cells: Sequence[Cell], numbers: Sequence[int], rows: Rows) -> Floats:
    seconds = rows.format.seconds
    try:
        return np.array(list(map(seconds, cells)), dtype=np.float64)
    except _UNREADABLE:
        raise _bad(cells, numbers, seconds, (rows.place, str(rows.format.time), "no time")) from None


def _blocks(cell: Cell, prompt: int, rows: Rows, number: int) -> tuple[int, ...]:
    """Return a prompt's hashes; another number of them would be of blocks of another size."""
    where, block = f"{rows.place}{number}: {rows.format.hashes}", rows.format.hash_block
    if not isinstance(cell, list) or not all(type(each) is int for each in cell):
        raise TrafficError(f"{where}: {_shown(cell)} is no list of ints")
    if block is not None and len(cell) != ceil_div(prompt, block):
        needed = ceil_div(prompt, block)
        raise TrafficError(
            f"{where}: {counted(len(cell), 'block')}, where {prompt:,} tokens are {needed:,} of {block}: "
            f"leave {rows.format.hashes} out if blocks are of another size"
        )
    return tuple(cell)


def _arrivals(seconds: Floats) -> Floats:
    """Return seconds from the first arrival on."""
    arrivals: Floats = seconds - seconds.min()
    return arrivals


def _notes(requests: int, failed: int, empty: int) -> tuple[str, ...]:
    of = f"of {counted(requests + failed + empty, 'request')}"
    why = {"failed (no output)": failed, "had no tokens": empty}
    return tuple(f"{count:,} {of} {what}: left out" for what, count in why.items() if count)


def _bad(
    cells: Sequence[Cell],
    numbers: Sequence[int],
    read: Callable[[Cell], float],
    words: tuple[str, str, str],
) -> TrafficError:
    """Return what to say of the first cell that cannot be read."""
    place, column, what = words
    for cell, number in zip(cells, numbers, strict=True):
        try:
            read(cell)
        except _UNREADABLE:
            return TrafficError(f"{place}{number}: {column}: {_shown(cell)} is {what}")
    raise AssertionError("one of the cells could not be read")


def _shown(cell: Cell) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else f"{text[:36]}..."  # noqa: PLR2004 - fits the line
