"""An imported spec as a person would have written it, with the field that each fact came from."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from kvplan.attention import Kind
from kvplan.attention.base import Facts
from kvplan.errors import ImportedError
from kvplan.files import is_folder, write_whole
from kvplan.importers.config import Imported
from kvplan.importers.facts import facts
from kvplan.inert import inert
from kvplan.specs.draft_module import DraftModule
from kvplan.specs.mlp import Mlp
from kvplan.specs.model import ModelSpec
from kvplan.specs.parts import LayerParts, ModelParts
from kvplan.specs.quantized import QuantizedWeights
from kvplan.specs.runs import LayerRun
from kvplan.specs.stored import StoredParts
from kvplan.specs.vision import Vision

_WIDTH = 100
_PLAIN = ("name", "hf_id", "source")
_LISTS = ("aliases", "quantized", "uncounted", "ignored", "unread", "left_out")
_FACTS = (
    "architecture",
    "computed_as",
    "dtype",
    "dtype_open",
    "max_context",
    "longest_context",
    "yarn_context",
    "parameters",
    "weight_dtype",
    "weight_bytes",
    "weight_least_bytes",
    "weight_blocks",
    "weights_open",
    "weights_by",
    "kv_cache_dtype",
    "kv_cache_by",
    "kv_cache_open",
    "hidden",
    "vocab",
    "tied",
    "replicated",
    "rotations",
    "draft_tokens",
    "states_fixed",
)


def spec_yaml(imported: Imported) -> str:
    """Return the YAML of an imported spec; it loads back to an equal one."""
    return as_yaml(imported.spec, imported.origins)


def as_yaml(spec: ModelSpec, origins: Mapping[str, str]) -> str:
    """Return the YAML of a spec, the origin of a fact beside it; it loads back to an equal spec."""
    lines = [f"{key}: {_scalar(getattr(spec, key))}" for key in _PLAIN if getattr(spec, key) is not None]
    for key in _LISTS:
        if names := getattr(spec, key):
            lines += _flow(f"{key}: ", [_item(name) for name in names], "  ", "[]")
    if spec.quantized_kv:
        parts = [f"{_item(name)}: {dtype}" for name, dtype in spec.quantized_kv.items()]
        lines += _flow("quantized_kv: ", parts, "  ", "{}")
    lines += _quantized(spec.quantized_weights) if spec.quantized_weights else []
    lines += _notes(spec.notes) if spec.notes else []
    for key in _FACTS:
        value = getattr(spec, key)
        if value is not None and value != ModelSpec.model_fields[key].default:
            lines += _commented(f"{key}: {_fact(value)}", origins.get(key, ""))
    lines += _widths("mlp", spec.mlp) if spec.mlp else []
    lines += _draft(spec.draft, origins.get("draft", "")) if spec.draft else []
    lines += _widths("vision", spec.vision) if spec.vision else []
    lines += _stored(spec.tensors) if spec.tensors else []
    lines += _parts(spec.parts, origins.get("parts", "")) if spec.parts else []
    return "\n".join([*lines, *_layers_and_attention(spec, origins)]) + "\n"


def _draft(draft: DraftModule, origin: str) -> list[str]:
    if draft.attention is None and draft.weights is None:
        return _commented(f"draft: {_fact(draft)}", origin)
    lines = [*_commented("draft:", origin), f"  layers: {draft.layers}"]
    lines += [f"  pattern: {_fact(draft.pattern)}"] if draft.pattern else []
    lines += _kind("  attention: ", draft.attention, "    ") if draft.attention else []
    if draft.weights is None:
        return lines
    amounts = [f"{part}: {_fact(value)}" for part, value in draft.weights if value]
    return [*lines, *_flow("  weights: ", amounts, "    ", "{}")]


def _widths(key: str, facts: Mlp | Vision) -> list[str]:
    widths = facts.model_dump(exclude_defaults=True)
    return _flow(f"{key}: ", [f"{name}: {_fact(value)}" for name, value in widths.items()], "  ", "{}")


def _stored(stored: StoredParts) -> list[str]:
    sizes = {name: size for name, size in stored if name != "layers_bytes"}
    lines = ["tensors:", *(f"  {name}: {size}" for name, size in sizes.items())]
    return [*lines, *_flow("  layers_bytes: ", [str(size) for size in stored.layers_bytes], "    ", "[]")]


def _parts(parts: ModelParts, origin: str) -> list[str]:
    ends = {name: value for name, value in parts if name not in ("kinds", "layers") and value}
    lines = _commented("parts:", origin)
    lines += [f"  {name}: {_fact(value)}" for name, value in ends.items()]
    return [*lines, *_kinds(parts.kinds, "  "), *_runs(parts.layers, "  ")]


def _kinds(kinds: Mapping[str, LayerParts], indent: str) -> list[str]:
    lines = [f"{indent}kinds:"]
    for name, kind in kinds.items():
        amounts = [f"{part}: {_fact(value)}" for part, value in kind if value]
        lines += _flow(f"{indent}  {_item(name)}: ", amounts, f"{indent}    ", "{}")
    return lines


def _quantized(releases: Mapping[str, QuantizedWeights]) -> list[str]:
    lines = ["quantized_weights:"]
    for name, release in releases.items():
        lines += [f"  {_item(name)}:", f"    source: {_scalar(release.source)}"]
        lines += [f"    weight_blocks: {_fact(release.weight_blocks)}", *_kinds(release.kinds, "    ")]
    return lines


def _notes(text: str) -> list[str]:
    """Return notes as folded lines, or in quotes where folding would change them."""
    folded = _wrapped(text, indent="  ")
    plain = text.isprintable() and text == text.strip()
    if plain and " ".join(line.removeprefix("  ") for line in folded) == text:
        return ["notes: >-", *folded]
    return [f"notes: {_scalar(text)}"]


def save(text: str, path: Path, *, force: bool = False) -> None:
    """
    Write a spec to a file that must not exist yet, or whatever it is with *force*.

    Raises ImportedError for a name that is taken, and KvplanError as `write_whole` does.
    """
    if os.path.lexists(path) and not force:
        raise ImportedError(f"{path} exists; give another name, or --force to replace it")
    if is_folder(path):
        raise ImportedError(f"{path} is a folder; expected the name of a spec file, such as model.yaml")
    write_whole(text, path)


def _layers_and_attention(spec: ModelSpec, origins: Mapping[str, str]) -> list[str]:
    shown = {*_FACTS, "draft", "parts"}
    single = _is_single(spec)
    lines = _commented(f"layers: {spec.layer_count}", origins.get("layers", "")) if single else []
    if single:
        shown.add("layers")
    lines += _origin_lines({fact: origin for fact, origin in origins.items() if fact not in shown})
    if single:
        return lines + _kind("attention: ", spec.attention[""][0], "  ")
    return [*lines, *_attention(spec), *_runs(spec.layers)]


def _is_single(spec: ModelSpec) -> bool:
    """Tell whether a spec has the one kind and the plain number of layers that need no names."""
    (run, *others) = spec.layers
    return not others and run.pattern == ("",) and len(spec.attention[""]) == 1


def _attention(spec: ModelSpec) -> list[str]:
    lines = ["attention:"]
    for name, kinds in ((_item(name), kinds) for name, kinds in spec.attention.items()):
        if len(kinds) == 1:
            lines += _kind(f"  {name}: ", kinds[0], "    ")
        else:
            lines.append(f"  {name}:")
            for kind in kinds:
                lines += _kind("    - ", kind, "      ")
    return lines


def _runs(layers: Sequence[LayerRun], indent: str = "") -> list[str]:
    lines = [f"{indent}layers:"]
    for run in layers:
        names = [_item(name) for name in run.pattern]
        start = f"{indent}  - {{repeat: {run.repeat}, pattern: "
        lines += _flow(start, names, f"{indent}     ", "[]", end="}")
    return lines


def _kind(start: str, kind: Kind, indent: str) -> list[str]:
    parts = [f"{name}: {_fact(value)}" for name, value in facts(kind).items()]
    return _flow(start, parts, indent, "{}")


def _fact(value: Any) -> str:  # noqa: ANN401 - what a kind holds
    if isinstance(value, Facts):
        return _fact(value.model_dump(exclude_defaults=True))
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_fact, value)) + "]"
    if isinstance(value, dict):
        inner = (f"{key}: {_fact(each)}" for key, each in value.items() if each is not None)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, str):
        return _item(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flow(start: str, parts: Sequence[str], indent: str, brackets: str, *, end: str = "") -> list[str]:
    """Return a list or a mapping in flow style, broken between its parts where the line is full."""
    lines, line = [], start + brackets[0]
    for index, part in enumerate(parts):
        text = part + ("," if index + 1 < len(parts) else brackets[1] + end)
        space = "" if line.endswith(brackets[0]) else " "
        if len(line) + len(space) + len(text) > _WIDTH and line.strip():
            lines.append(line)
            line, space = indent, ""
        line += space + text
    return [*lines, line]


def _origin_lines(origins: Mapping[str, str]) -> list[str]:
    return [line for fact, origin in origins.items() if origin for line in _comment(f"{fact}: {origin}")]


def _commented(line: str, origin: str) -> list[str]:
    """Return a line with its origin behind it, or above it where that would be too long."""
    # The value need not be said again.
    comment = _comment(origin.partition(" = ")[0])
    if len(comment) == 1 and len(f"{line}  {comment[0]}") <= _WIDTH:
        return [f"{line}  {comment[0]}"]
    return [*comment, line]


def _comment(text: str) -> list[str]:
    """Return the lines of a comment, inert."""
    return _wrapped(inert(text), indent="# ", then="#   ")


def _wrapped(text: str, *, indent: str, then: str | None = None) -> list[str]:
    """Return lines broken between words alone: a hyphen may be the beginning of an option's name."""
    return wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if then is None else then,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _scalar(text: str) -> str:
    """Return a text as YAML needs it on one line: quoted where it could be read as something else."""
    return _written(text).removesuffix("\n").removesuffix("\n...")


def _item(text: str) -> str:
    """Return a text as YAML needs it within a list or a mapping in flow style, or as a key."""
    return _written([text]).strip()[1:-1]


def _written(value: str | list[str]) -> str:
    """Return a value as YAML on one line; a text that could act on a terminal is escaped."""
    import yaml  # noqa: PLC0415 - the core reads YAML already, writing it is for this command

    plain = "".join(value).isprintable()
    style = None if plain else '"'
    written = yaml.safe_dump(
        value, width=10**6, allow_unicode=plain, default_style=style, default_flow_style=True
    )
    return str(written)
