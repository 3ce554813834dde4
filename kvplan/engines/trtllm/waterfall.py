"""Line by line from the formula's bytes to those that TensorRT-LLM needs; the lines add up exactly."""

from collections.abc import Iterator

from kvplan.engines.arrangement import Line
from kvplan.engines.trtllm.pools import Group, Pools
from kvplan.loads import Load
from kvplan.terms import Layer
from kvplan.units import ceil_div

REASONS = {
    "formula": "the tokens' own bytes, each stored once over the TP ranks",
    "replication": "KV heads are rounded up on each rank, and a latent is on every one",
    "attention windows": "a layer keeps what max_attention_window says, without it the whole context",
    "window reserve": "tokens in flight stay until the window has passed them",
    "block rounding": "the last block of each sequence is not full",
    "draft layers": "what drafts tokens keeps them, too, in rows like the model's or in a pool of its own",
    "selector's keys": "their bytes are counted as elements of the KV dtype, in every layer",
    "equal pools": "each length of window has the same share of the memory",
}
"""Every line that there may be, in order, and why it is there."""


def sequence_bytes(pools: Pools, rank: int, context: int) -> int:
    """
    Return the memory that one sequence more needs on a rank.

    With windows of two lengths each pool has half of the memory, so that it is twice what the fuller
    one takes (calculate_max_num_blocks_for_vswa in resource_manager.py).
    """
    groups = pools.at(rank, context)
    return len(groups) * max(pool_bytes(pools, group, context) for group in groups)


def waterfall(pools: Pools, *, rank: int, load: Load) -> tuple[Line, ...]:
    """
    Return what sequences need on a pipeline rank, line by line.

    The lines add up to the `sequence_bytes` of each; empty lines are left out.
    """
    sizes = dict.fromkeys(REASONS, 0)
    for context, batch in load:
        for name, size in _of_sequence(pools, rank, context):
            sizes[name] += batch * size
    return tuple(
        Line(name=name, size_bytes=size, reason=REASONS[name])
        for name, size in sizes.items()
        if size or name == "formula"
    )


def _of_sequence(pools: Pools, rank: int, context: int) -> Iterator[tuple[str, int]]:
    groups = pools.at(rank, context)
    for group in groups:
        for layer, count in group.layers:
            for name, size in _of_layer(pools, group, layer, context):
                yield name, count * size
        reserved = pools.blocks(group, context) * pools.block_size
        yield (
            "draft layers",
            reserved * (group.drafts * pools.shape.counted_bytes(pools.tp) + pools.apart_bytes),
        )
    in_pools = sum(pool_bytes(pools, group, context) for group in groups)
    yield "equal pools", sequence_bytes(pools, rank, context) - in_pools


def pool_bytes(pools: Pools, group: Group, context: int) -> int:
    """Return what one sequence takes of the pool of *group*."""
    return pools.blocks(group, context) * pools.block_size * pools.token_bytes(group)


def _of_layer(pools: Pools, group: Group, layer: Layer, context: int) -> Iterator[tuple[str, int]]:
    """Yield what lies between one layer's formula and its rows in whole blocks."""
    shape, rows = pools.shape, layer[0].rows.at(context)
    row = shape.row_bytes(pools.tp)
    share = ceil_div(sum(term.bytes_on_rank(context, 1) for term in layer), pools.tp)
    keys = sum(term.bytes_on_rank(context, 1) for term in layer if term.role == "indexer")
    tokens, held = group.tokens(context), pools.held_tokens(group, context)
    reserved = pools.blocks(group, context) * pools.block_size
    yield "formula", share
    yield "replication", rows * row + keys - share
    yield "attention windows", (tokens - rows) * row
    yield "window reserve", (held - tokens) * row
    yield "block rounding", (reserved - held) * row
    yield "selector's keys", reserved * (shape.counted_bytes(pools.tp) - row) - keys
