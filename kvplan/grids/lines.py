"""The numbers of one plan for arrays of contexts and of batches: the arithmetic of Plan, all at once."""

from typing import Any

import numpy as np

from kvplan.engines import Straight
from kvplan.grids.arrays import MOST, Ints, ints, require_held
from kvplan.grids.columns import NONE
from kvplan.planner.facts import Resource
from kvplan.planner.plan import Plan
from kvplan.planner.search import LARGEST
from kvplan.records import record
from kvplan.units import ceil_div

_BOUNDLESS = LARGEST + 1
RESOURCES = tuple(Resource)
_CODES = {each: code for code, each in enumerate(RESOURCES)}


@record
class Lines:
    """
    What sequences of each context take on each rank, in bytes, as Straight says it: ranks x contexts.

    `most` sequences of one replica run at once whatever the memory; _BOUNDLESS where any number does.
    """

    first: Ints
    more: Ints
    least: Ints
    most: Ints


def lines_of(plan: Plan, contexts: Ints) -> Lines | None:
    """Return the lines of a plan for these contexts; None where more than one each would be needed."""
    for size in (*plan.pools, *plan.left, *plan.weights):
        require_held(4 * size, "the memory of a card")
    arrangement = plan.deployment.arrangement
    longest = int(contexts.max())
    rows = plan.deployment.by_sequence(longest)
    if rows is None:
        return None
    if arrangement.takes_arrays and len(contexts) > 1:
        what = f"a sequence of {longest:,} tokens"
        for row in rows:
            # By exact ints, and above all that is worked out on the way to it for any of the contexts.
            require_held(4 * max(row), what)
        # The rules of the engine are the same for ints and for arrays of them, element by element.
        found = arrangement.by_sequence(contexts)  # type: ignore[arg-type]
        most = _most(plan, longest)
        return _stacked(found or (), np.full(len(contexts), most, dtype=np.int64))
    return _one_by_one(plan, contexts)


def _stacked(rows: tuple[Straight, ...], most: Ints) -> Lines:
    """Return what an engine answers for all contexts at once; what no context changes is one number."""
    shape = (len(rows), len(most))
    first, more, least = (np.empty(shape, dtype=np.int64) for _ in range(3))
    for rank, row in enumerate(rows):
        first[rank], more[rank], least[rank] = row.first, row.more, row.least
    return Lines(first=first, more=more, least=least, most=most)


def _one_by_one(plan: Plan, contexts: Ints) -> Lines:
    """Return the lines of contexts that are asked for one after the other, each once."""
    distinct, places = np.unique(contexts, return_inverse=True)
    asked = [int(each) for each in distinct]
    rows = [plan.deployment.by_sequence(each) or () for each in asked]
    ranks = range(len(rows[0]))

    def axis(name: str) -> Ints:
        found = [ints([getattr(row[rank], name) for row in rows], "a sequence") for rank in ranks]
        return np.stack(found)[:, places]

    most = np.array([_most(plan, each) for each in asked], dtype=np.int64)[places]
    return Lines(first=axis("first"), more=axis("more"), least=axis("least"), most=most)


def _most(plan: Plan, context: int) -> int:
    most = plan.most_sequences(context)
    return _BOUNDLESS if most is None else min(most, _BOUNDLESS)


def held(plan: Plan, lines: Lines) -> Ints:
    """Return how many sequences of each context a replica holds, _BOUNDLESS and more for any number."""
    found = lines.most
    for rank, pool in enumerate(plan.pools):
        first, more = lines.first[rank], lines.more[rank]
        others = (pool - first) // np.maximum(more, 1)
        each = np.where(more == 0, _BOUNDLESS, 1 + others)
        found = np.minimum(found, np.where(np.maximum(first, lines.least[rank]) > pool, 0, each))
    return np.maximum(found, 0)


def sequences(plan: Plan, share: Ints) -> Ints:
    """Return what all replicas hold of what one does; NONE for any number."""
    return np.where(share > LARGEST, NONE, np.minimum(share, LARGEST) * plan.deployment.dp)


def shares(plan: Plan, batches: Ints) -> Ints:
    """Return the sequences of the fullest replica."""
    return ceil_div(batches, plan.deployment.dp)  # type: ignore[arg-type, return-value]  # an array as an int


def require_used(lines: Lines, share: Ints) -> None:
    """Raise TooLargeError if sequences take more bytes than an int64 holds."""
    most = int(share.max())
    for first, more in zip(lines.first.max(axis=1), lines.more.max(axis=1), strict=True):
        require_held(2 * (int(first) + most * int(more)), f"what {most:,} sequences take")


@record
class Card:
    """The tightest card with each load on it, in bytes: contexts x batches."""

    weights: Ints
    left: Ints
    used: Ints


def tightest(plan: Plan, lines: Lines, share: Ints) -> Card:
    """Return the card with the least left beside so many sequences of each context: the first of several."""
    best: Card | None = None
    others = np.maximum(share - 1, 0)
    seen: set[Any] = set()
    for rank, (weights, left) in enumerate(zip(plan.weights, plan.left, strict=True)):
        first, more, least = lines.first[rank], lines.more[rank], lines.least[rank]
        alike = (weights, left, first.tobytes(), more.tobytes(), least.tobytes())
        if alike in seen:
            continue
        seen.add(alike)
        used = first[:, None] + more[:, None] * others[None, :]
        if least.any():
            np.maximum(used, least[:, None], out=used)
        best = _tighter(best, weights, left, used)
    if best is None:
        raise AssertionError("a plan has at least one rank")
    return best


def _tighter(best: Card | None, weights: int, left: int, used: Ints) -> Card:
    if best is None:
        shape = used.shape
        return Card(
            weights=np.broadcast_to(np.int64(weights), shape),
            left=np.broadcast_to(np.int64(left), shape),
            used=used,
        )
    here = left - used < best.left - best.used
    return Card(
        weights=np.where(here, weights, best.weights),
        left=np.where(here, left, best.left),
        used=np.where(here, used, best.used),
    )


def limits(plan: Plan, lines: Lines, max_batch: Ints) -> "np.ndarray[Any, np.dtype[np.int8]]":
    """Return the place in RESOURCES of what stops one sequence more of each context."""
    empty = tightest(plan, lines, np.ones(1, dtype=np.int64))
    weights, left = empty.weights[:, 0], empty.left[:, 0]
    ruled = (lines.most > 0) & (lines.most < _BOUNDLESS) & (max_batch == lines.most * plan.deployment.dp)
    bounded = np.full(len(max_batch), plan.is_bounded())
    found = np.select(
        [weights + left < 0, left < 0, max_batch == NONE, ruled, bounded],
        [
            _CODES[Resource.OVERHEAD],
            _CODES[Resource.WEIGHTS],
            _CODES[Resource.NOTHING],
            _CODES[Resource.SEQUENCES],
            _CODES[Resource.POOL],
        ],
        default=_CODES[Resource.CACHE],
    )
    return found.astype(np.int8)


def longest(plan: Plan, batches: Ints) -> Ints:
    """Return the longest context of each batch, as Plan.max_context does; NONE where memory sets no limit."""
    arrangement = plan.deployment.arrangement
    distinct, places = np.unique(shares(plan, batches), return_inverse=True)
    as_arrays = arrangement.takes_arrays and arrangement.never_falls and plan.deployment.choice.prompt is None
    if len(distinct) > _FEW and as_arrays and plan.deployment.by_sequence(1) is not None:
        found = np.zeros_like(distinct) if arrangement.refusal(plan.pools, 1) else _searched(plan, distinct)
    else:
        found = _asked(plan, distinct * plan.deployment.dp)
    return found[places]


_FEW = 24
"""Numbers of sequences for which one search after the other is faster than one of all at once."""


def _asked(plan: Plan, batches: Ints) -> Ints:
    """Return the answers of the plan itself."""
    found = (plan.max_context(int(each)) for each in batches)
    return np.array([NONE if each is None else each for each in found], dtype=np.int64)


def _searched(plan: Plan, share: Ints) -> Ints:
    """Return the last context of which a replica holds so many: between powers of 2, and then by halves."""
    most = plan.deployment.arrangement.longest
    top = LARGEST if most is None else most
    powers = [2**power for power in range(top.bit_length()) if 2**power < top] + [top]
    holds = np.array([_held_of(plan, each) for each in powers], dtype=np.int64)
    # How many there are of a longer context never rises.
    count = np.searchsorted(-holds, -share, side="right")
    low = np.array([0, *powers], dtype=np.int64)[count]
    high = np.array([*powers, top + 1], dtype=np.int64)[count]
    open_ones = (count > 0) & (count < len(powers))
    while (wide := open_ones & (high - low > 1)).any():
        middle = (low[wide] + high[wide]) // 2
        fits = _held_of_each(plan, middle) >= share[wide]
        low[wide], high[wide] = np.where(fits, middle, low[wide]), np.where(fits, high[wide], middle)
    return np.where(count == len(powers), NONE if most is None else most, low)


def _held_of(plan: Plan, context: int) -> int:
    """Return how many sequences of a context a replica holds, by exact ints; _BOUNDLESS for any number."""
    rows = plan.deployment.by_sequence(context) or ()
    numbers = (row.held(pool) for row, pool in zip(rows, plan.pools, strict=True))
    least = min((each for each in numbers if each is not None), default=_BOUNDLESS)
    return min(least, _most(plan, context), MOST)


def _held_of_each(plan: Plan, contexts: Ints) -> Ints:
    lines = lines_of(plan, contexts)
    return held(plan, lines) if lines is not None else contexts
