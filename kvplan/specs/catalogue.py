"""
The models that kvplan ships: one YAML file each, found through an index of their names.

The index exists so that a name is found without reading the other specs. It is generated:
`python -m kvplan.specs` writes it again, and a test holds it against the files.
"""

import json
import re
from functools import cache
from pathlib import Path

from kvplan.errors import SpecError, UnknownNameError, did_you_mean

PACKAGE = Path(__file__).resolve().parent.parent
"""The installed or checked-out `kvplan` package."""
INDEX_NAME = "index.json"


@cache
def catalogue_folder() -> Path:
    """Return the folder of the shipped specs: inside an installed package, beside it in a checkout."""
    for folder in (PACKAGE / "model_specs", PACKAGE.parent / "model_specs"):
        if (folder / INDEX_NAME).is_file():
            return folder
    raise SpecError(f"the model catalogue is missing beside {PACKAGE}: install kvplan again")


@cache
def read_index() -> dict[str, str]:
    """Return the file, relative to the catalogue's folder, of every name, alias and hub id."""
    index: dict[str, str] = json.loads((catalogue_folder() / INDEX_NAME).read_text(encoding="utf-8"))
    return index


def find_spec(name: str) -> Path:
    """Return the file of a model by its name, alias or hub id, in any case; raise if unknown."""
    index = read_index()
    relative = index.get(name.strip().lower())
    if relative is None:
        hint = did_you_mean(name, list(index))
        raise UnknownNameError(
            f"unknown model {name!r}{hint}; `kvplan models` lists the known ones, "
            "or give a spec file: model.yaml"
        )
    return catalogue_folder() / relative


_RELEASED_AS = re.compile(
    r"[-_.](awq|gptq|fp8|nvfp4|mxfp4|int[48]|w\d+a\d+|[48]bit|gguf|quantized|autoround|bnb|mlx)"
    r"([-_.]\w{1,20}){0,4}$",
    re.IGNORECASE,
)
"""What quantised releases add to a name: -AWQ, -FP8-dynamic, -quantized.w8a8, -GPTQ-Int4."""


def without_format(name: str) -> str:
    """Return a name without what a quantised release adds to it; the same name if that is nothing."""
    return _RELEASED_AS.sub("", name.strip().rstrip("/"))


def released_model(hub_id: str) -> str | None:
    """
    Return the catalogue's name of the model of which *hub_id* is a quantised release by its name.

    The base must be a hub id of the catalogue, or the last part of exactly one model's.
    """
    base, index = without_format(hub_id).lower(), read_index()
    if hub_id.count("/") != 1 or base == hub_id.strip().lower():
        return None
    if base in index:
        return base
    last = base.rpartition("/")[2]
    alike = {index[known]: known for known in index if "/" in known and known.rpartition("/")[2] == last}
    return next(iter(alike.values())) if len(alike) == 1 else None


def spec_files(folder: Path | None = None) -> list[Path]:
    """Return the files of all shipped specs, sorted."""
    return sorted((folder or catalogue_folder()).rglob("*.yaml"))
