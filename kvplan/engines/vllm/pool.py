"""The pool of blocks: how many there are, what a request takes, and how long it can get."""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

from kvplan.engines.vllm.errors import NoRoomError, RefusedError
from kvplan.engines.vllm.layout import Layout
from kvplan.records import record
from kvplan.units import counted, gib_apart

LONGEST = 2**40
"""No context is searched beyond this one."""


@record
class Pool:
    """
    What vLLM's start-up lines say, and what they do not.

    `num_blocks` is the least over ranks and includes the null block, which no request gets
    (v1/core/block_pool.py). `kv_tokens` is the figure of "GPU KV cache size", `max_concurrency`
    that of "Maximum concurrency for `context` tokens per request", printed with two decimals. All
    three are None for a model that caches nothing. `allocated_bytes` are per pipeline rank.
    """

    layout: Layout
    context: int
    num_blocks: int
    blocks_per_request: int
    kv_tokens: int | None
    max_concurrency: float | None

    @property
    def block_size(self) -> int:
        """Tokens in a block of attention."""
        return self.layout.block_size

    @property
    def bytes_per_block(self) -> tuple[int, ...]:
        """Bytes of one block by pipeline rank."""
        return self.layout.bytes_per_block

    @property
    def allocated_bytes(self) -> tuple[int, ...]:
        """Bytes of the whole pool by pipeline rank."""
        return tuple(self.num_blocks * size for size in self.bytes_per_block)

    @property
    def usable_blocks(self) -> int:
        """Blocks that requests can get: all but the null block."""
        return self.num_blocks - 1

    @property
    def concurrency(self) -> Fraction | None:
        """The exact ratio behind `max_concurrency`."""
        return Fraction(self.num_blocks, self.blocks_per_request) if self.blocks_per_request else None

    @property
    def max_batch(self) -> int | None:
        """Requests of `context` tokens that stand at once; None if they take no blocks."""
        return self.layout.max_batch(self.context, self.num_blocks)


def plan_pool(layout: Layout, available_bytes: int | Sequence[int], context: int) -> Pool:
    """
    Return the pool that vLLM makes of *available_bytes*, one figure for all pipeline ranks or one each.

    Raises NoRoomError if one request of *context* tokens does not fit, as vLLM refuses to start.
    """
    if context < 1:
        raise RefusedError(f"a context of {context} tokens is not at least 1")
    available = _per_rank(layout, available_bytes)
    if not layout.groups:
        return Pool(
            layout=layout,
            context=context,
            num_blocks=1,
            blocks_per_request=0,
            kv_tokens=None,
            max_concurrency=None,
        )
    for rank, size in enumerate(available):
        _require_room(layout, rank, size, context)
    num_blocks = _num_blocks(layout, available)
    per_request = layout.printed_blocks(context)
    # The float division and product are vLLM's own: get_kv_cache_capacity, v1/core/kv_cache_utils.py.
    concurrency = num_blocks / per_request
    return Pool(
        layout=layout,
        context=context,
        num_blocks=num_blocks,
        blocks_per_request=per_request,
        kv_tokens=_size_line(layout, num_blocks, concurrency, context),
        max_concurrency=concurrency,
    )


def most_sequences(layout: Layout, available_bytes: int | Sequence[int]) -> int | None:
    """
    Return the largest max_num_seqs with which vLLM starts; None if any will do.

    In a model with states each sequence needs a block of its own, and the null block counts as one; only
    where graphs of whole batches are captured (resolve_cudagraph_mode_and_sizes in config/compilation.py).
    """
    if not layout.rules.state_per_sequence or not layout.has_states or layout.options.eager:
        return None
    return _num_blocks(layout, _per_rank(layout, available_bytes))


def needed_bytes(layout: Layout, rank: int, context: int) -> int:
    """Return what the start-up check asks for one request of *context* tokens on a pipeline rank."""
    if layout.rules.check == "layers":
        return sum(
            layout.charge.blocks(cache.spec, context) * cache.spec.page_bytes
            for group in layout.groups
            for cache in group.caches
            if cache.rank == rank
        )
    if layout.rules.check == "first group":
        # A model that caches nothing has no group, and needs nothing.
        blocks = sum(layout.charge.blocks(group.spec, context) for group in layout.groups[:1])
        return layout.bytes_per_block[rank] * blocks
    block = layout.bytes_per_block[rank] if layout.slots is None else layout.slots.checked_bytes
    return block * layout.blocks_per_request(context)


def longest_context(layout: Layout, available_bytes: int | Sequence[int], limit: int = LONGEST) -> int:
    """
    Return the longest context up to *limit* that passes the start-up check, 0 if none does.

    This is what `--max-model-len auto` chooses.
    """
    available = _per_rank(layout, available_bytes)
    if not layout.groups:
        return limit
    return min(_longest(layout, rank, size, limit) for rank, size in enumerate(available))


def _longest(layout: Layout, rank: int, available: int, limit: int) -> int:
    left = _checked_bytes(layout, rank, available)
    return bisect_right(range(1, limit + 1), left, key=lambda context: needed_bytes(layout, rank, context))


def _per_rank(layout: Layout, available_bytes: int | Sequence[int]) -> list[int]:
    """Return the memory of each rank, which a given number of blocks replaces."""
    ranks = layout.pp
    sizes = [available_bytes] * ranks if isinstance(available_bytes, int) else list(available_bytes)
    if len(sizes) != ranks:
        raise RefusedError(f"{len(sizes)} memories are not one for each of {ranks} pipeline ranks")
    blocks = layout.options.blocks
    return sizes if blocks is None else [blocks * size for size in layout.bytes_per_block]


def _num_blocks(layout: Layout, available: Sequence[int]) -> int:
    """Return the blocks in the memory of each rank: as many as the rank with the fewest has."""
    return min(size // block for size, block in zip(available, layout.bytes_per_block, strict=True))


def _checked_bytes(layout: Layout, rank: int, available: int) -> int:
    """Return what the start-up check compares with: without the null block since 0.30."""
    return available - (layout.bytes_per_block[rank] if layout.rules.null_block_checked else 0)


def _require_room(layout: Layout, rank: int, available: int, context: int) -> None:
    left = _checked_bytes(layout, rank, available)
    needed = needed_bytes(layout, rank, context)
    if left > 0 and needed <= left:
        return
    longest = _longest(layout, rank, available, context) if left > 0 else 0
    needs, there = gib_apart(needed, left)
    hint = f"the longest that fits is {counted(longest, 'token')}" if longest else "not even one token fits"
    raise NoRoomError(
        f"one request of {counted(context, 'token')} needs {needs} of KV cache, and {layout.rules.name} "
        f"has {there}: {hint}"
    )


def _size_line(layout: Layout, num_blocks: int, concurrency: float, context: int) -> int:
    """
    Return the figure of "GPU KV cache size".

    Up to 0.19 the blocks of one group times the smallest block, for all DCP ranks
    (_report_kv_cache_config); since 0.20 concurrency times context.
    """
    if layout.rules.size_line == "concurrency":
        return int(concurrency * context)
    # A state's block is the whole context, with prefix caching that of attention.
    of_state = layout.block_size if layout.charge.states == "align" else context
    smallest = min(group.spec.block_size or of_state for group in layout.groups)
    return num_blocks // len(layout.groups) * smallest * layout.charge.dcp
