"""What stops one sequence more."""

from kvplan.loads import uniform
from kvplan.planner.facts import Limit, Resource
from kvplan.planner.plan import Plan
from kvplan.planner.results import Memory


def limit_of(plan: Plan, context: int, max_batch: int | None) -> Limit:
    """Return what stops one sequence more beside the *max_batch* that a plan holds of a context."""
    if min(plan.left) < 0 and (without := _limit_without_cache(plan.without_cache(context))):
        return without
    if max_batch is None:
        return Limit(resource=Resource.NOTHING)
    most = plan.most_sequences(context)
    if most and max_batch == most * plan.deployment.dp:
        return Limit(resource=Resource.SEQUENCES, sequences=most)
    if plan.is_bounded():
        return Limit(resource=Resource.POOL)
    free = plan.free_bytes(uniform(context, max_batch) if max_batch else ())
    more = plan.free_bytes(uniform(context, max_batch + plan.deployment.dp))
    return Limit(
        resource=Resource.CACHE, needed_bytes=free - more, free_bytes=max(0, free), sequences=max_batch + 1
    )


def _limit_without_cache(memory: Memory) -> Limit | None:
    """Return what does not fit on a card that has no cache on it; None if all of it does."""
    weights, left = memory.weights_bytes, memory.free_bytes
    if weights + left < 0:
        others = memory.activation_bytes + memory.overhead_bytes
        return Limit(resource=Resource.OVERHEAD, needed_bytes=others, free_bytes=memory.budget_bytes)
    if left < 0:
        return Limit(resource=Resource.WEIGHTS, needed_bytes=weights, free_bytes=weights + left)
    return None
