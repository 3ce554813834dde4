"""What a validator found, in the words of who wrote the file: line, key, and what to write."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from kvplan.attention import kind_class, kind_names
from kvplan.errors import UnitError, asking, closest
from kvplan.specs.model import ModelSpec
from kvplan.specs.problems import Problem
from kvplan.specs.runs import LayerRun
from kvplan.specs.strict_yaml import Document, Location
from kvplan.specs.synonyms import MEANT
from kvplan.units import parse_count

Error = Mapping[str, Any]
"""One of pydantic's error details."""

_LISTED = 4
_EXPLAINED = 100
"""Unknown keys that hints are sought for: more do not fit into one error."""


def explain(document: Document, error: ValidationError) -> list[Problem]:
    """
    Return all problems of a file, those first that explain others: unknown keys, then by line.

    A key that is missing where an unknown one was meant for it is no problem of its own, and neither
    is what a value brings about that could not be read.
    """
    errors = _own(document, error.errors(include_url=False))
    unknown = [each for each in errors if each["type"] == "extra_forbidden"]
    missing = [each for each in errors if each["type"] == "missing"]
    others = [each for each in errors if each["type"] not in ("extra_forbidden", "missing")]
    strangers, meant = _unknown_keys(document, unknown)
    rest = [_problem(document, each) for each in others] + _missing_keys(document, missing, meant)
    ignored = {problem.path for problem in strangers}
    rest += [each for each in document.problems if each.path not in ignored]
    return strangers + sorted(rest, key=lambda each: each.line)


def _own(document: Document, errors: Sequence[Error]) -> list[Error]:
    """Return the errors that do not stand at, in or around a value that could not be read."""
    bad = {problem.path for problem in document.problems}
    around = {path[:end] for path in bad for end in range(len(path))}

    def follows(error: Error) -> bool:
        _, path = document.where(error["loc"])
        if error["type"] == "missing":
            path = (*path, error["loc"][-1])
        inside = any(path[:end] in bad for end in range(len(path) + 1))
        return inside or (error["type"] == "value_error" and path in around)

    return [each for each in errors if each["type"] == "extra_forbidden" or not follows(each)]


def _unknown_keys(document: Document, errors: Sequence[Error]) -> tuple[list[Problem], set[Location]]:
    """Return the problems of unknown keys, and the paths of the keys that they were meant for."""
    problems: list[Problem] = []
    meant, listed = set(), set()
    for error in sorted(errors, key=lambda each: document.where(each["loc"])[0]):
        line, path = document.where(error["loc"])
        known = _known_keys(document, error["loc"])
        key, hint = _hint(path, known) if len(problems) < _EXPLAINED else (None, "")
        if key is not None:
            meant.add((*path[:-1], key))
        elif not hint and path[:-1] not in listed:
            listed.add(path[:-1])
            hint = f"; expected one of {', '.join(known)}"
        problems.append(Problem(line=line, path=path, text=f"unknown key{hint}"))
    return problems, meant


def _hint(path: Location, known: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the one key that an unknown one stands for, if it is clear, and words about it."""
    name = str(path[-1])
    key = MEANT.get(name.lower(), name)
    if key in known:
        return key, asking([key])
    if elsewhere := _elsewhere(key, path):
        return None, elsewhere
    close = closest(name, list(known))
    return (close[0] if len(close) == 1 else None), asking(close)


def _elsewhere(key: str, path: Location) -> str:
    """Return in words where a key belongs that may not stand at *path*; empty if nowhere."""
    kinds = [name for name in kind_names() if key in kind_class(name).model_fields]
    if kinds and len(path) == 1:
        return f" (it belongs in attention, as {key!r})"
    if len(path) > 1 and key in ModelSpec.model_fields:
        return f" (it belongs at the top, as {key!r})"
    if kinds and path[0] == "attention":
        more = f" and {len(kinds) - _LISTED} more" if len(kinds) > _LISTED else ""
        return f" ({key!r} is a key of {', '.join(kinds[:_LISTED])}{more})"
    return ""


def _missing_keys(document: Document, errors: Iterable[Error], meant: set[Location]) -> list[Problem]:
    """Return a problem for each mapping that lacks keys; one key is named in its path."""
    places = [(*document.where(each["loc"]), each["loc"][-1]) for each in errors]
    places = [(line, path, key) for line, path, key in places if (*path, key) not in meant]
    problems = []
    for (line, path), group in groupby(places, key=lambda each: each[:2]):
        keys = [str(key) for _, _, key in group]
        if len(keys) == 1:
            problem = Problem(line=line, path=(*path, keys[0]), text="found nothing; expected this key")
        else:
            problem = Problem(line=line, path=path, text=f"found no {', '.join(keys)}; expected these keys")
        problems.append(problem)
    return problems


_EXPECTED_SHAPE = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "too_short": "at least 1 entry",
    "string_pattern_mismatch": "lower-case words joined by hyphens, as in my-model",
}
"""What to say instead of pydantic's words, which speak of Python's types and patterns."""


def _problem(document: Document, error: Error) -> Problem:
    line, path = document.where(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return Problem(line=line, path=path, text=str(context["error"]))
    expected = error["msg"].removeprefix("Input should be ").removeprefix("String should ")
    text = f"found {_found(error['input'])}; expected {_EXPECTED_SHAPE.get(kind, expected)}"
    meant = _meant_count(error["input"]) if kind == "int_type" else None
    return Problem(line=line, path=path, text=text if meant is None else f"{text}: {meant}")


def _meant_count(value: object) -> int | None:
    """Return the number that a text means on the command line, 131072 by `128k`; None for any other value."""
    try:
        return parse_count(value) if isinstance(value, str) else None
    except UnitError:
        return None


def _known_keys(document: Document, location: Location) -> Mapping[str, Any]:
    """Return the keys that may stand where an unknown one was found."""
    if location[0] == "layers":
        return LayerRun.model_fields
    if location[0] == "attention":
        _, path = document.where(location)
        return _attention_fields(document, path[:-1])
    return ModelSpec.model_fields


def _attention_fields(document: Document, path: Location) -> Mapping[str, Any]:
    """Return the fields of the kind in which *path* lies, or of the part of it that *path* names."""
    value: Any = document.value
    fields: Mapping[str, Any] = {}
    for step in path:
        value = value[step]
        if fields:
            fields = fields[str(step)].annotation.__args__[0].model_fields
        elif isinstance(value, dict) and isinstance(value.get("kind"), str):
            fields = kind_class(value["kind"]).model_fields
    return fields


def _found(value: object) -> str:
    """Return a value of a file in the words of YAML."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case tuple() | list():
            return "a list"
        case bool():
            return "true" if value else "false"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - fits the line
