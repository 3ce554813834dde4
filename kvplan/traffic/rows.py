"""The rows of a trace, CSV or JSON lines, one after the other, so that a long one takes no memory."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any

from kvplan.records import record
from kvplan.traffic.formats import Cell, Format, columns_of, format_of
from kvplan.traffic.requests import TrafficError

Readable = BufferedReader | gzip.GzipFile

Object = tuple[int, dict[str, Cell]]
"""A JSON object and its number, of its line or in its list, from 1 on."""

Row = tuple[int, Cell, Cell, Cell, Cell]
"""A row's number, and its cells: prompt, output, time and hashes, None for what is not there."""

_MOST_LINE = 2**20
"""Bytes of a line: ten thousand block hashes are a tenth of it."""

_GZIP = b"\x1f\x8b"


@record
class Rows:
    """A trace's rows, and whether it has times and hashes; `place` stands before the number of a row."""

    place: str
    format: Format
    timed: bool
    hashed: bool
    rows: Iterator[Row]


@contextmanager
def opened(path: Path) -> Iterator[Readable]:
    """Give a regular file to read from, unpacked if it is gzip; raise TrafficError if it cannot be read."""
    try:
        if not path.is_file():
            raise TrafficError(f"cannot read {path}: it is no regular file")
        with path.open("rb") as file:
            if file.peek(2)[:2] != _GZIP:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
    except (OSError, EOFError, zlib.error) as error:
        raise TrafficError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def csv_rows(file: Readable, path: Path) -> Rows:
    """Return the rows of a CSV with a header."""
    reader = csv.reader(_lines(file, path), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise TrafficError(f"{path}:1: {error}") from None
    if len(set(header)) < len(header):
        raise TrafficError(f"{path}:1: two columns have one name")
    form = format_of(header, str(path))
    time = header.index(form.time) if form.time in header else None
    places = (header.index(form.prompt), header.index(form.output), time)
    return Rows(
        place=f"{path}:",
        format=form,
        timed=time is not None,
        hashed=False,
        rows=_csv_cells(reader, path, len(header), places),
    )


def _csv_cells(
    reader: Iterator[list[str]], path: Path, columns: int, places: tuple[int, int, int | None]
) -> Iterator[Row]:
    prompt, output, time = places
    line = 1
    try:
        for row in reader:
            line = reader.line_num  # type: ignore[attr-defined]
            if len(row) != columns:
                if not row:
                    continue
                raise TrafficError(f"{path}:{line}: {len(row)} cells, where the header has {columns}")
            yield line, row[prompt], row[output], None if time is None else row[time], None
    except csv.Error as error:
        raise TrafficError(f"{path}:{line + 1}: {error}") from None


def json_rows(file: Readable, path: Path) -> Rows:
    """Return the rows of JSON lines."""
    return object_rows(_objects(file, path), f"{path}:")


def object_rows(objects: Iterator[Object], place: str) -> Rows:
    """Return the rows of JSON objects, of which the first says what all of them hold."""
    first = next(objects, None)
    if first is None:
        raise TrafficError(f"{place}1: there is no request")
    form = format_of(columns_of(first[1]), f"{place}{first[0]}")
    timed, hashed = form.time in first[1], form.hashes in first[1]
    rows = _json_cells(chain([first], objects), place, form, (timed, hashed))
    return Rows(place=place, format=form, timed=timed, hashed=hashed, rows=rows)


def _json_cells(
    objects: Iterator[Object], place: str, form: Format, there: tuple[bool, bool]
) -> Iterator[Row]:
    timed, hashed = there
    for number, row in objects:
        try:
            cells: Any = row if form.within is None else row[form.within]
            time = row[form.time] if timed and form.time else None
            hashes = row[form.hashes] if hashed and form.hashes else None
            yield number, cells[form.prompt], cells[form.output], time, hashes
        except (KeyError, TypeError):
            raise TrafficError(
                f"{place}{number}: it lacks a column of the first one: {form.written}"
            ) from None


def _objects(file: Readable, path: Path) -> Iterator[Object]:
    for number, line in enumerate(_lines(file, path), 1):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise TrafficError(f"{path}:{number}: {_cut(line.strip())} is no JSON object: write one a line")
        yield number, row


def _lines(file: Readable, path: Path) -> Iterator[str]:
    """Yield the lines of a file; raise TrafficError for one that is no text, or endless."""
    number = 0
    while line := file.readline(_MOST_LINE + 1):
        number += 1
        if len(line) > _MOST_LINE:
            raise TrafficError(f"{path}:{number}: a line of more than 1 MiB: a request is a line of its own")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise TrafficError(f"{path}:{number}: it is no text (UTF-8)") from None


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:36]}...")  # noqa: PLR2004 - fits the line
