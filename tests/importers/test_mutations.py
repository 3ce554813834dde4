"""
None silently wrong: a damaged file gives the same answer as the whole one, an error, or a note.

Every field of every original file is taken out, renamed, and given values of other types; fields
that nobody knows are added. The answer is the cache, and the parameters with what is divided of them;
a damaged file may also leave these uncounted, for a reason that its notes give, and an answer may
differ where a note names the field.
"""

import json
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest

from kvplan.attention import Kind
from kvplan.errors import KvplanError
from kvplan.importers.complete import count_parameters
from kvplan.importers.config import Imported, import_values
from kvplan.importers.harmless import HARMLESS
from kvplan.importers.parameters import Parameters
from kvplan.importers.parameters.ends import read_ends
from tests.importers import configs
from tests.importers.originals import REFUSED, index, needs_originals, values

Answer = tuple[tuple[tuple[Kind, ...], ...], int | None, str, int | None]
Counted = tuple[Parameters, int, bool | None]
Path = tuple[str | int, ...]

OTHER_TYPES: tuple[Any, ...] = ("text", "128", -1, 0, 3.5, 1e300, True, False, None, [], {}, [1], 10**30)

UNKNOWN = {
    "num_shadow_kv_heads": 4,
    "kv_cache_layers": 2,
    "second_sliding_window": 512,
    "attention_sinks": 4,
    "value_head_dim": 64,
    "global_num_key_value_heads": 2,
    "layer_cache_types": ["full"],
}
"""Fields that could change the memory, and that no reader knows."""

RESTATED = {
    # Null is how Mistral 7B v0.2, Phi-4 and EXAONE 4.0 1.2B say that there is no window.
    "sliding_window": None,
    # Null is how DeepSeek-V2-Lite and Kimi Linear say that queries are not compressed.
    "q_lora_rank": None,
    # Null says hidden / heads, and as many KV heads as heads, as transformers 4.57 saves both.
    "head_dim": None,
    "num_key_value_heads": None,
    # Null gives global layers as many KV heads as local ones: modeling_gemma4.py of transformers.
    "num_global_key_value_heads": None,
    # A factor of the width, of which 0.5 and 1 are published, so that any number says a width.
    "expand_k": 3.5,
    "expand_v": 3.5,
    "mamba_expand": 3.5,
    # Null is how GLA 340M and 1.3B say that the MLP's width follows from the model's.
    "intermediate_size": None,
    # Null is how Nemotron 3.5 Lightning says that experts are as wide as the model.
    "moe_latent_size": None,
}
"""Values that say another model in the words of the family's published files, each with its file."""


def _imported(config: dict[str, Any]) -> Imported:
    return import_values(config, file="config.json", name="mutant")


def _answer(imported: Imported) -> Answer:
    spec = imported.spec
    kinds = tuple(spec.attention[name] for name in spec.layer_types)
    return kinds, spec.max_context, spec.dtype, spec.hidden


def _counted(imported: Imported) -> Counted | None:
    """Return the parameters and how they are divided, None if the file does not tell them all."""
    model = imported.model_type, imported.fields, imported.outer
    try:
        split, ends = count_parameters(imported), read_ends(*model)
    except KvplanError:
        return None
    return None if split is None else (split, ends.vocab, ends.tied)


class Watched(dict[str, Any]):
    """An object of a config that notes the path of each of its fields that is looked up."""

    def __init__(self, values: dict[str, Any], asked: set[Path], at: Path = ()) -> None:
        super().__init__({name: _watched(value, asked, (*at, name)) for name, value in values.items()})
        self.asked, self.at = asked, at

    def _note(self, name: object) -> None:
        self.asked.add((*self.at, str(name)))

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)


def _watched(value: Any, asked: set[Path], at: Path) -> Any:
    if isinstance(value, dict):
        return Watched(value, asked, at)
    if isinstance(value, list):
        return [_watched(each, asked, (*at, index)) for index, each in enumerate(value)]
    return value


def _counting(config: dict[str, Any]) -> tuple[Counted | None, set[Path]]:
    """Return the count of a config, and the paths of the fields that it looks up."""
    asked: set[Path] = set()
    imported = _imported(Watched(config, asked))
    asked.clear()
    return _counted(imported), asked


def _paths(config: dict[str, Any], at: Path = ()) -> Iterator[Path]:
    """Yield the path of each field, inside the objects that are read, too."""
    for name, value in config.items():
        yield (*at, name)
        if name in HARMLESS:
            continue
        if isinstance(value, dict):
            yield from _paths(value, (*at, name))
        elif isinstance(value, list) and value and isinstance(value[-1], dict):
            yield from _paths(value[-1], (*at, name, len(value) - 1))


def _changed(config: dict[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy of a config, and the object in it that has the field at the end of *path*."""
    inner: Any = (copied := dict(config))
    for step in path[:-1]:
        inner[step] = copy(inner[step])
        inner = inner[step]
    return copied, inner


def _mutants(config: dict[str, Any], path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    name = str(path[-1])
    mutant, inner = _changed(config, path)
    del inner[name]
    yield f"{name} deleted", mutant
    mutant, inner = _changed(config, path)
    inner[f"{name}_of_old"] = inner.pop(name)
    yield f"{name} renamed", mutant
    old = _changed(config, path)[1][name]
    for value in OTHER_TYPES:
        if type(value) is type(old) or (name in RESTATED and RESTATED[name] == value):
            continue
        mutant, changed = _changed(config, path)
        changed[name] = value
        yield f"{name} = {value!r}", mutant


def _silently_wrong(config: dict[str, Any]) -> list[str]:
    """
    Return the mutants with another answer, or with other parameters.

    Counting takes longer than all else. A mutant of the same family and answer, of which counting does
    not look up the field that was changed, has the count of the whole file and is not counted again.
    """
    whole, (counted, asked) = _imported(config), _counting(config)
    answer, wrong = _answer(whole), []
    for path in _paths(config):
        *_, inner = _changed(config, path)
        is_asked = path in asked or isinstance(inner[str(path[-1])], dict | list)
        for what, mutant in _mutants(config, path):
            try:
                imported = _imported(mutant)
            except KvplanError:
                continue
            if any(str(path[-1]) in note for note in imported.notes):
                continue
            again = is_asked or imported.model_type != whole.model_type
            if _answer(imported) != answer or (again and _counted(imported) not in (None, counted)):
                wrong.append(what)
    return wrong


@pytest.mark.parametrize(
    "entry",
    [entry for entry in index() if entry["file"] not in REFUSED],
    ids=lambda entry: entry["file"][:-5],
)
def test_a_damaged_file_is_not_read_as_another_model(entry: dict[str, Any]) -> None:
    assert _silently_wrong(values(entry)) == []


@pytest.mark.parametrize("name", [name for name in dir(configs) if name.isupper() and name != "WITH_CODE"])
def test_a_damaged_small_config_is_not_read_as_another_model(name: str) -> None:
    """The same without the originals: every trap that configs.py has."""
    assert _silently_wrong(getattr(configs, name)) == []


@needs_originals
@pytest.mark.parametrize("name", UNKNOWN)
def test_a_field_that_nobody_knows_is_refused_wherever_it_stands(name: str) -> None:
    for entry in index():
        if entry["file"] in REFUSED:
            continue
        config = values(entry)
        for part in [config, *(config[key] for key in ("text_config", "language_config") if key in config)]:
            part[name] = UNKNOWN[name]
            with pytest.raises(KvplanError, match=name):
                import_values(json.loads(json.dumps(config)), file="config.json", name="mutant")
            del part[name]
