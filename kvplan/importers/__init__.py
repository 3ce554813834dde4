"""
A model's own files (config.json, GGUF, safetensors) to a spec; the only place with their names.

Nothing is read but the file or folder that was asked for, and no code of a model is ever run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kvplan.arguments import checked
from kvplan.errors import ImportedError, NotASpecError, NotFetchedError, SpecError, UnknownNameError
from kvplan.files import exists, is_folder

if TYPE_CHECKING:
    from kvplan.importers.config import Imported
    from kvplan.specs import ModelSpec

_OTHERS = "or a config.json, a model folder, a .gguf file"
_REST = "a model folder, a .gguf file or a hub id"


@checked
def load(model: str | Path, ignore: Sequence[str] = ()) -> "ModelSpec":
    """
    Return the spec of a model: by name, from a spec file, or from the model's own files.

    *model* is a catalogue name, an alias, a hub id, a spec file, a `config.json`, a folder that
    holds one, or a GGUF file. Any other name is that of a model in the catalogue if its words say so,
    which the answers then tell. *ignore* names fields of a config that kvplan does not know and that
    are answered without. Raises a KvplanError for what it does not understand.
    """
    if isinstance(model, str) and _lacks_gguf(model) and (spec := named(model)) is not None:
        return spec.model_copy(update={"read_by": f"{spec.read_by}; there is no such file here"})
    if is_source(model):
        return import_model(model, ignore=ignore).spec
    # Imported here, as pydantic is not needed for what is above.
    from kvplan.specs.catalogue import find_spec  # noqa: PLC0415
    from kvplan.specs.load import load as load_spec  # noqa: PLC0415

    try:
        # A folder without a model does not hide a name of the catalogue.
        spec = load_spec(find_spec(str(model)) if is_folder(Path(model)) else model)
    except OSError as error:
        raise SpecError(f"cannot read {str(model)[:60]}...: {error.strerror or error}") from None
    except UnknownNameError as error:
        return _by_name(str(model), error, ignore)
    except NotASpecError as error:
        raise SpecError(f"{error.line}, {_OTHERS}") from None
    if ignore:
        raise SpecError(f"{str(model)[:60]} has no unknown field {ignore[0][:60]}: leave --ignore out")
    return spec


def is_source(model: str | Path) -> bool:
    """Tell whether *model* is a path to a model's own files, as against a name or a spec."""
    path = Path(model)
    if path.suffix.lower() in (".json", ".gguf"):
        return True
    return is_folder(path) and (isinstance(model, Path) or _is_path(model) or _has_model(path))


def import_model(source: str | Path, revision: str | None = None, ignore: Sequence[str] = ()) -> "Imported":
    """
    Return the spec of a `config.json`, a GGUF file, a folder with either, or a model on the hub.

    *revision* is a commit, branch or tag of a hub model; *ignore* names unknown fields of a config that
    are answered without. Raises ImportedError.
    """
    # Imported here, as each kind of source needs other readers.
    from kvplan.importers.complete import import_complete, import_hub  # noqa: PLC0415
    from kvplan.importers.gguf_specs import import_gguf  # noqa: PLC0415
    from kvplan.importers.hub import is_hub_id  # noqa: PLC0415

    path = Path(source)
    if path.suffix.lower() == ".gguf" or (is_folder(path) and _has_only_gguf(path)):
        if ignore:
            raise ImportedError(f"{path} has no config.json, whose fields --ignore names: leave it out")
        return import_gguf(path)
    if path.suffix.lower() == ".json" or is_folder(path):
        return import_complete(path, ignore)
    if is_hub_id(str(source)) and not exists(path):
        return import_hub(str(source), revision, ignore)
    raise ImportedError(f"{str(source)[:80]!r} is no model's own file; expected a config.json, {_REST}")


def named(name: str) -> "ModelSpec | None":
    """
    Return the model of the catalogue that the words of *name* mean, or None: `llama3.1:70b`, a re-release.

    Nothing is fetched, and no file is read. Raises UnknownNameError for a name of several models.
    """
    # Imported here, as pydantic is not needed for what is above.
    from kvplan.specs.load import load as load_spec  # noqa: PLC0415
    from kvplan.specs.readings import read_name  # noqa: PLC0415
    from kvplan.specs.releases import as_read  # noqa: PLC0415

    reading = read_name(name)
    return None if reading is None else as_read(load_spec(reading.model), name, reading)


def _by_name(model: str, unknown: UnknownNameError, ignore: Sequence[str]) -> "ModelSpec":
    """
    Return what the hub has, or what the words of a name mean.

    The release itself says more than its name: that counts only where the hub does not give it, and where
    the name is no alias whose source is known.
    """
    from kvplan.importers.hub import is_hub_id  # noqa: PLC0415 - unknown names alone
    from kvplan.specs.readings import is_alias  # noqa: PLC0415 - as above

    asks_hub, reason = is_hub_id(model) and not is_alias(model), ""
    if asks_hub:
        try:
            return import_model(model, ignore=ignore).spec
        except ImportedError as error:
            reason = f"        {error.line.rstrip(';')}"
            if not isinstance(error, NotFetchedError):
                raise UnknownNameError(unknown.line, reason) from None
    spec = None if ignore else named(model)
    if spec is None:
        raise UnknownNameError(unknown.line, reason or unknown.advice)
    return spec


def _lacks_gguf(model: str) -> bool:
    return model.lower().endswith(".gguf") and not exists(Path(model))


def _is_path(text: str) -> bool:
    """Tell whether a folder is written as a path, and not as a name that a folder happens to have."""
    return text.startswith((".", "/")) or text.endswith("/")


def _has_model(folder: Path) -> bool:
    return exists(folder / "config.json") or _has_only_gguf(folder)


def _has_only_gguf(folder: Path) -> bool:
    return not exists(folder / "config.json") and any(folder.glob("*.gguf"))
