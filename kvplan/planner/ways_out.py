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


def smallest_tp(plan: Plan) -> int | None:
    """Return the smallest legal tensor-parallel degree that holds the asked work, pp unchanged."""
    return next((tp for tp in _legal(plan) if _holds(plan, tp, plan.deployment.choice.pp)), None)


def smallest_spread(plan: Plan) -> Spread | None:
    """Return the fewest GPUs of one replica, over tp and even pipeline stages, that hold the work."""
    widest_first, layer_count = _legal(plan)[::-1], plan.deployment.spec.layer_count
    for gpus in range(1, SEARCHED_GPUS + 1):
        # Of equally many GPUs the widest tensor parallelism: pipeline stages only add latency.
        for tp in (tp for tp in widest_first if gpus % tp == 0 and gpus // tp <= layer_count):
            if _holds(plan, tp, gpus // tp):
                return Spread(gpus=gpus, tp=tp, pp=gpus // tp)
    return None


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
