"""The parts of a model's weights, layer by layer: what each way of spreading it over GPUs divides."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from kvplan.attention.base import Facts, Width
from kvplan.dtypes import Dtype
from kvplan.frozen import FrozenDict
from kvplan.specs.runs import MAX_LAYERS, LayerRun, unrolled
from kvplan.units import ceil_div

_Size = Annotated[int, Field(ge=0, le=10**18)]
_Both = Annotated[tuple[_Size, _Size], Field(strict=False)]

Amount = _Size | _Both
"""Parameters, or these and the bytes in which the release stores them, where its dtype does not tell."""


class LayerParts(Facts):
    """
    The weights of one layer.

    `attention` is what tensor parallelism divides of a layer's mixers: projections of queries, keys, values
    and output. `whole` is on every rank: norms, indexers, projections to latents. `dense` is an MLP,
    `shared` one beside a mixture, which every token meets, `router` what chooses among the mixture's
    `experts`, and `expert` one of these, which is `width` wide inside.
    """

    attention: Amount = 0
    whole: Amount = 0
    dense: Amount = 0
    shared: Amount = 0
    router: Amount = 0
    expert: Amount = 0
    experts: Width = 0
    width: Width = 0

    def parameters(self) -> int:
        """Return the parameters of the layer."""
        return _layer(self, Measure(element_bytes=None))


class ModelParts(Facts):
    """
    All weights of a model: its `kinds` of layers and their order, and what stands beside them.

    The `head` is that of a model whose output matrix is its own; `beside` is on every rank that has it: the
    last norm, learned positions. A `tower` encodes images.
    """

    embedding: Amount
    head: Amount = 0
    beside: Amount = 0
    tower: Amount = 0
    kinds: Annotated[dict[str, LayerParts], Field(min_length=1), AfterValidator(FrozenDict)]
    layers: Annotated[tuple[LayerRun, ...], Field(strict=False, min_length=1)]

    @field_validator("layers")
    @classmethod
    def _kinds_are_known(cls, value: tuple[LayerRun, ...], info: ValidationInfo) -> tuple[LayerRun, ...]:
        if sum(run.repeat * len(run.pattern) for run in value) > MAX_LAYERS:
            raise ValueError(f"the layers are more than {MAX_LAYERS}")
        used = {name for run in value for name in run.pattern}
        if (known := set(info.data.get("kinds", used))) != used:
            raise ValueError(f"layers and kinds do not name the same: {', '.join(sorted(known ^ used))[:80]}")
        return value

    def __hash__(self) -> int:
        # As that of a spec: of some fields.
        return hash((self.embedding, self.head, self.layers))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each layer's kind, from the first to the last."""
        return unrolled(self.layers)

    @property
    def of_layers(self) -> tuple[LayerParts, ...]:
        """The parts of each layer, from the first to the last."""
        return tuple(self.kinds[name] for name in self.names)

    @property
    def has_experts(self) -> bool:
        """Whether a layer has a mixture of experts."""
        return self.experts > 0

    @property
    def experts(self) -> int:
        """The routed experts of the layer that has the most."""
        return max((kind.experts for kind in self.kinds.values()), default=0)

    @property
    def has_dense(self) -> bool:
        """Whether a layer has a dense MLP."""
        return any(Measure(element_bytes=None).of(kind.dense) for kind in self.kinds.values())

    def widest(self, part: Literal["dense", "shared"], matrices: int, hidden: int) -> int:
        """Return the width of the widest such MLP of a layer, of so many *matrices*; 0 without one."""
        sizes = [Measure(element_bytes=None).of(getattr(kind, part)) for kind in self.kinds.values()]
        return max(sizes) // (matrices * hidden)

    def without_bytes(self) -> "ModelParts":
        """Return the parts by their parameters alone."""
        kinds = {name: kind.model_copy(update=_parameters_alone(kind)) for name, kind in self.kinds.items()}
        return self.model_copy(update={**_parameters_alone(self), "kinds": FrozenDict(kinds)})

    def with_plain_ends(self, dtype: Dtype) -> "ModelParts":
        """Return the parts with those of layers in *dtype*, and what stands beside them in the model's."""
        kinds = {
            name: kind.model_copy(update=_in_dtype(_parameters_alone(kind), dtype))
            for name, kind in self.kinds.items()
        }
        return self.without_bytes().model_copy(update={"kinds": FrozenDict(kinds)})

    def parameters(self) -> int:
        """Return the parameters of all parts."""
        return self.total(Measure(element_bytes=None))

    def total(self, measure: "Measure") -> int:
        """Return all parts in a measure."""
        ends = sum(map(measure.of, (self.embedding, self.head, self.beside, self.tower)))
        each = {name: _layer(kind, measure) for name, kind in self.kinds.items()}
        return ends + sum(each[name] for name in self.names)


class Measure(NamedTuple):
    """
    What an amount is counted in: bytes, or parameters alone.

    `element_bytes` are those of a parameter of which only the number is given; None counts parameters.
    """

    element_bytes: int | None

    def of(self, amount: Amount) -> int:
        """Return an amount in this measure."""
        if self.element_bytes is None:
            return amount[0] if isinstance(amount, tuple) else amount
        return amount[1] if isinstance(amount, tuple) else amount * self.element_bytes


def is_quantised(amount: Amount, element_bytes: int) -> bool:
    """Return whether an amount is stored in fewer bytes than its parameters in the model's dtype."""
    return Measure(element_bytes).of(amount) < Measure(None).of(amount) * element_bytes


def _layer(kind: LayerParts, measure: Measure) -> int:
    once = (kind.attention, kind.whole, kind.dense, kind.shared, kind.router)
    return sum(map(measure.of, once)) + kind.experts * measure.of(kind.expert)


def _in_dtype(amounts: Mapping[str, Amount], dtype: Dtype) -> dict[str, Amount]:
    """Return amounts of parameters with their bytes."""
    counts = {name: Measure(None).of(amount) for name, amount in amounts.items()}
    return {name: (count, ceil_div(count * dtype.block_bytes, dtype.block)) for name, count in counts.items()}


def _parameters_alone(facts: Facts) -> dict[str, Amount]:
    """Return the amounts of a group of facts without their bytes, and its numbers as they are."""
    return {
        name: value[0] if isinstance(value, tuple) else value
        for name, value in facts
        if name not in ("kinds", "layers", "experts", "width")
    }
