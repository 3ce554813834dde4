"""An imported spec as a person would have written it, with the field that each fact came from."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from kvplan.attention import Kind
from kvplan.errors import ImportedError
from kvplan.files import write_whole
from kvplan.importers.config import Imported
from kvplan.importers.facts import facts
from kvplan.specs.model import ModelSpec

_WIDTH = 100
_PLAIN = ("name", "hf_id", "source")
_FACTS = (
    "architecture",
    "dtype",
    "max_context",
    "parameters",
    "weight_dtype",
    "weight_bytes",
    "hidden",
    "vocab",
    "tied",
    "replicated",
    "states_fixed",
)


def spec_yaml(imported: Imported) -> str:
    """Return the YAML of an imported spec; it loads back to an equal one."""
    spec = imported.spec
    lines = [f"{key}: {_scalar(getattr(spec, key))}" for key in _PLAIN if getattr(spec, key) is not None]
    if spec.aliases:
        lines += _flow("aliases: ", [_scalar(alias) for alias in spec.aliases], "  ", "[]")
    for key in ("ignored", "unread"):
        if names := getattr(spec, key):
            lines += _flow(f"{key}: ", [_scalar(name) for name in names], "  ", "[]")
    if spec.notes:
        lines += [
            "notes: >-",
            *(f"  {line}" for line in wrap(spec.notes, _WIDTH - 2, break_long_words=False)),
        ]
    for key in _FACTS:
        value = getattr(spec, key)
        if value is not None and value != ModelSpec.model_fields[key].default:
            lines += _commented(f"{key}: {_fact(value)}", imported.origins.get(key, ""))
    return "\n".join([*lines, *_layers_and_attention(imported)]) + "\n"


def save(text: str, path: Path, *, force: bool = False) -> None:
    """
    Write a spec to a file that must not exist yet, or whatever it is with *force*.

    Raises ImportedError for a name that is taken, and KvplanError as `write_whole` does.
    """
    if os.path.lexists(path) and not force:
        raise ImportedError(f"{path} exists; give another name, or --force to replace it")
    if path.is_dir():
        raise ImportedError(f"{path} is a folder; expected the name of a spec file, such as model.yaml")
    write_whole(text, path)


def _layers_and_attention(imported: Imported) -> list[str]:
    spec, origins = imported.spec, imported.origins
    shown = {*_FACTS}
    single = len(spec.attention) == 1 and "" in spec.attention
    lines = _commented(f"layers: {spec.layer_count}", origins.get("layers", "")) if single else []
    if single:
        shown.add("layers")
    lines += _origin_lines({fact: origin for fact, origin in origins.items() if fact not in shown})
    lines += _attention(spec)
    return lines if single else [*lines, *_layers(spec)]


def _attention(spec: ModelSpec) -> list[str]:
    if "" in spec.attention:
        return _kind("attention: ", spec.attention[""][0], "  ")
    lines = ["attention:"]
    for name, kinds in spec.attention.items():
        if len(kinds) == 1:
            lines += _kind(f"  {name}: ", kinds[0], "    ")
        else:
            lines.append(f"  {name}:")
            for kind in kinds:
                lines += _kind("    - ", kind, "      ")
    return lines


def _layers(spec: ModelSpec) -> list[str]:
    lines = ["layers:"]
    for run in spec.layers:
        lines += _flow(f"  - {{repeat: {run.repeat}, pattern: ", list(run.pattern), "     ", "[]", end="}")
    return lines


def _kind(start: str, kind: Kind, indent: str) -> list[str]:
    parts = [f"{name}: {_fact(value)}" for name, value in facts(kind).items()]
    return _flow(start, parts, indent, "{}")


def _fact(value: Any) -> str:  # noqa: ANN401 - what a kind holds
    if isinstance(value, dict):
        inner = (f"{key}: {_fact(each)}" for key, each in value.items() if each is not None)
        return "{" + ", ".join(inner) + "}"
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
    return [
        line
        for fact, origin in origins.items()
        if origin
        for line in wrap(f"{fact}: {origin}", _WIDTH - 2, initial_indent="# ", subsequent_indent="#   ")
    ]


def _commented(line: str, origin: str) -> list[str]:
    """Return a line with its origin behind it, or above it where that would be too long."""
    # The value need not be said again.
    field = origin.partition(" = ")[0]
    if not field:
        return [line]
    if len(f"{line}  # {field}") <= _WIDTH:
        return [f"{line}  # {field}"]
    return [*wrap(field, _WIDTH - 2, initial_indent="# ", subsequent_indent="#   "), line]


def _scalar(text: str) -> str:
    """Return a text as YAML needs it: quoted where it could be read as something else."""
    import yaml  # noqa: PLC0415 - the core reads YAML already, writing it is for this command

    return str(yaml.safe_dump(text, width=10**6, allow_unicode=True)).removesuffix("\n").removesuffix("\n...")
