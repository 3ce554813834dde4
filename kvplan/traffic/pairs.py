"""A cumulative distribution as a JSON file: pairs of tokens and the share of requests that have no more."""

import json
from pathlib import Path

from kvplan.files import read_up_to
from kvplan.traffic.laws import Knots, Law, knots_law
from kvplan.traffic.requests import MOST_TOKENS, TrafficError

_MOST_BYTES = 2**24


def read_pairs(path: Path) -> Law:
    """Return the law that a file's pairs say; raise TrafficError for what is none."""
    try:
        text = read_up_to(path, _MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise TrafficError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(text) > _MOST_BYTES:
        raise TrafficError(f"{path} has more than 16 MiB: a distribution is some pairs of tokens and shares")
    try:
        pairs = json.loads(text)
    except (ValueError, RecursionError):
        raise _unlike(path, "it is no JSON") from None
    return knots_law(str(path), knots_of(pairs, path))


def knots_of(pairs: object, where: Path | str) -> Knots:
    """Return pairs as tokens and shares; raise TrafficError, which names the one that is none."""
    if not isinstance(pairs, list) or not pairs:
        raise _unlike(where, "it is no list of pairs")
    return [_knot(pair, place, where) for place, pair in enumerate(pairs, 1)]


def _knot(pair: object, place: int, where: Path | str) -> tuple[int, float]:
    match pair:
        case [int() as tokens, int() | float() as share] if not isinstance(tokens, bool):
            if 0 <= tokens <= MOST_TOKENS and 0 <= share <= 1:
                return tokens, float(share)
    raise _unlike(where, f"pair {place} is {str(pair)[:40]!r}")


def _unlike(where: Path | str, what: str) -> TrafficError:
    return TrafficError(
        f"{where}: {what}: write pairs of tokens and the share of requests with at most so many, "
        "as in [[128, 0.1], [2048, 0.5], [65536, 1]]"
    )
