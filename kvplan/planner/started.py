"""What a start-up tells that is worth a warning, and what has to fit beside an engine's share."""

from collections.abc import Iterator
from fractions import Fraction

from kvplan.engines.arrangement import StartUp
from kvplan.planner.facts import Crowded, RunsFewer
from kvplan.planner.plan import Plan
from kvplan.planner.results import KeptBack


def of_start_up(plan: Plan, start_up: StartUp | None, max_batch: int | None) -> Iterator[RunsFewer | Crowded]:
    """Yield what to know of a start-up, if there is one; *max_batch* sequences have room on all replicas."""
    if start_up is not None:
        yield from _runs_fewer(plan, start_up, _on_replica(plan, max_batch))
        yield from _crowded(plan, start_up, max_batch)


def _on_replica(plan: Plan, max_batch: int | None) -> int:
    return (max_batch or 0) // plan.deployment.options.dp


def _runs_fewer(plan: Plan, start_up: StartUp, held: int) -> Iterator[RunsFewer]:
    """Yield how many sequences an engine runs by itself on a replica, if its pools hold more."""
    runs = start_up.runs if plan.lowered is None else None
    if runs is not None and held > runs:
        yield RunsFewer(engine=plan.deployment.engine.name, sequences=runs)


def kept_back(plan: Plan, start_up: StartUp | None, max_batch: int | None) -> KeptBack | None:
    """Return what an engine keeps back, and what is in it with so many sequences; None where nobody knows."""
    needed = plan.budget.needs.aside
    if needed is None or start_up is None or plan.budget.share_of != "after start":
        return None
    held, size = _on_replica(plan, max_batch), _size(plan)
    sequences = min(held, start_up.runs or held)
    draws = needed.draws_bytes(sequences)
    taken = needed.graphs_bytes + start_up.table_bytes + max(needed.activation_bytes, draws)
    return KeptBack(
        size_bytes=size,
        graphs_bytes=needed.graphs_bytes,
        activation_bytes=needed.activation_bytes,
        low_bytes=needed.low_bytes,
        high_bytes=needed.high_bytes,
        table_bytes=start_up.table_bytes,
        sequences=sequences,
        draws_bytes=draws,
        free_bytes=size - taken,
    )


def _size(plan: Plan) -> int:
    budget = plan.budget
    return budget.gpu_bytes - budget.budget_bytes(0, budget.middle_bytes)


def _crowded(plan: Plan, start_up: StartUp, max_batch: int | None) -> Iterator[Crowded]:
    """Yield what an engine keeps back, if it may be too little, or tables take more than half of it."""
    if plan.budget.share_of != "after start":
        return
    kept, table = kept_back(plan, start_up, max_batch), start_up.table_bytes
    needed = most = 0
    if kept is not None:
        drawn = max(0, kept.draws_bytes - kept.activation_bytes)
        needed = kept.graphs_bytes + kept.activation_bytes + drawn
        most = kept.high_bytes + drawn
    size = _size(plan)
    if 2 * table > size or table + most > size:
        yield Crowded(
            engine=plan.deployment.engine.name,
            table_bytes=table,
            kept_bytes=size,
            needed_bytes=needed,
            most_bytes=most,
            share=_largest_share(plan, table + most),
        )


def _largest_share(plan: Plan, needed: int) -> str | None:
    """Return the largest share, in two digits, that keeps back so many bytes; None if none does."""
    numerator, denominator = plan.budget.utilization
    if numerator >= denominator:
        return None
    whole = Fraction(_size(plan) * denominator, denominator - numerator)
    percent = int(100 * (1 - needed / whole))
    return f"{percent / 100:.2f}" if percent > 0 else None
