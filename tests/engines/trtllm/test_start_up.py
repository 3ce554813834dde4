"""Blocks at start-up: by hand, and as real engines printed them."""

import pytest

from kvplan.engines.trtllm.errors import NoRoomError, RefusedError
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs.load import load
from kvplan.units import GIB
from tests.engines.trtllm.making import arranged, blocks_of

BLOCK = 32 * 131_072


@pytest.mark.parametrize(
    ("model", "tp", "kv_dtype", "tokens", "printed"),
    [
        # github.com/NVIDIA/TensorRT-LLM/issues/4275: Llama 3.1 8B FP8 on an RTX 5090, 8219 blocks.
        ("llama-3.1-8b", 1, "fp8", 263_008, "16.05"),
        # github.com/ai-dynamo/dynamo at 336271e0c, examples/python_rs/llm/tensorrt_llm/README.md.
        ("tinyllama-1.1b", 2, None, 1_800_032, "18.88"),
        # forums.developer.nvidia.com/t/354807, TensorRT-LLM 1.1.0rc3: half of the layers of gpt-oss have
        # windows of 128 tokens, and are given 4128 like the rest.
        ("gpt-oss-20b", 1, None, 4128, "0.19"),
    ],
)
def test_published_allocations(model: str, tp: int, kv_dtype: str | None, tokens: int, printed: str) -> None:
    """The line `Allocated 16.05 GiB for max tokens in paged KV cache (263008)`."""
    blocks = blocks_of(model, tp=tp, kv_dtype=kv_dtype)
    size = blocks.reserved_bytes(rank=0, load=uniform(tokens, 1))
    assert f"{size / GIB:.2f}" == printed
    found = blocks.start_up([size], tokens)
    assert found is not None
    assert found.kv_tokens == tokens
    assert found.num_blocks == tokens // 32


def test_what_is_left_of_a_block_is_not_used() -> None:
    blocks = blocks_of("llama-3.1-8b")
    for size, expected in ((BLOCK, 1), (2 * BLOCK - 1, 1), (2 * BLOCK, 2), (40 * GIB, 10_240)):
        found = blocks.start_up([size], 8192)
        assert found is not None
        assert (found.num_blocks, found.block_size, found.kv_tokens) == (expected, 32, 32 * expected)
        assert found.max_concurrency is None


def test_spare_layers_are_on_the_first_stages() -> None:
    """32 layers over 3 stages: torch.tensor_split in Mapping.pp_layers (tensorrt_llm/mapping.py)."""
    assert deploy(load("llama-3.1-8b"), Choice(engine="trtllm", pp=3)).stage_sizes == (11, 11, 10)


def test_all_pipeline_ranks_have_the_fewest_tokens() -> None:
    """Half of the layers each: 65,536 bytes per token, and 1 GiB of them on the tighter rank."""
    found = blocks_of("llama-3.1-8b", pp=2).start_up([2 * GIB, GIB], 8192)
    assert found is not None
    assert found.num_blocks == GIB // (32 * 65_536) == 512


def test_max_tokens_bounds_the_pool() -> None:
    blocks = blocks_of("llama-3.1-8b", settings={"max_tokens": "1000"})
    found = blocks.start_up([40 * GIB], 8192)
    assert found is not None
    assert found.num_blocks == 31
    assert blocks.token_range([40 * GIB]) == (1000, 1000)


def test_a_context_longer_than_the_pool_is_no_refusal() -> None:
    """TensorRT-LLM lowers max_seq_len to the pool (_validate_and_adjust_attention_windows)."""
    found = blocks_of("llama-3.1-8b").start_up([10 * BLOCK], 131_072)
    assert found is not None
    assert found.kv_tokens == 320


def test_less_than_a_block_is_a_refusal() -> None:
    with pytest.raises(NoRoomError, match=r"cannot fit any sequence in 0\.00 GiB"):
        blocks_of("llama-3.1-8b").start_up([BLOCK - 1], 8192)


def test_each_pipeline_rank_has_a_memory() -> None:
    with pytest.raises(RefusedError, match="1 memories are not one for each of 2 pipeline ranks"):
        blocks_of("llama-3.1-8b", pp=2).start_up([GIB], 8192)


def test_a_model_that_caches_nothing() -> None:
    nothing = arranged("bert-base-uncased")
    assert nothing.reserved_bytes(rank=0, load=uniform(512, 9)) == 0
    assert [line.size_bytes for line in nothing.lines(rank=0, load=uniform(512, 9))] == [0]
    assert nothing.start_up([GIB], 512) is None
