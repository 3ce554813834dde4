"""Computed alternatives to a plan: fewest GPUs, smallest TP, and what one change would give."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from kvplan.errors import KvplanError
from kvplan.loads import Load, uniform
from kvplan.planner.deployment import Choice, Deployment, deploy, legal_tps, splits
from kvplan.planner.facts import Hint
from kvplan.planner.plan import Plan, make_plan
from kvplan.planner.results import Advice, Spread
from kvplan.planner.weights import least_weights
from kvplan.units import ceil_div

Change = tuple[Literal["kv_dtype", "tp", "context"], int | str]
"""An option and its new value."""

SEARCHED_GPUS = 256
"""The fewest GPUs are searched up to this many."""

NODE_GPUS = 8
"""The GPUs that NVLink joins in a node: eight on NVIDIA's HGX boards of H100, H200 and B200."""


def advise(plan: Plan, *, context: int, batch: int) -> Advice:
    """Return the ways out for *batch* sequences of *context* tokens."""
    load, longest = uniform(context, batch), plan.deployment.arrangement.longest
    if longest is not None and context > longest:  # No number of GPUs makes the engine take more.
        return Advice(smallest_tp=None, smallest_gpus=None, hints=hints(plan, context, batch))
    return Advice(
        smallest_tp=smallest_tp(plan, load),
        smallest_gpus=smallest_spread(plan, load),
        hints=hints(plan, context, batch),
    )


def smallest_tp(plan: Plan, load: Load) -> int | None:
    """Return the smallest legal tensor-parallel degree that holds a load, pp unchanged."""
    pp = plan.deployment.choice.pp
    return next((tp for tp in _legal(plan) if tp * pp >= _fewest(plan) and _holds(plan, tp, pp, load)), None)


def smallest_spread(plan: Plan, load: Load) -> Spread | None:
    """Return the fewest GPUs of one replica that hold a load, spread as one would run them."""
    fewest = _fewest(plan)
    enough = ((tp, pp) for tp, pp in _spreads(plan) if tp * pp >= fewest)
    found = next(((tp, pp) for tp, pp in enough if _holds(plan, tp, pp, load)), None)
    return Spread(gpus=found[0] * found[1], tp=found[0], pp=found[1]) if found else None


def _fewest(plan: Plan) -> int:
    """Return a number of GPUs below which the weights alone do not fit, however they are spread."""
    budget = plan.budget
    weights = least_weights(plan.deployment, budget.replica_weights_bytes)
    return max(1, ceil_div(weights, max(1, budget.gpu_bytes)))


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


def _holds(plan: Plan, tp: int, pp: int, load: Load) -> bool:
    """Return whether a load fits on one replica so spread; an engine may refuse the spread."""
    try:
        return _moved(plan, plan.deployment.respread(tp=tp, pp=pp)).fits(load)
    except KvplanError:
        return False


def hints(plan: Plan, context: int, batch: int) -> tuple[Hint, ...]:
    """Return the changes that hold more: an fp8 cache, the next legal TP, half the context."""
    before = plan.max_batch(context)
    if before is None:
        return ()
    found = []
    for (option, value), changed in _changes(plan, context):
        after = changed.max_batch(value if option == "context" else context)
        if after is not None and after > before:
            longest = changed.max_context(batch)
            found.append(Hint(option=option, value=value, max_batch=after, max_context=longest))
    return tuple(found)


def _changes(plan: Plan, context: int) -> Iterator[tuple[Change, Plan]]:
    with suppress(KvplanError):  # fp8 may have no layout for this model's rows
        yield ("kv_dtype", "fp8"), _changed(plan, kv_dtype="fp8")
    wider = next((tp for tp in _legal(plan) if tp > plan.deployment.tp), None)
    if wider is not None:
        with suppress(KvplanError):  # an engine's other options may not allow it
            yield ("tp", wider), _changed(plan, tp=wider)
    if context > 1:
        yield ("context", context // 2), plan


def _legal(plan: Plan) -> tuple[int, ...]:
    return legal_tps(splits(plan.deployment.spec, plan.deployment.layers))


def _changed(plan: Plan, **changes: object) -> Plan:
    """Return a plan with another Choice of the same engine and card; raise if that is not possible."""
    choice: Choice = replace(plan.deployment.choice, **changes)  # type: ignore[arg-type]
    return _moved(plan, deploy(plan.deployment.spec, choice))


def _moved(plan: Plan, deployment: Deployment) -> Plan:
    """Return the same memory with another *deployment* of the model."""
    return make_plan(deployment, plan.asked, longest=plan.budget.longest)
