"""Laws of every arrangement that is known."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kvplan.loads import uniform
from tests.engines.trtllm.making import blocks_of

WINDOWED = {"max_attention_window": "1024,1024,1024,1024,1024,65536"}
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("llama-3.1-8b", {}),
    ("llama-3.1-8b", {"kv_dtype": "nvfp4", "tp": 16, "block_size": 64}),
    ("gemma-3-27b", {"pp": 2}),
    ("gemma-3-27b", {"settings": WINDOWED, "tp": 3}),
    ("gemma-3-27b", {"settings": {"max_attention_window": "1000"}, "max_num_batched_tokens": 100}),
    ("deepseek-v3.2", {"tp": 8}),
)
BUILT = tuple((blocks_of(model, **options), options) for model, options in CASES)
ARRANGED = st.sampled_from([blocks for blocks, _ in BUILT])
ONE_POOL = st.sampled_from([blocks for blocks, options in BUILT if not {"pp", "settings"} & set(options)])
TOKENS, BATCHES = st.integers(1, 10**6), st.integers(0, 1000)


@given(ARRANGED, TOKENS, TOKENS, BATCHES, BATCHES)
def test_bytes_never_fall(blocks: Any, context: int, more: int, batch: int, others: int) -> None:
    first = blocks.reserved_bytes(rank=0, load=uniform(context, batch))
    assert first <= blocks.reserved_bytes(rank=0, load=uniform(context + more, batch))
    assert first <= blocks.reserved_bytes(rank=0, load=uniform(context, batch + others))


@given(ARRANGED, TOKENS, BATCHES)
def test_lines_add_up(blocks: Any, context: int, batch: int) -> None:
    reserved = blocks.reserved_bytes(rank=0, load=uniform(context, batch))
    lines = blocks.lines(rank=0, load=uniform(context, batch))
    assert sum(line.size_bytes for line in lines) == reserved
    assert lines[0].name == "formula"


@given(ONE_POOL, TOKENS, st.integers(1, 1000), st.integers(2**26, 2**40))
def test_sequences_fit_exactly_if_their_blocks_do(blocks: Any, context: int, batch: int, memory: int) -> None:
    found = blocks.start_up([memory], context)
    needed = batch * -(-context // found.block_size)
    reserved = blocks.reserved_bytes(rank=0, load=uniform(context, batch))
    assert (reserved <= memory) == (needed <= found.num_blocks)


@given(st.integers(65_537, 10**6), st.integers(1, 100), st.integers(2**36, 2**44))
def test_sequences_fit_exactly_if_each_half_holds_their_blocks(context: int, batch: int, memory: int) -> None:
    """Gemma 3 27B over 3 ranks: 6 heads each, 3072 bytes per layer and token, 52 and 10 layers."""
    row = 2 * 6 * 128 * 2
    local = memory // 2 // (52 * row * 32)
    far = memory // 2 // (10 * row * 32)
    in_flight = 65_536 + min(8192, context - 1 - 65_536)
    far_blocks = -(-in_flight // 32)
    far_blocks += -(-context // 32) > far_blocks
    blocks = blocks_of("gemma-3-27b", settings=WINDOWED, tp=3)
    reserved = blocks.reserved_bytes(rank=0, load=uniform(context, batch))
    assert (reserved <= memory) == (batch * 289 <= local and batch * far_blocks <= far)
