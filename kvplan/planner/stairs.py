"""At which contexts a plan is asked how many sequences it holds, so that a line of them can be drawn."""

from kvplan.planner.plan import Plan
from kvplan.units import octaves


def sampled(shortest: int, longest: int, *more: int, per_doubling: int) -> list[int]:
    """Return contexts from one to another, so many for each doubling of 1, and those of *more* between."""
    found = {shortest, longest, *more, *octaves(shortest, longest, per_doubling)}
    return sorted(each for each in found if shortest <= each <= longest)


def corners(plan: Plan, most: int) -> set[int]:
    """Return where the line steps down: the longest contexts of which a replica holds 1, 2, up to *most*."""
    dp = plan.deployment.dp
    return {last for share in range(1, most + 1) if (last := plan.max_context(share * dp))}
