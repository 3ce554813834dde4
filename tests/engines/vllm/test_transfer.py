"""What vLLM's NIXL connector moves of a prompt, against what people measured and by hand."""

from typing import Any

import pytest

import kvplan
from kvplan.engines.handover import Handover, Pulled
from kvplan.engines.vllm import RefusedError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy

MIB = 2**20


def pulled(model: str, tokens: int, *, prefill_tp: int | None = None, **choice: Any) -> Pulled:
    """Return what a rank reads; *prefill_tp* is that of the rank's own instance unless it is given."""
    options = {"engine": "vllm", **choice}
    deployment = deploy(kvplan.load(model), Choice(**options))
    assert deployment.engine.pulled is not None
    handover = Handover(tokens=tokens, tp=prefill_tp or deployment.tp)
    (found,) = deployment.engine.pulled(deployment.arrangement, handover)
    return found


def test_a_70b_in_118_blocks_has_160_to_18880_descriptors() -> None:
    """
    80 layers x 2 (K and V) x 118 blocks, over TP 8; merged where blocks lie in a row.

    Source: ai-dynamo/nixl issue 1514, of April 2026, when K and V still lay apart.
    """
    found = pulled("llama-3.1-70b", 118 * 16, tp=8, engine="vllm@0.19")
    assert (found.fewest, found.most) == (160, 18_880)


@pytest.mark.parametrize("tokens", [10_300, 41_100])
def test_glm_5_has_101_regions(tokens: int) -> None:
    """
    78 layers of MLA and 21 indexers, and one of each of the MTP layer: 101 descriptors of contiguous blocks.

    Source: vllm-project/vllm issue 55434, for prompts of 10.3k and of 41.1k tokens in blocks of 64; GLM-5.3
    has the layers of GLM-5.2.
    """
    draft = {"num_speculative_tokens": "3", "draft_layers": "1"}
    assert pulled("glm-5.2", tokens, block_size=64, settings=draft).fewest == 101


def test_blocks_of_16_of_a_32b_are_tens_of_thousands_of_8_kb() -> None:
    """
    Qwen3-32B in fp8 over TP 2, about 4.9k tokens: 64 layers x 2 x 307 blocks of 16 x 4 x 128 B.

    Source: vllm-project/vllm issue 50913: "tens of thousands of ~8KB NIXL descriptors".
    """
    found = pulled("qwen3-32b", 4_900, tp=2, kv_dtype="fp8", block_size=16, engine="vllm@0.24")
    assert found.most == 64 * 2 * 307 == 39_296
    assert found.size_bytes == found.most * 8_192


def test_the_average_of_50913_lies_between_the_fewest_and_the_most() -> None:
    """
    Its telemetry has 167 MB and 1,785 descriptors on average, of pulls whose lengths are not stated.

    At 65,536 B a token on a rank (Qwen3-32B, fp8, TP 2) 167 MiB are 2,672 tokens, 42 blocks of 64.
    """
    found = pulled("qwen3-32b", 2_672, tp=2, kv_dtype="fp8", block_size=64, engine="vllm@0.24")
    assert found.size_bytes == 42 * 64 * 65_536 == 168 * MIB
    assert (found.fewest, found.most) == (128, 5_376)
    assert found.fewest < 1_785 < found.most


def test_one_block_of_36_layers_is_72_descriptors_and_2_25_mib() -> None:
    """Source: vllm-project/vllm issue 41230 of April 2026; 36 layers of 8 KV heads of 128 are Qwen3-8B's."""
    found = pulled("qwen3-8b", 16, engine="vllm@0.19")
    assert (found.size_bytes, found.fewest, found.most) == (9 * MIB // 4, 72, 72)


def test_since_0_26_keys_and_values_are_one_descriptor() -> None:
    assert pulled("llama-3.1-8b", 1_000, engine="vllm@0.24").most == 32 * 2 * 63
    assert pulled("llama-3.1-8b", 1_000, engine="vllm@0.26").most == 32 * 63


@pytest.mark.parametrize(
    ("tp", "prefill_tp", "reads", "whole"),
    [
        (4, 4, 1, True),
        # A rank of 4 heads reads 2 from each of two ranks; one of 2 heads reads half a block.
        (2, 4, 2, False),
        (4, 2, 1, False),
        # 8 KV heads: one on each rank either way, though 16 ranks hold each twice.
        (8, 16, 1, True),
        (16, 8, 1, True),
        (4, 16, 2, False),
    ],
)
def test_another_tp_splits_heads(tp: int, prefill_tp: int, reads: int, *, whole: bool) -> None:
    """80 layers, 10 blocks of 16; slices of heads do not lie in a row."""
    found = pulled("llama-3.1-70b", 160, tp=tp, prefill_tp=prefill_tp)
    assert found.size_bytes == 160 * 80 * 2 * max(1, 8 // tp) * 128 * 2
    assert found.most == 80 * 10 * reads
    assert found.fewest == (80 if whole else found.most)


def test_every_rank_reads_a_whole_latent() -> None:
    """576 elements of 2 bytes in 61 layers, from one rank, whatever the TP there."""
    for prefill_tp in (1, 8):
        found = pulled("deepseek-v3", 32_768, tp=8, prefill_tp=prefill_tp)
        assert found.size_bytes == 32_768 * 61 * 1_152
        assert found.fewest == 61


def test_of_windows_only_those_blocks_are_read_that_can_hold_them() -> None:
    """Gemma 3 27B: 10 layers of full attention and 52 of 1,024 tokens, 64 blocks and one more."""
    found = pulled("gemma-3-27b", 32_768)
    page = 16 * 2 * 16 * 128 * 2
    assert found.size_bytes == page * (10 * 2_048 + 52 * 65)
    assert found.most == 10 * 2_048 + 52 * 65


def test_a_state_is_read_in_its_parts_and_the_last_token_is_left_to_the_decoder() -> None:
    """
    Qwen3-Next 80B: 36 states in 3 parts of a convolution and one more, and 12 layers of attention.

    A prompt that ends a token behind a block's end needs no block for that token.
    """
    one, more = pulled("qwen3-next-80b-a3b", 2), pulled("qwen3-next-80b-a3b", 1_000_000)
    assert one.most == 36 * 4 + 12
    state = 3 * (2 * 16 * 128 + 32 * 128) * 2 + 32 * 128 * 128 * 2
    assert (more.size_bytes - 36 * state) % (12 * 2 * 2 * 256 * 2) == 0
    block = (one.size_bytes - 36 * state) // (12 * 2 * 2 * 256 * 2)
    assert pulled("qwen3-next-80b-a3b", block + 1).most == one.most
    assert pulled("qwen3-next-80b-a3b", block + 2).most == one.most + 12


@pytest.mark.parametrize(
    ("model", "engine", "problem"),
    [
        ("kimi-linear-48b-a3b", "vllm", "moves states of Mamba, Mamba-2 and Gated DeltaNet alone"),
        ("qwen3-next-80b-a3b", "vllm@0.19", "moves windows between instances, and no other pages"),
        ("gemma-3-27b", "vllm@0.17", "moves full attention between instances, and no other pages"),
        ("llama-4-scout-17b-16e", "vllm", "moves this cache between instances is not known"),
        ("deepseek-v4-flash", "vllm", "moves this cache between instances is not known"),
    ],
)
def test_what_is_not_moved_or_not_known_is_refused(model: str, engine: str, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        pulled(model, 4_096, engine=engine)


def test_of_two_degrees_one_divides_the_other() -> None:
    """As the connector asks for it when two instances meet."""
    with pytest.raises(RefusedError, match="moves no cache between tp=6 and tp=4: neither divides the other"):
        pulled("llama-3.1-8b", 1_000, tp=4, prefill_tp=6)
