"""What a start-up tells that is worth a warning."""

from collections.abc import Iterator

from kvplan.engines.arrangement import StartUp
from kvplan.planner.facts import Crowded, RunsFewer
from kvplan.planner.plan import Plan


def of_start_up(plan: Plan, start_up: StartUp | None, held: int) -> Iterator[RunsFewer | Crowded]:
    """Yield what to know of a start-up, if there is one; *held* sequences have room on a replica."""
    if start_up is not None:
        yield from _runs_fewer(plan, start_up, held)
        yield from _crowded(plan, start_up)


def _runs_fewer(plan: Plan, start_up: StartUp, held: int) -> Iterator[RunsFewer]:
    """Yield how many sequences an engine runs by itself on a replica, if its pools hold more."""
    runs = start_up.runs if plan.lowered is None else None
    if runs is not None and held > runs:
        yield RunsFewer(engine=plan.deployment.engine.name, sequences=runs)


def _crowded(plan: Plan, start_up: StartUp) -> Iterator[Crowded]:
    """Yield what tables take of the part of a card that an engine keeps back, if it is more than half."""
    budget = plan.budget
    if budget.share_of != "after start" or not start_up.table_bytes:
        return
    kept = budget.gpu_bytes - budget.budget_bytes(0, budget.middle_bytes)
    if 2 * start_up.table_bytes > kept:
        yield Crowded(engine=plan.deployment.engine.name, table_bytes=start_up.table_bytes, kept_bytes=kept)
