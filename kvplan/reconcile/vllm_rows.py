"""vLLM's figures: its pool in the memory that it printed, and its refusals."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

from kvplan.engines import StartUp
from kvplan.engines.vllm import Layout, longest_context, needed_bytes
from kvplan.engines.vllm.engine import PagedCache
from kvplan.engines.vllm.pool import LONGEST
from kvplan.errors import NoRoomError
from kvplan.planner.deployment import Deployment
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.log import FigureName, StartUpLog
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.rows import Row, row
from kvplan.reconcile.setup import Setup
from kvplan.records import record

SHORT_PERCENT = 5
"""A rank that printed nothing may have this much less memory: published starts differ by up to 2 %."""

_UNKNOWN_BYTES = 2**46
"""No GPU has more memory than this: without a printed memory the figures are compared with each other."""

Planned = Callable[[int], Fraction]

_EMPTY = StartUp(num_blocks=0, block_size=0, kv_tokens=0, max_concurrency=0.0)


@record
class Memory:
    """The least memory of each pipeline rank that is printed so, and how much more it may be."""

    lows: tuple[int, ...]
    width: int
    known: bool

    def at(self, more: int) -> tuple[int, ...]:
        """Return the memory of each rank, *more* bytes above the least."""
        return tuple(low + more for low in self.lows)


def vllm_rows(log: StartUpLog, setup: Setup) -> tuple[Row, ...]:
    """Return the rows of the pool and of a refusal; raise a KvplanError if the setup cannot be planned."""
    deployment = setup.deployed()
    memory = _memory(log, setup)
    return (*_pool(log, setup, deployment, memory), *_refusal(log, setup, deployment, memory))


def least_memory(log: StartUpLog, setup: Setup) -> int:
    """Return the memory of the least rank that gives the printed figures, if another rank may be short."""
    deployment, memory = setup.deployed(), _memory(log, setup)
    return min(memory.at(_nearest(memory, _printed_pool(log, setup, deployment, memory))))


def _memory(log: StartUpLog, setup: Setup) -> Memory:
    """Return the KV memory of each pipeline rank: the least that a worker of that rank printed."""
    figures = log.all("KV memory")
    if not figures:
        return Memory(lows=(0,) * setup.choice.pp, width=_UNKNOWN_BYTES, known=False)
    least = [figures] * setup.choice.pp
    ranks = [re.search(r"PP(\d+)", figure.worker) for figure in figures]
    if all(ranks) and {int(match[1]) for match in ranks if match} == set(range(setup.choice.pp)):
        least = [
            tuple(f for f, match in zip(figures, ranks, strict=True) if match and int(match[1]) == rank)
            for rank in range(setup.choice.pp)
        ]
    printed = [min((each.printed for each in of_rank), key=lambda each: each.value) for of_rank in least]
    bounds = [setup.reading(each).whole() for each in printed]
    width = max(high - low for low, high in bounds)
    lows = tuple(low for low, _ in bounds)
    if setup.rank_short:
        shortage = min(lows) * SHORT_PERCENT // 100
        return Memory(lows=tuple(low - shortage for low in lows), width=width + shortage, known=True)
    return Memory(lows=lows, width=width, known=True)


def _printed_pool(
    log: StartUpLog, setup: Setup, deployment: Deployment, memory: Memory
) -> list[tuple[FigureName, Printed, Planned]]:
    """Return the printed figures of the pool, those first that say most, and how each is planned."""
    names: tuple[FigureName, ...] = ("blocks", "KV tokens", "concurrency")
    return [
        (name, printed, _figure_of(name, setup, deployment, memory))
        for name in names
        if (printed := log.last(name)) is not None
    ]


def _pool(log: StartUpLog, setup: Setup, deployment: Deployment, memory: Memory) -> Iterator[Row]:
    if size := log.last("block size"):
        yield row("block size", size, _layout(deployment).block_size)
    if layers := log.last("padding layers"):
        yield row("padding layers", layers, _layout(deployment).padding_layers)
    rows = tuple(_pool_rows(log, setup, deployment, memory))
    if memory.known or not (_follow(log, setup) and all(each.inside for each in rows)):
        yield from rows


def _follow(log: StartUpLog, setup: Setup) -> bool:
    """
    Return whether the pool's figures say nothing of the model where no memory is printed.

    Some memory gives any single figure, and tokens that are concurrency times context are so for every
    model.
    """
    if log.last("blocks"):
        return False
    tokens, concurrency = log.last("KV tokens"), log.last("concurrency")
    if tokens is None or concurrency is None:
        return True
    low, high = concurrency.interval()
    return low * setup.context <= tokens.value + 1 and tokens.value <= high * setup.context


def _pool_rows(log: StartUpLog, setup: Setup, deployment: Deployment, memory: Memory) -> Iterator[Row]:
    figures = _printed_pool(log, setup, deployment, memory)
    if not memory.known and len(figures) == 1:
        return
    more = _nearest(memory, figures)
    for name, printed, planned in figures:
        nearest = planned(more)
        ranged = memory.known and not setup.rank_short
        low, high = (planned(0), planned(memory.width)) if ranged else (nearest, nearest)
        yield Row(figure=name, printed=printed, low=low, high=high, nearest=nearest)


def _figure_of(name: FigureName, setup: Setup, deployment: Deployment, memory: Memory) -> Planned:
    """Return one planned figure as a function of the bytes above the least memory."""

    @cache
    def figure(more: int) -> Fraction:
        pool = _start_up(setup, deployment, memory.at(more))
        value = {"blocks": pool.num_blocks, "KV tokens": pool.kv_tokens, "concurrency": pool.max_concurrency}
        return Fraction(value[name] or 0)

    return figure


def _nearest(memory: Memory, figures: Sequence[tuple[FigureName, Printed, Planned]]) -> int:
    """
    Return the bytes above the least memory that give the printed figures, or the first of them nearly.

    Every figure grows with the memory, so each leaves a range of it to the next.
    """
    left, right = 0, memory.width
    for _, printed, planned in figures:
        low, high = printed.interval()
        sizes = range(left, right + 1)
        first = left + bisect_left(sizes, low, key=planned)
        last = left + bisect_right(sizes, high, key=planned) - 1
        if first > last:
            near = {min(max(each, left), right) for each in (first, last)}
            return min(near, key=lambda each: abs(planned(each) - printed.value))
        left, right = first, last
    return left


def _start_up(setup: Setup, deployment: Deployment, memory: Sequence[int]) -> StartUp:
    """Return the pool; where vLLM prints it before it refuses, that of one token per request."""
    try:
        pool = deployment.arrangement.start_up(memory, setup.context)
    except NoRoomError:
        return _refused_pool(setup, deployment, memory)
    if pool is None:
        raise LogError(f"{setup.spec.name} caches nothing in vLLM, but the log has a pool: give --model")
    return pool


def _refused_pool(setup: Setup, deployment: Deployment, memory: Sequence[int]) -> StartUp:
    try:
        pool = deployment.arrangement.start_up(memory, 1)
    except NoRoomError:
        return _EMPTY
    if pool is None or pool.kv_tokens is None or _layout(deployment).rules.size_line != "blocks":
        return _EMPTY
    # Up to 0.9 the concurrency is the tokens of the pool over the context (executor_base.py).
    return replace(pool, max_concurrency=pool.kv_tokens / setup.context)


def _refusal(log: StartUpLog, setup: Setup, deployment: Deployment, memory: Memory) -> Iterator[Row]:
    layout = _layout(deployment)
    if needed := log.last("needed memory"):
        each = setup.reading(needed)
        yield row(
            "needed memory", each, max(needed_bytes(layout, r, setup.context) for r in range(layout.pp))
        )
    longest = log.last("longest context")
    if longest is None or not memory.known:
        return

    # A figure beyond the context is from an earlier start, which was refused a longer one.
    limit = setup.context if longest.value < setup.context else LONGEST

    def planned(more: int) -> Fraction:
        return Fraction(longest_context(layout, memory.at(more), limit))

    nearest = planned(_nearest(memory, [("longest context", longest, planned)]))
    yield Row(
        figure="longest context",
        printed=longest,
        low=planned(0),
        high=planned(memory.width),
        nearest=nearest,
    )


def _layout(deployment: Deployment) -> Layout:
    if not isinstance(deployment.arrangement, PagedCache):
        raise LogError(f"the log is vLLM's: plan it with --engine vllm, not {deployment.engine.name}")
    return deployment.arrangement.layout
