"""How a written spec differs from what its source says."""

from collections.abc import Collection
from itertools import groupby

from kvplan.attention import Kind
from kvplan.importers.facts import facts
from kvplan.records import record
from kvplan.specs.draft_module import DraftModule
from kvplan.specs.model import ModelSpec
from kvplan.specs.parts import ModelParts
from kvplan.specs.stored import StoredParts

LABELS = frozenset(
    {"name", "hf_id", "aliases", "quantized", "source", "notes", "left_out", "read_as", "read_by"}
)
"""What a spec is called and where it is from: a person's own words, which decide no byte."""

_LAYERS = ("attention", "layers")
_FACTS = tuple(name for name in ModelSpec.model_fields if name not in LABELS and name not in _LAYERS)


@record
class Comparison:
    """
    How a spec differs from its source, a line each.

    `differences` are the facts that the source tells otherwise, `untold` those that the
    source leaves open, or only bounds. `labels` names what is called otherwise: it decides nothing.
    """

    differences: tuple[str, ...]
    untold: tuple[str, ...]
    labels: tuple[str, ...]


def compare(spec: ModelSpec, source: ModelSpec, estimates: Collection[str] = ()) -> Comparison:
    """Return how *spec* differs from *source*, of which *estimates* are the facts that it only bounds."""
    open_facts = [fact for fact in _FACTS if fact in estimates or not _tells(source, fact)]
    told = [fact for fact in _FACTS if fact not in open_facts and _differ(spec, source, fact)]
    return Comparison(
        differences=(
            *(_both(spec, source, fact) for fact in told),
            *_layer_differences(layer_kinds(spec), layer_kinds(source)),
        ),
        untold=(
            *(
                f"{_both(spec, source, fact)}, which leaves it open"
                for fact in open_facts
                if _differ(spec, source, fact)
            ),
            *_draft_weights(spec, source),
        ),
        labels=_labels(spec, source),
    )


def _tells(spec: ModelSpec, fact: str) -> bool:
    return getattr(spec, fact) not in (None, (), {})


def _differ(spec: ModelSpec, source: ModelSpec, fact: str) -> bool:
    mine, theirs = getattr(spec, fact), getattr(source, fact)
    if isinstance(mine, DraftModule) and isinstance(theirs, DraftModule) and theirs.weights is None:
        mine = mine.model_copy(update={"weights": None})
    return bool(mine != theirs)


def _draft_weights(spec: ModelSpec, source: ModelSpec) -> tuple[str, ...]:
    """Return the line for a module's own weights, which a config does not tell."""
    own = spec.draft is not None and spec.draft.weights is not None
    open_ = own and source.draft is not None and source.draft.weights is None
    return ("draft.weights: in the spec alone, as the source leaves them open",) if open_ else ()


def _both(spec: ModelSpec, source: ModelSpec, fact: str) -> str:
    return f"{fact}: {_value(spec, fact)} in the spec, {_value(source, fact)} in the source"


def _value(spec: ModelSpec, fact: str) -> str:
    value = getattr(spec, fact)
    if isinstance(value, ModelParts):
        return f"{value.parameters()} parameters in {len(value.kinds)} kinds of layers"
    if isinstance(value, StoredParts):
        return f"{sum(value.layers_bytes)} bytes in {len(value.layers_bytes)} layers"
    return (
        "nothing" if value in (None, ()) else ", ".join(value) if isinstance(value, tuple) else _shown(value)
    )


def _labels(spec: ModelSpec, source: ModelSpec) -> tuple[str, ...]:
    """Return the labels that differ; names of layer types are labels, too."""
    found = [name for name in ModelSpec.model_fields if name in LABELS and _differ(spec, source, name)]
    named = layer_kinds(spec) == layer_kinds(source) and spec.layer_types != source.layer_types
    return (*found, *(["names of layer types"] if named else []))


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
