"""From a `config.json` to a spec: which reader, which part of the file, and what it leaves out."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kvplan.dtypes import model_dtype
from kvplan.errors import ImportedError, did_you_mean
from kvplan.files import is_folder
from kvplan.importers.class_defaults import defaults_of
from kvplan.importers.consequence import Consequence
from kvplan.importers.drafters import Drafter, read_drafter
from kvplan.importers.drafts import draft_layers, draft_module
from kvplan.importers.families import (
    ARCHITECTURES,
    BESIDE_TEXT,
    REFUSED,
    WRAPPERS,
    Reader,
    model_types,
    reader,
)
from kvplan.importers.families.common import Reading
from kvplan.importers.fields import Fields
from kvplan.importers.files import find_inside
from kvplan.importers.layer_words import check_layer_types
from kvplan.importers.longest import longest_context, yarn_context
from kvplan.importers.mlp import read_mlp
from kvplan.importers.released import RELEASED_IN
from kvplan.importers.rotations import read_rotations
from kvplan.importers.strict_json import Json, read_json
from kvplan.importers.vision import read_vision
from kvplan.records import record
from kvplan.specs.model import ModelSpec
from kvplan.specs.names import as_name

CONFIG_NAME = "config.json"

_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where a model with other inputs keeps its text model; a thinker has a text part of its own."""

_STATE_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}

_UNSAID = "float32"
"""What a config without a dtype means to torch, and to the engines before they choose."""

_LONGEST_PATTERN = 12


@record
class Imported:
    """
    A spec made from a model's own file, and where each of its facts came from.

    `origins` maps a fact (`groups`, `local.window`) to `field = value` or to the source of a fact
    that the file does not hold. `not_counted` are parts of the model that the spec leaves out.
    `model_type`, `fields` (the text model's) and `outer` (those around it, if any) let weights be
    counted from the same file. `estimates` names the facts of the spec that the file bounds or leaves open.
    A `drafter` is what the file of a draft tells beside a model of its type.
    """

    spec: ModelSpec
    origins: Mapping[str, str]
    notes: tuple[str, ...]
    not_counted: tuple[str, ...]
    model_type: str
    fields: Fields
    outer: Fields | None = None
    estimates: tuple[str, ...] = ()
    drafter: Drafter | None = None


def import_config(source: str | Path, ignore: Sequence[str] = ()) -> Imported:
    """
    Return the spec of a `config.json`, or of a folder that holds one, without the fields of *ignore*.

    Raises ImportedError, which names file and field, for a file that cannot be read, an unknown
    model type, a missing or contradictory field, and a field that could change the memory and
    that the family's reader does not know.
    """
    path = config_path(source)
    return import_values(read_json(path), file=str(path), name=_name(path), ignore=ignore)


def config_path(source: str | Path) -> Path:
    """Return the config file that *source* names: itself, or the one in a folder."""
    path = Path(source)
    if not is_folder(path):
        return path
    inside = find_inside(path, CONFIG_NAME)
    if inside is None:
        raise ImportedError(f"{path} holds no {CONFIG_NAME}; expected the folder of a model")
    return inside


def import_values(
    values: Mapping[str, Json], *, file: str, name: str, ignore: Sequence[str] = ()
) -> Imported:
    """
    Return the spec of a config's fields; *file* is what errors call it, *name* the spec's name.

    *ignore* names fields that are not known and are answered without.
    """
    top = Fields(values, file=file)
    parts = _text_parts(top)
    text = parts[-1]
    model_type, read = _reader(top, text)
    text.complete(defaults_of(model_type, text.values, nested=text is not top))
    said = _dtype(parts, model_type)
    reading = read(text, _STATE_DTYPES[said or _UNSAID])
    if said is None:
        _require_no_states(top, reading)
    check_layer_types(text, reading)
    not_counted = (*draft_layers(text), *draft_layers(top), *reading.not_counted)
    if text is not top:
        top.skip_repeated(text)
        top.skip(*BESIDE_TEXT.get(str(top.values.get("model_type")), ()))
    drafter = read_drafter(top) if text is top else None
    longest = longest_context(text, reading.max_context)
    ignored = tuple(top.ignore(ignore))
    unread = _unread(top, model_type)
    not_counted = tuple(dict.fromkeys(not_counted))
    origin = "model_type, which two models share" if reading.architecture else "model_type"
    text.state("architecture", "architectures, a draft's" if drafter else origin)
    architecture = drafter.architecture if drafter else reading.architecture or model_type
    spec = _spec(reading, name=name, dtype=said or _UNSAID, architecture=architecture, file=file)
    undecided = [] if said else ["torch_dtype: the file names none; --dtype or the engine decides."]
    left_out = text.completed()
    notes = (*left_out, *reading.notes, *undecided)
    told = [*notes, *(f"Not counted: {part}." for part in not_counted)]
    found = {
        "notes": " ".join(told) or None,
        "ignored": ignored,
        "unread": unread,
        "left_out": left_out if text is top else (),
        "dtype_open": said is None,
        "mlp": read_mlp(text, model_type),
        "vision": read_vision(top),
        "rotations": read_rotations(text),
        "draft": reading.draft or draft_module(text, reading.layers) or draft_module(top, reading.layers),
        "longest_context": longest,
        "yarn_context": yarn_context(text, longest or reading.max_context),
    }
    return Imported(
        spec=spec.model_copy(update=found),
        origins=dict(text.origins),
        notes=(*_code_note(top), *notes),
        not_counted=not_counted,
        model_type=model_type,
        fields=text,
        outer=None if text is top else top,
        drafter=drafter,
    )


def _text_parts(top: Fields) -> list[Fields]:
    """Return the objects around the text model, from the file's own fields to the text model's, the last."""
    parts = [top]
    while nested := [name for name in _TEXT_PARTS if parts[-1].has(name)]:
        if len(nested) > 1:
            raise parts[-1].error(nested[1], f"found beside {nested[0]}; expected one text model")
        parts.append(parts[-1].nested(nested[0]))
    return parts


def _reader(top: Fields, text: Fields) -> tuple[str, Reader]:
    """Return the model type of the text model, and its reader."""
    outer = _model_type(top)
    if text is not top and outer in REFUSED:
        raise _unknown_type(top, outer, has_code=False)
    if text is not top and outer not in WRAPPERS:
        hint = did_you_mean(outer or "", sorted(WRAPPERS))
        raise top.error(
            "model_type",
            f"{outer!r} is not known as a model around a text model{hint}; if what is around it keeps "
            f"nothing, import {text.path.rstrip('.')} as a file of its own",
        )
    inner = _model_type(text) if text is not top else None
    model_type = inner or outer
    if model_type is None:
        raise top.error(
            "model_type", "found nothing, and no class that tells it; expected a family such as llama"
        )
    found = reader(model_type)
    if found is None:
        raise _unknown_type(text if inner else top, model_type, has_code="auto_map" in top)
    return model_type, found


def _model_type(top: Fields) -> str | None:
    """Return the model type, or that of the class which the file names alone."""
    if top.has("model_type"):
        return top.take_text("model_type")
    names = top.take_texts("architectures") if top.has("architectures") else []
    types = [ARCHITECTURES[name] for name in names if name in ARCHITECTURES]
    return types[0] if types else None


def _unknown_type(fields: Fields, model_type: str, *, has_code: bool) -> ImportedError:
    if model_type in REFUSED:
        return fields.error("model_type", f"{model_type!r} is not read: {REFUSED[model_type]}")
    hint = did_you_mean(model_type, list(model_types()))
    code = "; its own code (auto_map) is never run" if has_code else ""
    return fields.error(
        "model_type",
        f"no reader for {model_type!r}{hint}{code}: describe the model in a spec file instead "
        "(`kvplan schema` prints its form)",
    )


def _dtype(parts: Sequence[Fields], model_type: str) -> str | None:
    """
    Return the dtype that the file names, or that of the family's releases; None if nothing says.

    Where the file's own is not its text model's, the whole model runs in the file's: _get_dtype in
    modeling_utils.py of transformers 5.23, and get_torch_dtype in
    transformers_utils/model_arch_config_convertor.py of vLLM 0.33.
    """
    names = ("torch_dtype", "dtype")
    top, text = parts[0], parts[-1]
    said = [_named_dtype(each) for each in reversed(parts) if each.has(*names)]
    given = [model_dtype(each) or each for each in said]
    known = RELEASED_IN.get(model_type)
    if len(set(given)) > 1:
        if not top.has(*names):
            raise top.error("torch_dtype", f"found {given[1]!r}, but the text model's is {given[0]!r}")
        text.tell(f"names {given[0]}, and the file around it {given[-1]}, in which all of it runs")
    if given:
        dtype = given[-1]
        text.state("dtype", "torch_dtype")
    elif known is None:
        text.state("dtype", "nothing names it")
        return None
    else:
        dtype = known[0]
        text.state("dtype", known[1])
    if dtype not in _STATE_DTYPES:
        raise top.error("torch_dtype", f"found {dtype!r}; expected {', '.join(_STATE_DTYPES)}")
    return dtype


def _named_dtype(fields: Fields) -> str:
    """Take the dtype of one object: `dtype` goes before its older name (configuration_utils.py of 5.23)."""
    if not (fields.has("dtype") and fields.has("torch_dtype")):
        return fields.take_text("torch_dtype", "dtype")
    taken, other = fields.take_text("dtype"), fields.take_text("torch_dtype")
    if (model_dtype(taken) or taken) != (model_dtype(other) or other):
        fields.tell(f"says dtype {taken} and torch_dtype {other}, of which the first is taken")
    return taken


def _require_no_states(top: Fields, reading: Reading) -> None:
    """Raise ImportedError for recurrent states, whose dtype would follow one that nothing names."""
    kinds = (_tuples(kind) for kind in reading.attention.values())
    parts = (part for kind in kinds for part in (kind if isinstance(kind, tuple) else (kind,)))
    if any(name.endswith("_dtype") for part in parts for name in part):
        raise top.error(
            "torch_dtype", 'found nothing; add the checkpoint\'s own, as in "torch_dtype": "bfloat16"'
        )


def _unread(top: Fields, model_type: str) -> tuple[str, ...]:
    """Return the unknown fields that change no cache; raise ImportedError for one that could."""
    unknown = top.unknown()
    if refused := [each.path for each in unknown if each.consequence is Consequence.CACHE]:
        more = f" (and {', '.join(refused[1:4])})" if len(refused) > 1 else ""
        raise ImportedError(
            f"{top.file}: {refused[0]}: the reader of {model_type} does not know this field{more}",
            f"        and it could change the memory; if it does not, --ignore {refused[0]} answers without",
        )
    return tuple(each.path for each in unknown)


def _code_note(top: Fields) -> tuple[str, ...]:
    if "auto_map" not in top:
        return ()
    return ("The repository brings code of its own (auto_map), which was not read.",)


def _spec(reading: Reading, *, name: str, dtype: str, architecture: str, file: str) -> ModelSpec:
    """Return the spec, in the form in which a file would have it."""
    kinds = set(reading.layers)
    plain = {layer: _tuples(kind) for layer, kind in reading.attention.items()}
    single = len(kinds) == 1 and isinstance(next(iter(plain.values())), dict)
    values: dict[str, Any] = {
        "name": name,
        "source": f"{Path(file).name} ({architecture})",
        "architecture": architecture,
        "dtype": dtype,
        "max_context": reading.max_context,
        "hidden": reading.hidden,
        "states_fixed": reading.states_fixed,
        "layers": len(reading.layers) if single else tuple(runs(reading.layers)),
        "attention": next(iter(plain.values())) if single else plain,
    }
    try:
        return ModelSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ImportedError(f"{file}: {place}: {first['msg']}") from None


def _tuples(kind: Any) -> Any:  # noqa: ANN401 - a dict, or a tuple of them
    return tuple(kind) if isinstance(kind, list | tuple) else kind


def runs(layers: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the layers as a person writes them: short patterns, each repeated as often as it goes."""
    result: list[dict[str, Any]] = []
    start = 0
    while start < len(layers):
        length, repeat = _best_run(layers[start:])
        result.append({"repeat": repeat, "pattern": tuple(layers[start : start + length])})
        start += length * repeat
    return result


def _best_run(layers: tuple[str, ...]) -> tuple[int, int]:
    """Return the length and the repeats of the pattern that covers most, the shortest of equals."""
    best = (1, len(next(iter([list(group) for _, group in groupby(layers)]))))
    for length in range(2, min(_LONGEST_PATTERN, len(layers) // 2) + 1):
        repeat = 1
        while layers[repeat * length : (repeat + 1) * length] == layers[:length]:
            repeat += 1
        if repeat > 1 and length * repeat > best[0] * best[1]:
            best = (length, repeat)
    return best


def _name(path: Path) -> str:
    """Return a spec's name from that of the file's folder, or of the file itself."""
    stem = _model_folder(path.parent.resolve()) if path.name == CONFIG_NAME else path.stem
    return as_name(stem, otherwise="imported")


def _model_folder(folder: Path) -> str:
    """Return the name of a folder; in a Hugging Face cache that of the model, not of the commit."""
    cached = folder.parent.parent.name
    if folder.parent.name == "snapshots" and cached.startswith("models--"):
        return cached.rpartition("--")[2]
    return folder.name
