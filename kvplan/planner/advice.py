"""Computed alternatives to a plan: fewest GPUs, smallest TP, and what one change would give."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from kvplan.errors import KvplanError
from kvplan.loads import Load, uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.facts import Hint
from kvplan.planner.plan import Plan, make_plan
from kvplan.planner.results import Advice, Spread
from kvplan.planner.splits import legal_tps, splits
from kvplan.planner.weights import least_weights
from kvplan.units import ceil_div

Change = tuple[Literal["kv_dtype", "tp", "context"], int | str]
"""An option and its new value."""

SEARCHED_GPUS = 256
"""The fewest GPUs are searched up to this many."""

NODE_GPUS = 8
"""The GPUs that NVLink joins in a node, where a plan does not say: eight on NVIDIA's HGX boards."""

DEARER = 2
"""
How many times the fewest GPUs a wider tensor parallelism may take. A judgement: stages are slower, as each
token passes one after the other, but nobody buys many times the GPUs to go without.
"""


def advise(plan: Plan, *, context: int, batch: int) -> Advice:
    """Return the ways out for *batch* sequences of *context* tokens."""
    load, longest = uniform(context, batch), plan.deployment.arrangement.longest
    beyond = longest is not None and context > longest  # No number of GPUs makes the engine take more.
    if beyond or plan.deployment.choice.cards:  # GPUs of several kinds are those that there are.
        return Advice(smallest_tp=None, smallest_gpus=None, hints=hints(plan, context, batch))
    return Advice(
        smallest_tp=smallest_tp(plan, load),
        smallest_gpus=smallest_spread(plan, load),
        hints=hints(plan, context, batch),
    )


def smallest_tp(plan: Plan, load: Load) -> int | None:
    """Return the smallest legal tensor-parallel degree that holds a load, pp unchanged."""
    pp, fewest = plan.deployment.choice.pp, _fewest(plan)
    return next((tp for tp in _legal(plan) if tp * pp >= fewest and _holds(plan, tp, pp, load)), None)


def smallest_spread(plan: Plan, load: Load) -> Spread | None:
    """
    Return the GPUs of one replica that hold a load, spread as one would run them.

    That is tensor parallelism within a node; then whole nodes, of which each stage has as wide a tensor
    parallelism as it can; and tensor parallelism across nodes where nothing else holds the load. What a wide
    tensor parallelism copies to each rank (a latent, states) can make it many times dearer than stages:
    then it is the narrower one that needs at most DEARER times the fewest GPUs.
    """
    holding: list[Spread] = []
    fewest = _fewest(plan)
    for spread in _spreads(plan):
        if holding and (spread.gpus > DEARER * holding[0].gpus or holding[-1].pp == 1):
            break
        if spread.gpus >= fewest and _holds(plan, spread.tp, spread.pp, load):
            holding.append(spread)
    if holding:
        return min(holding, key=lambda spread: (spread.pp > 1, -spread.tp, spread.gpus))
    return next((each for each in _across_nodes(plan) if _holds(plan, each.tp, each.pp, load)), None)


def _fewest(plan: Plan) -> int:
    """Return a number of GPUs below which the weights alone do not fit, however they are spread."""
    budget = plan.budget
    weights = least_weights(plan.deployment, budget.replica_weights_bytes)
    on_host = plan.deployment.engine.offloaded(plan.deployment.options)
    return max(1, ceil_div(weights, max(1, budget.gpu_bytes + on_host)))


def _spreads(plan: Plan) -> Iterator[Spread]:
    """Yield spreads with tp within a node, the fewest GPUs first: those of one node, then of whole nodes."""
    layers, node = plan.deployment.spec.layer_count, _node(plan)
    inside = [tp for tp in reversed(_legal(plan)) if tp <= node]
    for gpus in (*range(1, node), *range(node, SEARCHED_GPUS + 1, node)):
        if gpus > searched_gpus(plan):
            return
        whole = [tp for tp in inside if gpus % tp == 0 and (gpus <= node or node % tp == 0)]
        yield from (Spread(gpus=gpus, tp=tp, pp=gpus // tp) for tp in whole if gpus // tp <= layers)


def _node(plan: Plan) -> int:
    """Return the GPUs of a node: those that a plan has on each of several, else what is usual."""
    choice = plan.deployment.choice
    return choice.node_gpus or NODE_GPUS if (choice.nodes or 1) > 1 else NODE_GPUS


def _across_nodes(plan: Plan) -> list[Spread]:
    """Return spreads with tp over more than a node, the fewest GPUs first."""
    wide = [tp for tp in _legal(plan) if tp > _node(plan)]
    stages = range(1, plan.deployment.spec.layer_count + 1)
    every = [Spread(gpus=tp * pp, tp=tp, pp=pp) for tp in wide for pp in stages if tp * pp <= SEARCHED_GPUS]
    return sorted(every, key=lambda spread: spread.gpus)


def _can_run(plan: Plan, tp: int) -> bool:
    """Return whether the engine spreads the model over *tp* ranks at all; llama.cpp splits layers alone."""
    try:
        plan.deployment.respread(tp=tp, pp=1)
    except KvplanError:
        return False
    return True


def _holds(plan: Plan, tp: int, pp: int, load: Load) -> bool:
    """Return whether a load fits on one replica so spread; an engine may refuse the spread."""
    if pp > 1 and not _can_run(plan, tp):  # No number of stages makes it run.
        return False
    try:
        return _moved(plan, plan.deployment.respread(tp=tp, pp=pp)).fits(load)
    except KvplanError:
        return False


def hints(plan: Plan, context: int, batch: int) -> tuple[Hint, ...]:
    """Return the changes that hold more: a cache of 8 bits, the next legal TP, half the context."""
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
    narrow = plan.deployment.engine.narrow_kv
    with suppress(KvplanError):  # it may have no layout for this model's rows
        yield ("kv_dtype", narrow), _changed(plan, kv_dtype=narrow)
    wider = next((tp for tp in _legal(plan) if tp > plan.deployment.tp), None)
    if wider is not None:
        with suppress(KvplanError):  # an engine's other options may not allow it
            yield ("tp", wider), _changed(plan, tp=wider, nodes=None)
    if context // 2 >= (plan.deployment.choice.prompt or 1):
        yield ("context", context // 2), plan


def _legal(plan: Plan) -> tuple[int, ...]:
    legal = legal_tps(splits(plan.deployment.spec, plan.deployment.layers))
    return tuple(tp for tp in legal if tp <= searched_gpus(plan))


def searched_gpus(plan: Plan) -> int:
    """Return up to how many GPUs are searched: a Mac has one, whose memory no other shares."""
    card = plan.deployment.choice.card
    return 1 if card is not None and card.vendor == "apple" else SEARCHED_GPUS


def _changed(plan: Plan, **changes: object) -> Plan:
    """Return a plan with another Choice of the same engine and card; raise if that is not possible."""
    choice: Choice = replace(plan.deployment.choice, **changes)  # type: ignore[arg-type]
    return _moved(plan, deploy(plan.deployment.spec, choice))


def _moved(plan: Plan, deployment: Deployment) -> Plan:
    """Return the same memory with another *deployment* of the model."""
    return make_plan(deployment, plan.asked, longest=plan.budget.longest)
