"""CUDA graphs: what is captured by config/vllm.py, and start-ups that printed their estimate."""

import pytest

from kvplan.engines.vllm.graphs import captured, graphs_bytes, more_kernels
from kvplan.units import GIB, MIB


@pytest.mark.parametrize(
    ("sequences", "tokens", "most", "expected"),
    [
        # PIECEWISE=51 (512), FULL=51 on an H100; PIECEWISE=51 (512), FULL=35 (256) with 256 sequences.
        (1024, 8192, None, 51 + 51),
        (256, 2048, None, 51 + 35),
        # 1, 2, 4, 8 of 12, and 1, 2, 4 of 6.
        (6, 2048, None, 4 + 3),
        (1024, 8192, 16, 5 + 5),
        (1024, 2, None, 2 + 2),
        (1024, 8192, 271, 35 + 35),
        (1024, 8192, 272, 36 + 36),
    ],
)
def test_each_eighth_batch_is_captured_up_to_256(
    sequences: int, tokens: int, most: int | None, expected: int
) -> None:
    assert captured(sequences, tokens, most) == expected


def test_a_decoded_token_has_its_drafts() -> None:
    """
    64 sequences of 3 tokens: 43 sizes up to 384, and 27 up to 192 without 1 and 2, which are no whole step.

    Up to 1024 tokens there are 83 sizes.
    """
    assert captured(64, 4096, drafts=2) == 43 + 25
    assert captured(1024, 16384, usual=1024) == 83 + 83


def test_the_estimate_by_hand() -> None:
    """200 MiB, and for all 102 graphs 140 MiB and 0.018 GiB for each of 32 layers; nothing without graphs."""
    assert graphs_bytes(32, 102) == 340 * MIB + 32 * (18 * GIB // 1000)
    assert graphs_bytes(32, 51) == 200 * MIB + (140 * MIB + 32 * (18 * GIB // 1000)) // 2
    assert graphs_bytes(32, 0) == 0


@pytest.mark.parametrize(
    ("layers", "sequences", "printed"),
    [
        # Qwen2.5-7B on RTX 5090 with 0.24; Qwen3.6-27B on A100 40GB with 0.26 and on GB10 with 0.27.1; on two
        # cards with 6 sequences (stored public files of start-ups, and github.com/gpustack/runner/pull/251).
        (28, 256, 0.63),
        (64, 256, 1.22),
        (64, 1024, 1.56),
        (64, 6, 0.36),
    ],
)
def test_newer_releases_printed_what_the_line_of_older_ones_gives(
    layers: int, sequences: int, printed: float
) -> None:
    assert abs(graphs_bytes(layers, captured(sequences, 2048)) / GIB - printed) < 0.15


@pytest.mark.parametrize(
    ("layers", "more", "printed", "within"),
    [
        # Qwen3-30B-A3B, Qwen1.5-MoE-A2.7B, DeepSeek-V2-Lite and Kimi-VL-A3B on one H100 with 0.19, which set
        # none of it aside (github.com/llm-d-incubation/llm-d-planner/pull/205).
        (48, 5, 1.41, 0.15),
        (24, 5, 1.10, 0.25),
        (27, 17, 1.57, 0.25),
        (27, 17, 1.50, 0.25),
    ],
)
def test_kernels_of_experts_and_latents_take_more(
    layers: int, more: int, printed: float, within: float
) -> None:
    assert abs(graphs_bytes(layers, 102, more) / GIB - printed) < within
    assert graphs_bytes(layers, 102, more) - graphs_bytes(layers, 102) == layers * 102 * more * 12_288


def test_the_kernels_of_a_layer_follow_from_what_it_has() -> None:
    assert more_kernels("qwen3_moe", experts=True, latents=False) == 5
    assert more_kernels("deepseek_v2", experts=True, latents=True) == 17
    assert more_kernels("gpt_oss", experts=True, latents=False) == 17
    assert more_kernels(None, experts=False, latents=False) == 0
