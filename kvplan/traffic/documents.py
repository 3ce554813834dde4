"""JSON documents: pairs of a cumulative distribution, or a list of requests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kvplan.inert import inert
from kvplan.traffic.formats import columns_of, format_of
from kvplan.traffic.laws import Knots, Law, knots_law
from kvplan.traffic.requests import MOST_TOKENS, TrafficError
from kvplan.traffic.rows import Readable, Rows, object_rows

_MOST_BYTES = 2**26
"""A document is read whole, and takes some ten times as much memory as it has bytes."""


def read_document(file: Readable, path: Path) -> Law | Rows:
    """Return the law that a file's pairs say, or its requests; raise TrafficError for what is neither."""
    text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise _too_long(text[:_MOST_BYTES], path)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise _unlike(path, "it is no JSON") from None
    if not isinstance(whole, list) or not whole:
        raise _unlike(path, "it is no list of pairs")
    if not isinstance(whole[0], dict):
        return knots_law(inert(str(path)), knots_of(whole, path))
    return object_rows(_numbered(whole, path), f"{path}, request ")


def knots_of(pairs: Sequence[object], where: Path | str) -> Knots:
    """Return pairs as tokens and shares; raise TrafficError, which names the one that is none."""
    return [_knot(pair, place, where) for place, pair in enumerate(pairs, 1)]


def _knot(pair: object, place: int, where: Path | str) -> tuple[int, float]:
    match pair:
        case [int() as tokens, int() | float() as share] if not isinstance(tokens, bool):
            if 0 <= tokens <= MOST_TOKENS and 0 <= share <= 1:
                return tokens, float(share)
    raise _unlike(where, f"pair {place} is {str(pair)[:40]!r}")


def _numbered(rows: list[object], path: Path) -> Any:  # noqa: ANN401 - objects, after this check
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise TrafficError(f"{path}, request {number}: {str(row)[:40]!r} is no JSON object")
        yield number, row


def _too_long(head: bytes, path: Path) -> TrafficError:
    """Return what to say of a document too long to read: of its first request, if there is one."""
    start = head.decode("utf-8-sig", "ignore").lstrip().removeprefix("[").lstrip()
    try:
        first, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        first = None
    if isinstance(first, dict):
        format_of(columns_of(first), str(path))
    return TrafficError(
        f"{path} is a JSON document of more than 64 MiB: write its requests as JSON lines, one a line"
    )


def _unlike(where: Path | str, what: str) -> TrafficError:
    return TrafficError(
        f"{where}: {what}: write pairs of tokens and the share of requests with at most so many, "
        "as in [[128, 0.1], [2048, 0.5], [65536, 1]]"
    )
