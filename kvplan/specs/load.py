"""From a name or a file to a ModelSpec, with errors that name file, line, key and what to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kvplan.attention import kind_class
from kvplan.errors import SpecError, did_you_mean
from kvplan.specs.catalogue import find_spec
from kvplan.specs.model import LayerRun, ModelSpec
from kvplan.specs.names import as_name
from kvplan.specs.strict_yaml import Document, key_text, read_yaml


def load(model: str | Path) -> ModelSpec:
    """
    Return the spec of a model: a catalogue name, an alias, a hub id, or a spec file's path.

    Raises UnknownNameError for a name that is not in the catalogue, and SpecError for a file that
    cannot be read or is not a spec.
    """
    spec = load_file(path_of(model))
    asked = str(model).strip().lower()
    quantized = next((hub_id for hub_id in spec.quantized if hub_id.lower() == asked), None)
    return spec.as_quantized(quantized) if quantized else spec


def path_of(model: str | Path) -> Path:
    """Return the file that *model* names: itself if it is a path, else the catalogue's."""
    path = Path(model)
    if isinstance(model, Path) or path.suffix.lower() in (".yaml", ".yml"):
        return path
    try:
        if path.is_file():
            return path
        if model and (path.is_dir() or path.is_absolute() or model.startswith(".")):
            raise SpecError(f"{model} is not a file; expected a model name or a spec file in YAML")
    except (OSError, ValueError):
        pass  # No file can have this name, so it is a model's or nobody's.
    return find_spec(str(model))


def load_file(path: Path) -> ModelSpec:
    """Return the spec in a file; raise SpecError if there is none."""
    document = read_yaml(path)
    if not isinstance(document.value, dict):
        raise SpecError(f"{path}:1: found {_found(document.value)}; expected the keys of a model spec")
    try:
        return ModelSpec.model_validate({"name": as_name(path.stem, otherwise="model"), **document.value})
    except ValidationError as error:
        raise SpecError(_explain(document, error)) from None


def _explain(document: Document, error: ValidationError) -> str:
    """Return one line for the most telling error: a misspelt key explains the one it leaves out."""
    errors = error.errors(include_url=False)
    first: Mapping[str, Any] = min(errors, key=lambda each: each["type"] != "extra_forbidden")
    line, path = document.where(first["loc"])
    step = first["loc"][-1] if first["loc"] else ""
    if first["type"] == "missing":
        path = (*path, step)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    key = key_text(path)
    return f"{document.path}:{line}: {key + ': ' if key else ''}{_problem(document, first)}{more}"


_EXPECTED_SHAPE = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "too_short": "at least 1 entry",
}
"""What to say instead of pydantic's words, which speak of Python's types."""


def _problem(document: Document, error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "found nothing; expected this key"
    if kind == "extra_forbidden":
        return f"unknown key{_key_hint(document, error['loc'])}"
    if kind == "value_error":
        return str(context["error"])
    expected = error["msg"].removeprefix("Input should be ").removeprefix("String should ")
    return f"found {_found(error['input'])}; expected {_EXPECTED_SHAPE.get(kind, expected)}"


def _key_hint(document: Document, location: tuple[str | int, ...]) -> str:
    """Return the keys that may stand where an unknown one was found."""
    known: Mapping[str, Any] = ModelSpec.model_fields
    if location[0] == "layers":
        known = LayerRun.model_fields
    elif location[0] == "attention":
        _, path = document.where(location)
        known = _attention_fields(document, path[:-1])
    name = str(location[-1])
    return did_you_mean(name, list(known)) or f"; expected one of {', '.join(known)}"


def _attention_fields(document: Document, path: tuple[str | int, ...]) -> Mapping[str, Any]:
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
