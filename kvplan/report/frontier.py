"""How many sequences stand at once of each context: a plan's line between what fits and what does not."""

from collections.abc import Iterator, Sequence

from kvplan.errors import KvplanError
from kvplan.planner.plan import Plan
from kvplan.planner.stairs import corners, sampled
from kvplan.report.document import Chart, Mark, Series
from kvplan.units import KIB

_SHORTEST = KIB
_UNTOLD = 128 * KIB
"""Where a line ends of a model that is made for no length."""

_PER_DOUBLING = 4
"""Points of a line from one context to twice that."""

STAIRS = 16
"""Up to so many sequences of a replica a line has each number's corner."""

TOKENS, SEQUENCES = "tokens of each sequence", "sequences at once"


def frontier(plans: Sequence[tuple[str, Plan]], *, asked: int, mark: Mark | None = None) -> Chart | None:
    """
    Return the most sequences of each context that some named plans hold; None if none holds any.

    The contexts end where the longest model does, or at the *asked* one; the first plan has its range.
    """
    made_for = [plan.deployment.spec.max_context or _UNTOLD for _, plan in plans]
    contexts = sampled(min(_SHORTEST, asked), max(asked, *made_for), asked, per_doubling=_PER_DOUBLING)
    found = (_series(name, plan, contexts, ranged=not at) for at, (name, plan) in enumerate(plans))
    lines = tuple(each for each in found if len(each.points) > 1)
    if not lines:
        return None
    marks = (mark,) if mark else ()
    return Chart("Batch against context", TOKENS, SEQUENCES, lines, marks)


def _series(name: str, plan: Plan, contexts: Sequence[int], *, ranged: bool) -> Series:
    steps = (each for each in corners(plan, STAIRS) if contexts[0] <= each <= contexts[-1])
    every = {*contexts, *steps}
    points = tuple(_points(plan, sorted(every)))
    between = tuple(_between(plan, [x for x, _ in points])) if ranged else ()
    return Series(name, points, between)


def _points(plan: Plan, contexts: Sequence[int]) -> Iterator[tuple[int, int]]:
    for context in contexts:
        if most := _most(plan, context):
            yield context, most


def _most(plan: Plan, context: int) -> int | None:
    """Return the most sequences; None where nothing limits them, or a prompt is longer than they are."""
    try:
        return plan.max_batch(context)
    except KvplanError:
        return None


def _between(plan: Plan, contexts: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    for context in contexts:
        if found := plan.max_batch_range(context):
            yield context, *found
