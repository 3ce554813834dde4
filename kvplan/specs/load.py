"""From a name or a file to a ModelSpec, with errors that name file, line, key and what to do."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from kvplan.errors import NotASpecError, SpecError
from kvplan.specs.catalogue import catalogue_folder, find_spec
from kvplan.specs.model import ModelSpec
from kvplan.specs.names import as_name
from kvplan.specs.problems import refusal
from kvplan.specs.releases import as_quantized
from kvplan.specs.strict_yaml import read_document

_KEPT = 512
"""More specs than the catalogue has."""


def load(model: str | Path) -> ModelSpec:
    """
    Return the spec of a model: a catalogue name, an alias, a hub id, or a spec file's path.

    Raises UnknownNameError for a name that is not in the catalogue, and SpecError for a file that
    cannot be read or is not a spec.
    """
    path = path_of(model)
    spec = _shipped(path) if catalogue_folder() in path.parents else load_file(path)
    asked = str(model).strip().lower()
    quantized = next((hub_id for hub_id in spec.quantized if hub_id.lower() == asked), None)
    return as_quantized(spec, quantized) if quantized else spec


@lru_cache(maxsize=_KEPT)
def _shipped(path: Path) -> ModelSpec:
    """Return a spec of the catalogue, whose files do not change while it is used."""
    return load_file(path)


def path_of(model: str | Path) -> Path:
    """Return the file that *model* names: itself if it is a path, else the catalogue's."""
    path = Path(model)
    if isinstance(model, Path) or path.suffix.lower() in (".yaml", ".yml"):
        return path
    try:
        if path.is_file():
            return path
        if model and (path.is_dir() or path.is_absolute() or model.startswith(".")):
            raise NotASpecError(f"{model} is not a file; expected a model name or a spec file in YAML")
    except (OSError, ValueError):
        pass  # No file can have this name, so it is a model's or nobody's.
    return find_spec(str(model))


def load_file(path: Path) -> ModelSpec:
    """Return the spec in a file; raise SpecError, which lists all that is wrong, if there is none."""
    document = read_document(path)
    value = document.value
    # A file that is none is not quoted: it may be one that its reader may not show.
    if not isinstance(value, dict):
        what = "a list" if isinstance(value, tuple) else "text"
        raise SpecError(f"{path}:1: found {what}; expected the keys of a model spec")
    if value and not _is_meant(value):
        raise SpecError(f"{path}:1: found none of the keys of a model spec, such as dtype, layers, attention")
    try:
        spec = ModelSpec.model_validate({"name": as_name(path.stem, otherwise="model"), **value})
    except ValidationError as error:
        from kvplan.specs.explain import explain  # noqa: PLC0415 - most specs are right

        raise refusal(path, explain(document, error)) from None
    if document.problems:
        raise refusal(path, document.problems)
    return spec


def _is_meant(facts: Mapping[str, object]) -> bool:
    """Tell whether a mapping has a key of a spec, by whichever name, if not in its place."""
    if any(key in ModelSpec.model_fields for key in facts):
        return True
    from kvplan.specs.synonyms import MEANT  # noqa: PLC0415 - as above

    known = {*ModelSpec.model_fields, *MEANT, *MEANT.values()}
    return any(key.lower() in known for key in facts)
