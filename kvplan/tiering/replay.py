"""
A trace's prompts replayed against a prefix cache that drops what was used longest ago, of every size at once.

The distance of a block is the number of distinct blocks used since its last use, itself included: a cache of
so many blocks has it, and a smaller one does not (Mattson et al., Evaluation techniques for storage
hierarchies, IBM Systems Journal 9(2), 1970). A request looks its blocks up before it uses them, and uses the
last of its prompt first, as engines free them: free in v1/core/kv_cache_manager.py of vLLM 0.33 appends a
request's blocks in reverse order. A block is thus never used later than those behind it, and what a cache of
any size has of a prompt is a prefix of it.
"""

from itertools import chain
from typing import NamedTuple

import numpy as np

from kvplan.records import record
from kvplan.traffic.arrays import Ints
from kvplan.traffic.observed import Observed
from kvplan.traffic.requests import TrafficError


class Hits(NamedTuple):
    """What a cache has of all prompts: blocks of them, and tokens in these."""

    blocks: int
    tokens: int


@record(slots=False, eq=False)
class Replay:
    """
    The distances of a trace, in runs: of a prompt's blocks that were last used together.

    A run's `sizes` blocks have the distances `above` + 1, `above` + 2 and so on, and all of them have
    `block` tokens, but for the last one, to which `missing` are. `blocks` and `tokens` are those of all
    prompts, of which `distinct` blocks differ.
    """

    block: int
    requests: int
    blocks: int
    tokens: int
    distinct: int
    above: Ints
    sizes: Ints
    missing: Ints

    def hits(self, capacity: int | None) -> Hits:
        """Return what a cache of *capacity* blocks has of the prompts; None for one that drops nothing."""
        if capacity is None:
            held = self.sizes
        else:
            # An int64 of numpy holds what no cache has, but not every int.
            held = np.clip(min(capacity, self.blocks) - self.above, 0, self.sizes)
        blocks = int(held.sum())
        return Hits(blocks=blocks, tokens=blocks * self.block - int(self.missing[held == self.sizes].sum()))


def replay(trace: Observed) -> Replay:
    """
    Return the distances of a trace's blocks, request by request as they arrived.

    Raises TrafficError for a trace without block hashes, or whose hashes are not those of prefixes.
    """
    if trace.hashes is None or trace.hash_block is None:
        raise TrafficError(
            f"{trace.words} has no block hashes: a replay needs the blocks of each prompt, as hash_ids of "
            "Mooncake's traces"
        )
    order = np.arange(trace.prompts.size)
    if trace.arrivals is not None:
        order = np.argsort(trace.arrivals, kind="stable")
    hashes, prompts = [trace.hashes[place] for place in order.tolist()], trace.prompts[order]
    counts = np.fromiter(map(len, hashes), dtype=np.int64, count=len(hashes))
    blocks = _named(chain.from_iterable(hashes), int(counts.sum()), trace.words)
    uses = _Uses(
        blocks=blocks,
        requests=np.repeat(np.arange(counts.size), counts),
        firsts=np.cumsum(counts) - counts,
        counts=counts,
    )
    return _distances(uses, prompts, trace)


class _Uses(NamedTuple):
    """
    Each use of a block, by request and from the prompt's first block on, shape (uses,).

    `firsts` and `counts` are each request's first use and number of them, shape (requests,).
    """

    blocks: Ints
    requests: Ints
    firsts: Ints
    counts: Ints


def _named(hashes: "chain[int]", count: int, words: str) -> Ints:
    try:
        return np.fromiter(hashes, dtype=np.int64, count=count)
    except OverflowError:
        raise TrafficError(f"{words}: a block hash is no int of 64 bits: number the blocks") from None


def _distances(uses: _Uses, prompts: Ints, trace: Observed) -> Replay:
    before = _last_uses(uses, trace.words)
    starts, sizes = _runs(before, uses.requests)
    last = before[starts]
    block = trace.hash_block or 1
    ends = starts + sizes - 1
    at_end = ends == (uses.firsts + uses.counts - 1)[uses.requests[starts]]
    short = uses.counts * block - prompts
    again = last >= 0
    # Distinct blocks used by the requests in between: of all uses before, those whose block was last used
    # at the run's last use or earlier, without what was used until then itself.
    until = np.cumsum(uses.counts)[last]
    above = _not_above_before(last, sizes) - until
    return Replay(
        block=block,
        requests=uses.counts.size,
        blocks=uses.blocks.size,
        tokens=int(prompts.sum()),
        distinct=int(sizes[~again].sum()),
        above=above[again],
        sizes=sizes[again],
        missing=np.where(at_end, short[uses.requests[starts]], 0)[again],
    )


def _last_uses(uses: _Uses, words: str) -> Ints:
    """Return the request that used each block last, -1 for none; raise if hashes are not of prefixes."""
    order = np.argsort(uses.blocks, kind="stable")
    blocks, requests = uses.blocks[order], uses.requests[order]
    same = np.zeros(order.size, dtype=bool)
    same[1:] = blocks[1:] == blocks[:-1]
    parents = np.empty_like(uses.blocks)
    parents[1:] = uses.blocks[:-1]
    inner = np.ones(order.size, dtype=bool)
    inner[uses.firsts[uses.counts > 0]] = False
    behind, inside = parents[order], inner[order]
    apart = (inside[1:] != inside[:-1]) | (inside[1:] & (behind[1:] != behind[:-1]))
    wrong = same[1:] & (apart | (requests[1:] == requests[:-1]))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0]) + 1
        raise TrafficError(
            f"{words}: block {blocks[place]} stands behind different blocks, so that its hash is not that of "
            "a prefix: hash each block with all before it"
        )
    before = np.full(order.size, -1, dtype=np.int64)
    before[order[1:][same[1:]]] = requests[:-1][same[1:]]
    return before


def _runs(before: Ints, requests: Ints) -> tuple[Ints, Ints]:
    """Return where runs of uses start, each of one request with one last use, and their sizes."""
    if not before.size:
        return before, before
    changes = (before[1:] != before[:-1]) | (requests[1:] != requests[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    return starts, np.diff(np.append(starts, before.size))


def _not_above_before(values: Ints, weights: Ints) -> Ints:
    """
    Return, for each element, the weights of the elements before it whose value is not above its own.

    The elements, ordered by value, are parted by the bits of their places, the highest first: those of a
    lower half that stand before one of the upper half are earlier, and not above it.
    """
    found = np.zeros(values.size, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    for bit in reversed(range(max(values.size - 1, 0).bit_length())):
        upper = (order >> bit & 1).astype(bool)
        # What shares the higher bits stands together, at the places that it numbers.
        start = order >> (bit + 1) << (bit + 1)
        weighed = _sums(np.where(upper, 0, weights[order]))
        found[order[upper]] += (weighed[:-1] - weighed[start])[upper]
        order = _parted(order, upper, start, 1 << bit)
    return found


def _parted(order: Ints, upper: "np.ndarray[tuple[int], np.dtype[np.bool_]]", start: Ints, half: int) -> Ints:
    """Return an order in which, from each *start* on, the lower halves stand before the *upper* ones."""
    places = np.arange(order.size)
    lower = _sums(~upper)
    ahead = lower[:-1] - lower[start]
    target = np.where(upper, np.minimum(start + half, order.size) + places - start - ahead, start + ahead)
    parted = np.empty_like(order)
    parted[target] = order
    return parted


def _sums(values: "np.ndarray[tuple[int], np.dtype[np.generic]]") -> Ints:
    """Return the sums of all before each place, and of all: shape (places + 1,)."""
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
