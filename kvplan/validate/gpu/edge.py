"""
(c) The edge of a budget and (f) that of the card: the planned sequences allocate, one more does not.

At the first the allocator refuses what is past a limit, at the second the driver what is past the card.
"""

from dataclasses import replace
from typing import Any

import torch

from kvplan.planner.fit import Fit, fit
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.specs.load import load
from kvplan.validate.gpu.allocator import WHOLE_SEGMENT
from kvplan.validate.gpu.layout import TensorShape, shapes
from kvplan.validate.gpu.meter import Meter, metered
from kvplan.validate.results import Measurement, SkippedError
from kvplan.validate.toys import toys

CARD = "h100-80gb"


@record
class Edge:
    """
    A model at a card's edge; on a CPU its family's small model of L1, at a card of 32 MiB.

    `context` is lowered until what the plan leaves free on the card covers the allocator's rounding.
    """

    family: str
    model: str
    toy: str
    kv: str
    context: int


EDGES = (
    Edge(family="GQA", model="llama-3.1-8b", toy="llama", kv="bf16", context=8192),
    Edge(family="MLA", model="deepseek-v2-lite", toy="deepseek-v3", kv="bf16", context=32768),
    Edge(family="sliding hybrid", model="gemma-3-12b", toy="gemma3", kv="bf16", context=32768),
    Edge(family="state hybrid", model="bamba-9b", toy="bamba", kv="bf16", context=32768),
    Edge(family="fp8 KV", model="llama-3.1-8b", toy="llama", kv="fp8", context=8192),
)


@record
class _Card:
    """A plan at the edge: the spec, its answer, and the tokens of each sequence."""

    name: str
    spec: ModelSpec
    kv: str
    answer: Fit

    @property
    def sequences(self) -> int:
        """The sequences that the plan promises."""
        return self.answer.max_batch or 0

    @property
    def room_bytes(self) -> int:
        """What the tensors of the plan leave of the budget; negative where it promises too much."""
        memory = self.answer.memory
        held = sum(shape.data_bytes for shape in self.layout(self.sequences))
        return memory.budget_bytes - memory.weights_bytes - held

    def layout(self, sequences: int) -> list[TensorShape]:
        """Return the tensors of *sequences* sequences over all layers."""
        return [
            shape
            for name in self.spec.layer_types
            for kind in self.spec.attention[name]
            for shape in shapes(kind, sequences=sequences, tokens=self.answer.context, kv=self.kv)
        ]


def run_edge(edge: Edge, device: str) -> list[Measurement]:
    """Return whether the sequences planned for a budget allocate, one more too, and their bytes."""
    with metered(device) as meter:
        card = _roomy(edge, meter, _budget(device), slack=0)
        memory = card.answer.memory
        meter.require_free(memory.budget_bytes, f"the budget of {card.answer.gpu}")
        with meter.limited(meter.reserved() + memory.budget_bytes):
            fits = _tried(meter, card)
        # Without the limit, so that tensors larger than planned are measured too.
        requested = _requested(meter, card.layout(card.sequences))
    return _claims(edge, card, fits, requested)


def run_card_edge(edge: Edge, device: str) -> list[Measurement]:
    """Return the same of all that the driver reports as free, where nothing but the driver refuses."""
    with metered(device) as meter:
        card, fits = at_the_card(edge, meter)
        requested = _requested(meter, card.layout(card.sequences))
    found = _claims(edge, card, fits, requested)
    return [replace(each, subject=f"{each.subject}, the whole card") for each in found]


def at_the_card(edge: Edge, meter: Meter) -> tuple[_Card, list[bool]]:
    """Plan for what is free; return the plan, and whether it and one sequence more allocate."""
    whole = {"gpu": f"{meter.free()}B", "utilization": "1"}
    card = _roomy(edge, meter, whole, slack=meter.held_back())
    return card, _tried(meter, card)


def _budget(device: str) -> dict[str, Any]:
    return {"gpu": CARD} if device == "cuda" else {"gpu": "32MiB", "utilization": "1"}


def _tried(meter: Meter, card: _Card) -> list[bool]:
    """Return whether the planned sequences allocate beside the weights, and whether one more does."""
    weights = _weights(card.answer.memory.weights_bytes, meter.device)
    try:
        return [_allocates(meter, card.layout(card.sequences + more)) for more in (0, 1)]
    finally:
        del weights
        meter.clear()


def _roomy(edge: Edge, meter: Meter, budget: dict[str, Any], slack: int) -> _Card:
    """
    Return the plan for the longest context whose free bytes cover the allocator's rounding and *slack*.

    The free bytes are those of the tensors, not the plan's: one that promises too much is returned,
    and fails.
    """
    on_gpu = meter.device == "cuda"
    context = edge.context if on_gpu else 64
    spec = load(edge.model) if on_gpu else next(toy.spec for toy in toys() if toy.name == edge.toy)
    for tokens in range(context, context // 2, -8):
        answer = _plan(spec, budget if on_gpu else {**budget, "weights": "8MiB"}, edge.kv, tokens)
        planned = _Card(name=edge.model if on_gpu else edge.toy, spec=spec, kv=edge.kv, answer=answer)
        layout = planned.layout(planned.sequences)
        rounded = meter.rounding(len(layout) + 1)
        if planned.sequences and (planned.room_bytes < 0 or rounded + slack <= planned.room_bytes):
            _require_whole_segments(layout, rounded)
            return planned
    raise SkippedError(f"no context near {context} leaves room for the allocator's rounding")


def _plan(spec: ModelSpec, card: dict[str, Any], kv: str, tokens: int) -> Fit:
    return fit(spec, context=tokens, kv_dtype=kv, overhead=0, **card)


def _require_whole_segments(layout: list[TensorShape], slack: int) -> None:
    """Raise SkippedError where small tensors share segments: their rounding has another rule."""
    if slack and min(shape.data_bytes for shape in layout) < WHOLE_SEGMENT:
        raise SkippedError("some tensors of the plan are smaller than 10 MiB, so that they share segments")


def _weights(weights_bytes: int, device: str) -> Any:  # noqa: ANN401 - a tensor
    return torch.zeros(weights_bytes, dtype=torch.uint8, device=device)


def _allocates(meter: Meter, layout: list[TensorShape]) -> bool:
    """Return whether the tensors allocate and can be written to; all are freed again."""
    tensors: list[Any] = []
    try:
        for shape in layout:
            tensors.append(shape.empty(meter.device))
            tensors[-1].view(torch.uint8).zero_()
    except torch.OutOfMemoryError:
        return False
    finally:
        tensors.clear()
        meter.clear()
    return True


def _requested(meter: Meter, layout: list[TensorShape]) -> int:
    """Return by how much the tensors raise the requested bytes."""
    before = meter.requested()
    tensors = [shape.empty(meter.device) for shape in layout]
    grown = meter.requested() - before
    tensors.clear()
    meter.clear()
    return grown


def _claims(edge: Edge, card: _Card, fits: list[bool], requested: int) -> list[Measurement]:
    answer = card.answer
    detail = (
        f"{answer.gpu}, {card.sequences} sequences of {answer.context} tokens in {edge.kv}, "
        f"weights {answer.memory.weights_bytes} bytes, "
        f"{answer.filled.free_bytes} bytes free when full"
    )
    common = Measurement(
        level="L4",
        subject=f"{edge.family}: {card.name}",
        claim="the planned sequences allocate beside the weights (1) or not (0)",
        predicted=1,
        measured=int(fits[0]),
        unit="",
        detail=detail,
    )
    return [
        common,
        replace(
            common,
            claim="one sequence more than planned allocates (1) or not (0)",
            predicted=0,
            measured=int(fits[1]),
        ),
        replace(
            common,
            claim="requested bytes of the planned sequences",
            predicted=answer.filled.kv_used_bytes,
            measured=requested,
            unit="bytes",
        ),
    ]
