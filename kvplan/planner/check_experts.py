"""Over how many GPUs a model's whole experts can be dealt out, and why not over others."""

from collections.abc import Iterator

from kvplan.engines.weight_blocks import Cutting, cut_blocks
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.specs.parts import LayerParts
from kvplan.units import ceil_div, counted

MOST_LISTED = 512
"""Numbers of GPUs are listed up to this one, and up to the number of experts."""


@record
class Rule:
    """One checked rule, and in words how the model meets or breaks it."""

    rule: str
    ok: bool
    detail: str


def expert_rules(spec: ModelSpec, *, tp: int, dp: int, ep: int) -> Iterator[Rule]:
    """Yield how *ep* deals out the experts of a model on tp x dp GPUs; nothing where it is not asked for."""
    if ep == 1:
        return
    layer, gpus = _mixture(spec), tp * dp
    if layer is None:
        counts = "has no routed experts" if spec.parts else "has a spec that does not count its experts"
        yield Rule(rule="experts / ep", ok=False, detail=f"{spec.name} {counts}: leave ep out")
        return
    if gpus % ep:
        detail = f"EP {ep} does not divide the {counted(gpus, 'GPU')} of tp {tp} x dp {dp}"
        yield Rule(rule="tp x dp % ep", ok=False, detail=detail)
        return
    most, rest = ceil_div(layer.experts, ep), layer.experts % ep
    each = f"{most} per GPU" if not rest else f"{most} on {counted(rest, 'GPU')} and {most - 1} on the others"
    yield Rule(rule="experts / ep", ok=True, detail=f"{layer.experts} routed experts on EP {ep}: {each}")
    reason = _cut(spec, layer, gpus // ep)
    detail = reason or _whole(layer, gpus // ep)
    yield Rule(rule="expert % (tp x dp / ep)", ok=reason is None, detail=detail)


def expert_degrees(spec: ModelSpec, *, tp: int, dp: int) -> dict[int, str | None]:
    """Return the parts of tp x dp GPUs that deal experts out, and why one does not; empty without experts."""
    layer, gpus = _mixture(spec), tp * dp
    if layer is None:
        return {}
    most = min(gpus, layer.experts, MOST_LISTED)
    return {ep: _cut(spec, layer, gpus // ep) for ep in range(1, most + 1) if gpus % ep == 0}


def _mixture(spec: ModelSpec) -> LayerParts | None:
    """Return the layer with the most experts, None where none is counted."""
    kinds = spec.parts.kinds.values() if spec.parts else ()
    return max((kind for kind in kinds if kind.experts), key=lambda kind: kind.experts, default=None)


def _whole(layer: LayerParts, ranks: int) -> str:
    if ranks == 1:
        return "each expert is whole on its GPU: no block of its weights is cut"
    return f"each expert of {layer.width:,} is cut over {ranks} GPUs: {layer.width // ranks:,} on each"


def _cut(spec: ModelSpec, layer: LayerParts, ranks: int) -> str | None:
    """Return why engines do not cut each expert over so many ranks, None if they do."""
    if layer.width % ranks:
        return f"experts of {layer.width:,} are not cut evenly over {ranks} GPUs"
    if spec.weight_blocks is None:
        return None
    blocks = spec.weight_blocks.model_copy(update={"inputs": ()})
    # vLLM since 0.30 repeats the scales of smaller blocks.
    return cut_blocks(blocks, Cutting(engine="vLLM", tp=1, expert_tp=ranks, refines=True))
