"""From a name or a file to a ModelSpec, with errors that name file, line, key and what to do."""

from pathlib import Path

from pydantic import ValidationError

from kvplan.errors import SpecError
from kvplan.specs.catalogue import find_spec
from kvplan.specs.explain import explain, found
from kvplan.specs.model import ModelSpec
from kvplan.specs.names import as_name
from kvplan.specs.problems import Problem, refusal
from kvplan.specs.strict_yaml import read_document


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
    """Return the spec in a file; raise SpecError, which lists all that is wrong, if there is none."""
    document = read_document(path)
    value = document.value
    if not isinstance(value, dict):
        text = f"found {found(value)}; expected the keys of a model spec"
        raise refusal(path, document.problems or [Problem(line=1, path=(), text=text)])
    try:
        spec = ModelSpec.model_validate({"name": as_name(path.stem, otherwise="model"), **value})
    except ValidationError as error:
        raise refusal(path, explain(document, error)) from None
    if document.problems:
        raise refusal(path, document.problems)
    return spec
