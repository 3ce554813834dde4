"""What a serving command names as its model: a repository or file with the weights that were planned."""

import re
from functools import lru_cache
from pathlib import Path

from kvplan.errors import KvplanError
from kvplan.files import exists
from kvplan.ggml_types import weight_dtype
from kvplan.importers import load
from kvplan.planner.budget import Asked
from kvplan.planner.size import Model
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import read_index

MODEL = "MODEL"
GGUF = "MODEL.gguf"
"""What stands in a command for a model of which kvplan knows no repository."""

_KEPT = 512
_OF_GGUF = re.compile(r"\.gguf$|-gguf(:[^/]+)?$", re.IGNORECASE)
"""A file, or a repository with the format that is meant, as llama.cpp's -hf has it."""

_SPEC_FILES = (".yaml", ".yml", ".json")


@record
class ServedModel:
    """The model of a command, and in words what it stands for where kvplan knows none."""

    name: str
    missing: str | None = None


def served_model(model: Model, spec: ModelSpec, asked: Asked, *, gguf: bool) -> ServedModel:
    """
    Return what serves *spec*, which *model* named, with the weights that were *asked*.

    A hub id is the release's own: it is not given for other weights than it has, for a spec that is not the
    catalogue's, nor to an engine that reads GGUF files alone (*gguf*). Weights that were asked for where the
    release's are open are its own.
    """
    text = str(model) if isinstance(model, str | Path) else ""
    weights = _other_weights(spec, asked)
    own = not weights or spec.weights_open
    if gguf:
        if own and _OF_GGUF.search(text):
            return ServedModel(name=text)
        return ServedModel(name=GGUF, missing=f"{GGUF} stands for a GGUF of {spec.name}{weights}")
    if own and (name := _release(model, spec, text)) is not None:
        return ServedModel(name=name)
    return ServedModel(name=MODEL, missing=f"{MODEL} stands for a repository of {spec.name}{weights}")


def _release(model: Model, spec: ModelSpec, text: str) -> str | None:
    """Return the folder, the GGUF file or the hub id that was asked for, or the catalogue's hub id."""
    if not text:
        return spec.hf_id if isinstance(model, ModelSpec) and _is_catalogues(model) else None
    path = Path(text)
    if exists(path):
        return text if path.is_dir() or path.suffix.lower() == ".gguf" else None
    if text.count("/") == 1 and ":" not in text:
        return text
    return None if path.suffix.lower() in _SPEC_FILES else spec.hf_id


@lru_cache(maxsize=_KEPT)
def _is_catalogues(spec: ModelSpec) -> bool:
    try:
        return spec.name in read_index() and load(spec.name) == spec
    except KvplanError:
        return False


def _other_weights(spec: ModelSpec, asked: Asked) -> str:
    """Return in words the weights that were asked for, where the release has others."""
    if asked.weights is not None:
        return f" with weights of {asked.weights}" + (" bytes" if isinstance(asked.weights, int) else "")
    if asked.weight_dtype is None:
        return ""
    own = weight_dtype(spec.weight_dtype or spec.dtype).name
    return "" if weight_dtype(asked.weight_dtype).name == own else f" with weights in {asked.weight_dtype}"
