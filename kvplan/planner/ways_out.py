"""Computed alternatives to a plan: fewest GPUs, smallest TP, and what one change would give."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from kvplan.errors import KvplanError
from kvplan.planner.deployment import legal_tps, splits
from kvplan.planner.plan import Plan
from kvplan.planner.results import Hint, Spread

SEARCHED_GPUS = 256
"""The fewest GPUs are searched up to this many."""

NODE_GPUS = 8
"""The GPUs that NVLink joins in a node: eight on NVIDIA's HGX boards of H100, H200 and B200."""


def smallest_tp(plan: Plan) -> int | None:
    """Return the smallest legal tensor-parallel degree that holds the asked work, pp unchanged."""
    return next((tp for tp in _legal(plan) if _holds(plan, tp, plan.deployment.choice.pp)), None)


def smallest_spread(plan: Plan) -> Spread | None:
    """Return the fewest GPUs of one replica that hold the work, spread as one would run them."""
    found = next(((tp, pp) for tp, pp in _spreads(plan) if _holds(plan, tp, pp)), None)
    return Spread(gpus=found[0] * found[1], tp=found[0], pp=found[1]) if found else None


def _spreads(plan: Plan) -> Iterator[tuple[int, int]]:
    """Yield tp within a node, then the widest of it in more and more stages, then tp over nodes."""
    legal = _legal(plan)
    inside = [tp for tp in legal if tp <= NODE_GPUS]
    stages = range(1, plan.deployment.spec.layer_count + 1)
    yield from ((tp, 1) for tp in inside)
    widest = next((tp for tp in reversed(inside) if _can_run(plan, tp)), None)
    if widest is not None:
        yield from ((widest, pp) for pp in stages if 1 < pp <= SEARCHED_GPUS // widest)
    across = ((tp, pp) for tp in legal if tp > NODE_GPUS for pp in stages if tp * pp <= SEARCHED_GPUS)
    yield from sorted(across, key=lambda spread: spread[0] * spread[1])


def _can_run(plan: Plan, tp: int) -> bool:
    """Return whether the engine spreads the model over *tp* ranks at all; llama.cpp splits layers alone."""
    try:
        plan.deployment.respread(tp=tp, pp=1)
    except KvplanError:
        return False
    return True


def _holds(plan: Plan, tp: int, pp: int) -> bool:
    """Return whether the work fits on one replica so spread; an engine may refuse the spread."""
    try:
        return plan.moved(plan.deployment.respread(tp=tp, pp=pp)).holds()
    except KvplanError:
        return False


def hints(plan: Plan) -> tuple[Hint, ...]:
    """Return the changes that hold more: an fp8 cache, the next legal TP, half the context."""
    before = plan.max_batch()
    if before is None:
        return ()
    found = []
    for change, changed in _changes(plan):
        after = changed.max_batch()
        if after is not None and after > before:
            found.append(Hint(change=change, max_batch=after, max_context=changed.max_context()))
    return tuple(found)


def _changes(plan: Plan) -> Iterator[tuple[str, Plan]]:
    with suppress(KvplanError):  # fp8 may have no layout for this model's rows
        yield "--kv-dtype fp8", plan.changed(kv_dtype="fp8")
    wider = next((tp for tp in _legal(plan) if tp > plan.deployment.tp), None)
    if wider is not None:
        with suppress(KvplanError):  # an engine's other options may not allow it
            yield f"--tp {wider}", plan.changed(tp=wider)
    if plan.context > 1:
        yield f"--context {plan.context // 2}", replace(plan, context=plan.context // 2)


def _legal(plan: Plan) -> list[int]:
    return legal_tps(splits(plan.deployment.spec, plan.deployment.layers))
