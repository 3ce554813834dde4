"""Chunks as lines of text, CSV and JSON lines, and as plain values."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column, Kind
from kvplan.inert import inert

Columns = tuple[Column, ...]
Write = Callable[[Any], Any]

_WINDOW = 2**14
"""Points that are written at once: their cells are Python's objects, of which each takes a line's memory."""


def csv_head(columns: Columns) -> str:
    """Return the names of the columns as a line."""
    return ",".join(each.name for each in columns) + "\n"


def csv_lines(chunk: Chunk, columns: Columns) -> Iterator[str]:
    """Yield the points of a chunk as lines of CSV (RFC 4180, but that lines end as Unix has them)."""
    for rows in _windows(chunk, columns, _CSV, ""):
        yield "".join(f"{','.join(row)}\n" for row in rows)


def json_lines(chunk: Chunk, columns: Columns) -> Iterator[str]:
    """Yield the points of a chunk as one JSON object a line."""
    # A per cent sign stands for each value; no column's name has one.
    line = "{" + ",".join(f"{json.dumps(each.name)}:%s" for each in columns) + "}\n"
    for rows in _windows(chunk, columns, _JSON, "null"):
        yield "".join(line % row for row in rows)


def row_dicts(chunk: Chunk, columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield the points of a chunk as plain values by the columns' names, None where there is none."""
    names = [each.name for each in columns]
    for rows in _windows(chunk, columns, _PLAIN, None):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def _quoted(text: str) -> str:
    """Return a field of CSV: in quotes where it holds a comma or a quote; no text here breaks a line."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if "," in text or '"' in text else text


def _flag(value: object) -> str:
    return "true" if value else "false"


_CSV: Mapping[Kind, Write] = {"text": _quoted, "int": str, "float": repr, "flag": _flag}
_JSON: Mapping[Kind, Write] = {"text": json.dumps, "int": str, "float": repr, "flag": _flag}
_PLAIN: Mapping[Kind, Write] = {"text": str, "int": int, "float": float, "flag": bool}


def _windows(
    chunk: Chunk, columns: Columns, write: Mapping[Kind, Write], nothing: object
) -> Iterator[Iterable[tuple[Any, ...]]]:
    """Yield rows of cells, some thousand at once."""
    cells = [_cells(chunk, each, write[each.kind], nothing) for each in columns]
    for start in range(0, len(chunk), _WINDOW):
        window = slice(start, min(start + _WINDOW, len(chunk)))
        # What is the same everywhere is repeated without an end: contexts and batches have one.
        yield zip(*(each(window) for each in cells), strict=False)


def _cells(chunk: Chunk, column: Column, write: Write, nothing: object) -> Callable[[slice], Iterable[Any]]:
    """Return what gives the cells of a column for a range of points; each text is written once."""
    if chunk.is_constant(column):
        value = chunk.labels.get(column.name)
        cell = nothing if value is None else write(inert(str(value)) if column.kind == "text" else value)
        return lambda _: repeat(cell)
    if column.kind == "text":
        places, words = chunk.text(column)
        written = [*(write(inert(each)) for each in words), nothing]
        return lambda window: [written[at] for at in places[window].tolist()]
    values, missing = chunk.number(column)
    if missing is None:
        return lambda window: map(write, values[window].tolist())
    return lambda window: [
        nothing if gap else write(each)
        for each, gap in zip(values[window].tolist(), missing[window].tolist(), strict=True)
    ]
