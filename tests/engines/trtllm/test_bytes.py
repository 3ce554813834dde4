"""Bytes per token and per block, by hand from the formulas of resource_manager.py@001541bad83b."""

import pytest

from kvplan.loads import uniform
from tests.engines.trtllm.making import blocks_of, lines_of

TOKEN = 131_072
"""Llama 3.1 8B: K and V x 32 layers x 8 heads x 128 x 2 bytes."""


@pytest.mark.parametrize(
    ("model", "tp", "token_bytes"),
    [
        ("llama-3.1-8b", 1, 131_072),
        ("llama-3.1-8b", 8, 16_384),
        # Windows are not read from the config: all 62 layers x 16 heads x 128 x 2 x 2 bytes.
        ("gemma-3-27b", 1, 507_904),
        ("gemma-3-27b", 8, 63_488),
        # 61 layers x (512 + 64) x 2 bytes, K alone, and not divided by tp.
        ("deepseek-v3", 1, 70_272),
        ("deepseek-v3", 8, 70_272),
    ],
)
def test_a_block_holds_32_tokens(model: str, tp: int, token_bytes: int) -> None:
    blocks = blocks_of(model, tp=tp)
    for context, tokens in ((1, 32), (32, 32), (33, 64), (8192, 8192)):
        assert blocks.reserved_bytes(rank=0, load=uniform(context, 1)) == tokens * token_bytes
        assert blocks.reserved_bytes(rank=0, load=uniform(context, 7)) == 7 * tokens * token_bytes
    assert blocks.reserved_bytes(rank=0, load=uniform(8192, 0)) == 0


@pytest.mark.parametrize(
    ("kv_dtype", "token_bytes"),
    [("auto", TOKEN), ("bf16", TOKEN), ("fp8", TOKEN // 2), ("nvfp4", 65_536 // 2 + 65_536 // 16)],
)
def test_the_kv_dtype(kv_dtype: str, token_bytes: int) -> None:
    """65,536 elements per token; NVFP4 takes half a byte each and a byte for 16."""
    blocks = blocks_of("llama-3.1-8b", kv_dtype=None if kv_dtype == "auto" else kv_dtype)
    assert blocks.reserved_bytes(rank=0, load=uniform(32, 1)) == 32 * token_bytes


def test_a_block_may_be_larger() -> None:
    blocks = blocks_of("llama-3.1-8b", block_size=64)
    assert lines_of(blocks, context=65) == {"formula": 65 * TOKEN, "block rounding": 63 * TOKEN}


def test_kv_heads_are_rounded_up_and_the_estimate_takes_fractions() -> None:
    """8 heads over 3 ranks: 3 heads are stored, and 128 x 8 // 3 = 341 elements are estimated."""
    stored, estimated = 2 * 3 * 128 * 32 * 2, 2 * 341 * 32 * 2
    assert (stored, estimated) == (49_152, 43_648)
    blocks = blocks_of("llama-3.1-8b", tp=3)
    assert blocks.reserved_bytes(rank=0, load=uniform(32, 1)) == 32 * stored
    assert blocks.pools.estimated_token_bytes(0) == estimated
    assert blocks.token_range([1000 * stored]) == (1000, 1126)
    # A third of 32 tokens in a layer is 43,690 2/3 bytes.
    assert lines_of(blocks, context=32) == {
        "formula": 32 * 43_691,
        "replication": 32 * stored - 32 * 43_691,
    }


def test_more_ranks_than_kv_heads_are_estimated_at_half() -> None:
    blocks = blocks_of("llama-3.1-8b", tp=16)
    assert blocks.reserved_bytes(rank=0, load=uniform(32, 1)) == 32 * 16_384
    assert blocks.pools.estimated_token_bytes(0) == 8192
    assert blocks.token_range([16_384_000]) == (1000, 2000)
    assert lines_of(blocks, context=32) == {"formula": 32 * 8192, "replication": 32 * 8192}


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gemma-3-27b", "deepseek-v3", "deepseek-v3.2"])
@pytest.mark.parametrize("kv_dtype", [None, "fp8"])
def test_on_one_rank_estimate_and_manager_agree(model: str, kv_dtype: str | None) -> None:
    blocks = blocks_of(model, kv_dtype=kv_dtype)
    (group,) = blocks.pools.at(0, 4096)
    assert blocks.pools.estimated_token_bytes(0) == blocks.pools.token_bytes(group)


def test_a_latent_is_on_every_rank() -> None:
    blocks = blocks_of("deepseek-v3", tp=8)
    assert lines_of(blocks, context=32) == {"formula": 32 * 70_272 // 8, "replication": 32 * 70_272 * 7 // 8}


def test_a_selectors_keys_are_counted_as_elements() -> None:
    """DeepSeek-V3.2: 128 fp8 + 4 bytes of scale, counted twice over in bf16: 61 x (576 + 132) x 2."""
    blocks = blocks_of("deepseek-v3.2")
    assert blocks.reserved_bytes(rank=0, load=uniform(32, 1)) == 32 * 86_376
    assert lines_of(blocks, context=32) == {"formula": 32 * 61 * 704 * 2, "selector's keys": 32 * 61 * 8}


def test_a_selectors_keys_beside_fp8() -> None:
    blocks = blocks_of("deepseek-v3.2", kv_dtype="fp8", tp=8)
    assert blocks.reserved_bytes(rank=0, load=uniform(32, 1)) == 32 * 43_188


def test_windows_that_the_engine_does_not_read_are_a_line() -> None:
    """52 of 62 layers of Gemma 3 27B need 1024 of 8192 tokens, and keep all."""
    lines = lines_of(blocks_of("gemma-3-27b"), context=8192, batch=2)
    layer = 2 * 16 * 128 * 2
    assert lines == {
        "formula": 2 * (10 * 8192 + 52 * 1024) * layer,
        "attention windows": 2 * 52 * 7168 * layer,
    }


def test_block_reuse_changes_no_bytes() -> None:
    for reuse in (None, True, False):
        blocks = blocks_of("llama-3.1-8b", prefix_caching=reuse)
        assert blocks.reserved_bytes(rank=0, load=uniform(8192, 1)) == 8192 * TOKEN
