"""Chunks as lines of text: CSV, and JSON lines."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column
from kvplan.inert import inert

Columns = tuple[Column, ...]


def csv_head(columns: Columns) -> str:
    """Return the names of the columns as a line."""
    return ",".join(each.name for each in columns) + "\n"


def csv_lines(chunk: Chunk, columns: Columns) -> str:
    """Return the points of a chunk as lines of CSV (RFC 4180, ends of lines as Unix has them)."""
    return "".join(f"{','.join(row)}\n" for row in zip(*_written(chunk, columns, _CSV, ""), strict=True))


def json_lines(chunk: Chunk, columns: Columns) -> str:
    """Return the points of a chunk as one JSON object a line."""
    keys = [json.dumps(each.name) + ":" for each in columns]
    fields = [
        [key + value for value in values] for key, values in zip(keys, _json(chunk, columns), strict=True)
    ]
    return "".join(f"{{{','.join(row)}}}\n" for row in zip(*fields, strict=True))


def row_dicts(chunk: Chunk, columns: Columns) -> Iterator[dict[str, Any]]:
    """Yield the points of a chunk as plain values by the columns' names, None where there is none."""
    names = [each.name for each in columns]
    read: Mapping[str, Callable[[Any], Any]] = dict.fromkeys(("text", "int", "float", "flag"), _same)
    for row in zip(*_written(chunk, columns, read, None), strict=True):
        yield dict(zip(names, row, strict=True))


def _same(value: Any) -> Any:  # noqa: ANN401 - any cell
    return value


def _quoted(text: str) -> str:
    """Return a field of CSV: in quotes where it holds a comma or a quote; no text here breaks a line."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if "," in text or '"' in text else text


_CSV: Mapping[str, Callable[[Any], str]] = {
    "text": _quoted,
    "int": str,
    "float": repr,
    "flag": lambda value: "true" if value else "false",
}
_JSON: Mapping[str, Callable[[Any], str]] = {
    "text": json.dumps,
    "int": str,
    "float": repr,
    "flag": lambda value: "true" if value else "false",
}


def _json(chunk: Chunk, columns: Columns) -> list[list[str]]:
    return _written(chunk, columns, _JSON, "null")


def _written(
    chunk: Chunk,
    columns: Columns,
    write: Mapping[str, Callable[[Any], Any]],
    nothing: Any,  # noqa: ANN401 - a cell
) -> list[list[Any]]:
    return [_column(chunk, each, write[each.kind], nothing) for each in columns]


def _column(chunk: Chunk, column: Column, write: Callable[[Any], Any], nothing: Any) -> list[Any]:  # noqa: ANN401 - a cell
    """Return the cells of a column, each text written once."""
    if column.kind == "text":
        places, words = chunk.text(column)
        cells = [*(write(inert(each)) for each in words), nothing]
        return [cells[at] for at in places.tolist()]
    values, missing = chunk.number(column)
    if missing is None:
        return [write(each) for each in values.tolist()]
    return [
        nothing if gap else write(each) for each, gap in zip(values.tolist(), missing.tolist(), strict=True)
    ]
