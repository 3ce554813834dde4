"""JSON without its surprises: bounded size and depth, no key twice, no number that is none."""

import json
import math
from pathlib import Path
from typing import Any

from kvplan.errors import ImportedError
from kvplan.importers.files import read_plain

MAX_FILE_BYTES = 2**20
MAX_DEPTH = 40
_MAX_DIGITS = 30

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_MAY_BE_INFINITE = ("time_step_limit",)
"""Fields that published files give as `[0.0, Infinity]`, which JSON has no number for (Nemotron-H)."""


def read_json(path: Path) -> dict[str, Json]:
    """
    Return the object in a JSON file.

    Raises ImportedError, naming the file and the problem, for anything that is not a UTF-8 file of
    at most 1 MiB with one object in it.
    """
    return parse_json(read_plain(path, MAX_FILE_BYTES), str(path))


def parse_json(data: bytes, name: str) -> dict[str, Json]:
    """Return the object in the bytes of a JSON text that errors call *name*; raise ImportedError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImportedError(f"{name} is not UTF-8 text; expected JSON") from None
    try:
        value = _decoder(name).decode(text)
    except json.JSONDecodeError as error:
        raise ImportedError(
            f"{name}:{error.lineno}: not JSON: {error.msg[0].lower()}{error.msg[1:]}"
        ) from None
    except RecursionError:
        raise _too_deep(name) from None
    if not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else "a lone value"
        raise ImportedError(f"{name}: found {found}; expected an object of fields")
    _check_depth(value, name)
    return value


def shown(value: object) -> str:
    """Return a value as an error shows it, on one short line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:56] + ' ..."'  # noqa: PLR2004 - fits the line


def _decoder(name: str) -> json.JSONDecoder:
    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise ImportedError(f"{name}: the field {key!r} stands twice")
            if key not in _MAY_BE_INFINITE and _has_no_number(value):
                raise ImportedError(f"{name}: {key}: found a number that is infinite or not a number")
            result[key] = value
        return result

    def whole(digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise ImportedError(f"{name}: found a number of {len(digits)} digits: {digits[:20]}...")
        return int(digits)

    return json.JSONDecoder(object_pairs_hook=fields, parse_int=whole)


def _has_no_number(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_no_number, value))
    return isinstance(value, float) and not math.isfinite(value)


def _check_depth(value: Json, name: str) -> None:
    """Raise ImportedError if objects and lists stand more than MAX_DEPTH deep in each other."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return
    raise _too_deep(name)


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep(name: str) -> ImportedError:
    return ImportedError(f"{name}: more than {MAX_DEPTH} levels of objects and lists")
