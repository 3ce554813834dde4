"""Blocks, contexts and memories at their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.engines.vllm import NEWEST, NoRoomError, RefusedError, longest_context, needed_bytes, plan_pool
from kvplan.loads import uniform
from tests.engines.vllm.planning import layout_of, pool_of

MODELS = (
    "llama-3.1-8b",
    "gemma-3-27b",
    "qwen3-next-80b-a3b",
    "deepseek-v3",
    "whisper-large-v3",
    "falcon-h1-1.5b",
)
LAYOUTS = {model: layout_of(model) for model in MODELS}


@given(st.sampled_from(MODELS), st.integers(1, 2**20), st.integers(0, 2**37))
def test_the_longest_context_is_the_last_that_fits(model: str, context: int, available: int) -> None:
    layout = LAYOUTS[model]
    longest = longest_context(layout, available, limit=context)
    if longest:
        assert plan_pool(layout, available, longest).usable_blocks >= layout.blocks_per_request(longest)
    if longest < context:
        with pytest.raises(NoRoomError):
            plan_pool(layout, available, longest + 1)


@given(st.sampled_from(MODELS), st.integers(1, 2**17), st.integers(2**34, 2**38))
def test_the_largest_batch_is_the_last_whose_reservation_fits(model: str, context: int, size: int) -> None:
    layout = LAYOUTS[model]
    try:
        batch = plan_pool(layout, size, context).max_batch
    except NoRoomError:
        batch = 0
    assert batch is not None
    assert layout.reserved_bytes(rank=0, load=uniform(context, batch)) <= size
    assert layout.reserved_bytes(rank=0, load=uniform(context, batch + 1)) > size


@given(st.sampled_from(MODELS), st.integers(1, 2**17), st.integers(1, 2**12))
def test_a_longer_context_never_needs_less(model: str, context: int, more: int) -> None:
    layout = LAYOUTS[model]
    assert needed_bytes(layout, 0, context) <= needed_bytes(layout, 0, context + more)


def test_the_smallest_rank_decides() -> None:
    """32 layers on 5 ranks are 6, 6, 7, 7 and 6 of them, at 65,536 B a layer and block."""
    pool = pool_of("llama-3.1-8b", 8192, 10**10, pp=5)
    assert pool.bytes_per_block == tuple(layers * 65_536 for layers in (6, 6, 7, 7, 6))
    assert pool.num_blocks == 10**10 // (7 * 65_536)
    assert pool.allocated_bytes == tuple(pool.num_blocks * size for size in pool.bytes_per_block)


def test_each_rank_may_have_its_own_memory() -> None:
    layout = layout_of("llama-3.1-8b", pp=2)
    pool = plan_pool(layout, [10 * 2**30, 9 * 2**30], 8192)
    assert pool.num_blocks == 9 * 2**30 // 2**20
    with pytest.raises(RefusedError, match="3 memories are not one for each of 2 pipeline ranks"):
        plan_pool(layout, [1, 2, 3], 8192)


def test_the_null_block_costs_a_sequence_where_memory_is_exact() -> None:
    """8192 tokens take 512 blocks: 1024 of them print 2.00x, and hold one request and 511 blocks."""
    pool = pool_of("llama-3.1-8b", 8192, 1024 * 2_097_152)
    assert f"{pool.max_concurrency:.2f}x" == "2.00x"
    assert (pool.usable_blocks, pool.max_batch) == (1023, 1)
    assert pool_of("llama-3.1-8b", 8192, 1025 * 2_097_152).max_batch == 2


def test_a_given_number_of_blocks_replaces_the_memory() -> None:
    pool = pool_of("llama-3.1-8b", 8192, 1, blocks=600)
    assert (pool.num_blocks, pool.allocated_bytes) == (600, (600 * 2_097_152,))
    with pytest.raises(NoRoomError):
        pool_of("llama-3.1-8b", 8192, 80 * 2**30, blocks=512)


@pytest.mark.parametrize(
    ("available", "words"),
    [
        (
            2**30,
            (
                f"one request of 131,072 tokens needs 16.00 GiB of KV cache, and {NEWEST.name} has 1.00 GiB: "
                "the longest that fits is 8,176 tokens"
            ),
        ),
        (
            8193 * 2_097_152 - 1,
            (
                f"one request of 131,072 tokens needs 17,179,869,184 B of KV cache, and {NEWEST.name} has "
                "17,179,869,183 B: the longest that fits is 131,056 tokens"
            ),
        ),
        (
            2_097_152,
            (
                f"one request of 131,072 tokens needs 16.00 GiB of KV cache, and {NEWEST.name} has 0.00 GiB: "
                "not even one token fits"
            ),
        ),
    ],
)
def test_no_room_is_told_with_the_context_that_has_it(available: int, words: str) -> None:
    with pytest.raises(NoRoomError) as error:
        pool_of("llama-3.1-8b", 131_072, available)
    assert str(error.value) == words


def test_a_context_below_1_is_refused() -> None:
    with pytest.raises(RefusedError, match="a context of 0 tokens is not at least 1"):
        pool_of("llama-3.1-8b", 0)
