"""What a change of layers does to the weights: projections come and go, all else stays as it is stored."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from kvplan.dtypes import dtype_by_name
from kvplan.errors import SpecError
from kvplan.frozen import FrozenDict
from kvplan.specs.model import ModelSpec
from kvplan.specs.parts import Amount, LayerParts, Measure, ModelParts
from kvplan.specs.runs import runs_of


def projected(spec: ModelSpec) -> int | None:
    """Return the parameters of all attention's projections; None where a dimension for them is not given."""
    each = _by_layer(spec)
    return None if each is None else sum(each)


def with_weights_of(before: ModelSpec, after: ModelSpec) -> ModelSpec:
    """
    Return a changed design with the weights of the one *before*, changed by those of its projections.

    Nothing is told of them where the projections of either are not known.
    """
    had, has = _by_layer(before), _by_layer(after)
    if before.parameters is None or had is None or has is None:
        return after
    more = [new - old for old, new in zip(had, has, strict=True)]
    facts: dict[str, object] = {"parameters": before.parameters + sum(more)}
    if before.parts is not None and (parts := _parts(before.parts, more)) is not None:
        facts["parts"] = parts
    if before.weight_bytes is not None:
        added = sum(more) * _stored(before)
        facts["weight_bytes"] = max(1, before.weight_bytes + ceil(added))
    if before.weight_least_bytes is not None:
        least = max(1, before.weight_least_bytes + ceil(sum(more) * _stored(before)))
        facts["weight_least_bytes"] = least
    return after.changed(**facts)


def _by_layer(spec: ModelSpec) -> list[int] | None:
    """Return the parameters of each layer's projections."""
    if spec.hidden is None:
        return None
    try:
        of = {
            name: sum(kind.projections(spec.hidden) for kind in kinds)
            for name, kinds in spec.attention.items()
        }
    except SpecError:
        return None
    return [of[name] for name in spec.layer_types]


def _stored(spec: ModelSpec) -> Fraction:
    """Return the bytes of one of attention's parameters: as its parts have it, or as all weights do."""
    element_bytes = dtype_by_name(spec.dtype).row_bytes(1)
    for layer in spec.parts.of_layers if spec.parts else ():
        if parameters := Measure(None).of(layer.attention):
            return Fraction(Measure(element_bytes).of(layer.attention), parameters)
    return Fraction(spec.weight_bytes or 0, spec.parameters or 1)


def _parts(parts: ModelParts, more: Sequence[int]) -> ModelParts | None:
    """Return parts with so many parameters more in each layer's attention; None where it has not so many."""
    layers = []
    for layer, added in zip(parts.of_layers, more, strict=True):
        attention = _more(layer.attention, added)
        if attention is None:
            return None
        layers.append(layer.model_copy(update={"attention": attention}))
    names = {layer: f"layer{number}" for number, layer in enumerate(dict.fromkeys(layers), start=1)}
    kinds: dict[str, LayerParts] = {name: layer for layer, name in names.items()}
    runs = runs_of([names[layer] for layer in layers])
    return parts.model_copy(update={"kinds": FrozenDict(kinds), "layers": runs})


def _more(amount: Amount, added: int) -> Amount | None:
    """Return an amount with so many parameters more, stored alike; None if it has fewer than go."""
    if isinstance(amount, int):
        return amount + added if amount + added >= 0 else None
    parameters, stored = amount
    if parameters + added < 0 or not parameters:
        return None
    return parameters + added, max(0, stored + ceil(Fraction(added * stored, parameters)))
