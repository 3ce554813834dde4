"""How a written spec differs from what its source says."""

from collections.abc import Collection
from itertools import groupby

from kvplan.attention import Kind
from kvplan.importers.facts import facts
from kvplan.specs.model import ModelSpec

_FACTS = (
    "architecture",
    "dtype",
    "max_context",
    "hidden",
    "vocab",
    "tied",
    "parameters",
    "replicated",
    "weight_dtype",
    "weight_bytes",
    "states_fixed",
)


def differences(spec: ModelSpec, source: ModelSpec, estimates: Collection[str] = ()) -> list[str]:
    """
    Return a line for each fact in which *spec* differs from *source*.

    Names of layer types, notes and aliases may differ; facts that only one of them has do not
    count, nor do those that *source* only estimates.
    """
    lines = []
    for fact in (each for each in _FACTS if each not in estimates):
        mine, theirs = getattr(spec, fact), getattr(source, fact)
        if mine is not None and theirs is not None and mine != theirs:
            lines.append(f"{fact}: {_shown(mine)} in the spec, {_shown(theirs)} in the source")
    return lines + _layer_differences(layer_kinds(spec), layer_kinds(source))


def _shown(value: object) -> str:
    """Return a fact as a spec file writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def layer_kinds(spec: ModelSpec) -> tuple[tuple[Kind, ...], ...]:
    """Return the kinds of each layer, from the first to the last, whatever their type is called."""
    return tuple(spec.attention[name] for name in spec.layer_types)


def _layer_differences(mine: tuple[tuple[Kind, ...], ...], theirs: tuple[tuple[Kind, ...], ...]) -> list[str]:
    if len(mine) != len(theirs):
        return [f"layers: {len(mine)} in the spec, {len(theirs)} in the source"]
    unequal = [
        (index, pair) for index, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1]
    ]
    lines = []
    for pair, group in groupby(sorted(unequal, key=lambda each: str(each[1])), key=lambda each: each[1]):
        indices = [index for index, _ in group]
        lines.append(
            f"layer {_some(indices)}: {_words(pair[0])} in the spec, {_words(pair[1])} in the source"
        )
    return lines


def _some(indices: list[int]) -> str:
    text = ", ".join(str(index) for index in indices[:4])
    return text + (f" and {len(indices) - 4} more" if len(indices) > 4 else "")  # noqa: PLR2004 - fits the line


def _words(kinds: tuple[Kind, ...]) -> str:
    return " + ".join(f"{kind.kind} ({_listed(kind)})" for kind in kinds)


def _listed(kind: Kind) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts(kind).items() if name != "kind")
