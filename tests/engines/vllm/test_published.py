"""
Numbers that vLLM 0.33.0 gave for models of the catalogue, in 80 GiB where memory matters.

They were taken from runs of vLLM's planner on each model's own layer shapes.
"""

from typing import Any

import pytest

from kvplan.dtypes import BF16, FP32, kv_format
from kvplan.engines.vllm import NEWEST, VllmOptions, longest_context, plan_layout, plan_pool
from kvplan.engines.vllm.grouping import Group
from kvplan.specs import ModelSpec
from kvplan.specs.load import load
from kvplan.terms import Target
from kvplan.units import GIB
from tests.engines.vllm.planning import layout_of, layout_of_layers, pool_of

STATES_IN_BF16: dict[str, Any] = {"conv_dtype": BF16, "state_dtype": BF16}


def reserved(groups: list[Group], layout: Any) -> int:
    """Return the bytes per request that do not depend on a long context: window and state groups."""
    return sum(
        layout.charge.blocks(group.spec, 131072) * layout.bytes_per_block[0]
        for group in groups
        if group.spec.paging in ("sliding", "state")
    )


@pytest.mark.parametrize(
    ("model", "choices", "block_size", "bytes_per_block", "bytes_per_token", "fixed_bytes"),
    [
        ("llama-3.1-8b", {}, 16, 2_097_152, 131_072, 0),
        ("llama-3.1-8b", {"tp": 8}, 16, 262_144, 16_384, 0),
        ("gemma-3-27b", {}, 16, 1_310_720, 81_920, 8_564_244_480),
        ("gemma-3-27b", {"tp": 8}, 16, 163_840, 10_240, 1_070_530_560),
        ("gemma-3-27b", {"hybrid_manager": False}, 16, 16 * 507_904, 507_904, 0),
        ("deepseek-v3", {"block_size": 64}, 64, 4_497_408, 70_272, 0),
        ("deepseek-v3", {"block_size": 64, "tp": 8}, 64, 4_497_408, 70_272, 0),
        ("deepseek-v3.2", {"kv_dtype": "fp8_ds_mla"}, 64, 3_076_352, 48_068, 0),
        ("deepseek-v3.2", {"kv_dtype": "fp8_ds_mla", "tp": 8}, 64, 3_076_352, 48_068, 0),
        ("qwen3-next-80b-a3b", {"state_mode": "none", **STATES_IN_BF16}, 544, 13_369_344, 24_576, 40_108_032),
        (
            "qwen3-next-80b-a3b",
            {"state_mode": "align", **STATES_IN_BF16},
            544,
            13_369_344,
            24_576,
            80_216_064,
        ),
        (
            "qwen3-next-80b-a3b",
            {"state_mode": "none", "conv_dtype": BF16, "state_dtype": FP32},
            1056,
            25_952_256,
            24_576,
            77_856_768,
        ),
        (
            "qwen3-next-80b-a3b",
            {"state_mode": "none", "tp": 8, **STATES_IN_BF16},
            144,
            1_769_472,
            12_288,
            5_308_416,
        ),
        ("mamba-codestral-7b", {"state_mode": "none", **STATES_IN_BF16}, 16, 138_149_888, 0, 138_149_888),
        (
            "mamba-codestral-7b",
            {"state_mode": "none", "tp": 8, **STATES_IN_BF16},
            16,
            17_268_736,
            0,
            17_268_736,
        ),
        ("jamba-v0.1", {"state_mode": "none", **STATES_IN_BF16}, 80, 1_310_720, 16_384, 9_175_040),
        ("jamba-v0.1", {"state_mode": "none", "tp": 8, **STATES_IN_BF16}, 80, 163_840, 2_048, 1_146_880),
    ],
)
def test_blocks_of_known_models(  # noqa: PLR0913, PLR0917 - a row of a table
    model: str,
    choices: dict[str, Any],
    block_size: int,
    bytes_per_block: int,
    bytes_per_token: int,
    fixed_bytes: int,
) -> None:
    layout = layout_of(model, **choices)
    assert layout.block_size == block_size
    assert layout.bytes_per_block == (bytes_per_block,)
    whole = [group for group in layout.groups if group.spec.whole_context]
    assert len(whole) * bytes_per_block == bytes_per_token * block_size
    assert reserved(list(layout.groups), layout) == fixed_bytes


@pytest.mark.parametrize(
    ("model", "context", "choices", "num_blocks", "per_request", "tokens", "printed"),
    [
        ("llama-3.1-8b", 131_072, {}, 40_960, 8192, 655_360, "5.00x"),
        ("gemma-3-27b", 131_072, {}, 65_536, 14_726, 583_317, "4.45x"),
        ("gemma-3-27b", 131_072, {"hybrid_manager": False}, 10_570, 8192, 169_120, "1.29x"),
        ("deepseek-v3", 163_840, {"block_size": 64}, 19_099, 2560, 1_222_336, "7.46x"),
        (
            "qwen3-next-80b-a3b",
            262_144,
            {"state_mode": "none", **STATES_IN_BF16},
            *(6_425, 485, 3_472_732, "13.25x"),
        ),
        (
            "qwen3-next-80b-a3b",
            262_144,
            {"state_mode": "align", **STATES_IN_BF16},
            *(6_425, 488, 3_451_383, "13.17x"),
        ),
        ("jamba-v0.1", 262_144, {"state_mode": "none", **STATES_IN_BF16}, 65_536, 3284, 5_231_385, "19.96x"),
        (
            "mamba-codestral-7b",
            262_144,
            {"state_mode": "none", **STATES_IN_BF16},
            *(621, 1, 162_791_424, "621.00x"),
        ),
    ],
)
def test_the_start_up_lines_of_known_models(  # noqa: PLR0913, PLR0917 - a row of a table
    model: str,
    context: int,
    choices: dict[str, Any],
    num_blocks: int,
    per_request: int,
    tokens: int,
    printed: str,
) -> None:
    pool = pool_of(model, context, **choices)
    assert (pool.num_blocks, pool.blocks_per_request, pool.kv_tokens) == (num_blocks, per_request, tokens)
    assert f"{pool.max_concurrency:.2f}x" == printed


def test_dcp_halves_the_blocks_of_a_request_and_not_the_block() -> None:
    """DeepSeek-V3 in 8 GiB: 512 blocks of 64 tokens for 32768 of them, or 256 on each of two ranks."""
    one, two = (pool_of("deepseek-v3", 32_768, 8 * GIB, tp=8, dcp=dcp, block_size=64) for dcp in (1, 2))
    assert (one.blocks_per_request, two.blocks_per_request) == (512, 256)
    assert one.bytes_per_block == two.bytes_per_block
    assert one.kv_tokens is not None
    assert two.kv_tokens == 2 * one.kv_tokens


@pytest.mark.parametrize("memory", [3.855, 3.86, 3.8649])
def test_the_longest_context_that_a_start_up_printed(memory: float) -> None:
    """
    Qwen3.8-27B on two RX 7900 XT with vLLM 0.23.1: github.com/vllm-project/vllm/issues/49064.

    Of 161 blocks of 784 tokens three hold states, so 158 hold 123,872 tokens; the context of 122,633
    with which it then started takes 157 of them, and prints 123,399 tokens.
    """
    layout = layout_of("qwen3.8-27b", tp=2, version="0.23.1")
    available = int(memory * GIB)
    assert longest_context(layout, available) == 158 * 784 == 123_872
    pool = plan_pool(layout, available, 122_633)
    assert (pool.num_blocks, pool.kv_tokens) == (161, 123_399)


def test_four_compressed_layers_share_packed_blocks() -> None:
    """Two layers of ratio 4 and two of 128: every block takes the 95,616 B of their entries."""
    spec = load("deepseek-v4-flash")
    types = spec.lower_types(Target(kv=kv_format("fp8_ds_mla")))
    # Without the indexers' own compressors, as the numbers were taken.
    layers = [
        tuple(term for term in types[name] if term.allocation.pool != "indexer compressor state")
        for name in ("csa", "hca", "csa", "hca")
    ]
    layout = layout_of_layers(layers)
    assert layout.bytes_per_block == (95_616,)
    sizes = [(len(group.caches), group.bytes_on(0), group.spec.block_size) for group in layout.groups]
    assert sorted(sizes) == sorted(
        [
            (2, 74_880, 64),
            (2, 74_880, 64),
            (6, 95_616, 256),
            (2, 65_664, 4),
            (2, 65_664, 8),
        ]
    )


@pytest.mark.parametrize(("context", "kv_tokens"), [(20_000, 457_394), (131_072, 457_704)])
def test_a_window_longer_than_the_context_costs_a_spare_block(context: int, kv_tokens: int) -> None:
    """Phi-4-mini with the window of 262,144 tokens of its config: vLLM charges a block beside the tokens."""
    window = {"kind": "sliding", "heads": 24, "groups": 8, "head_dim": 128, "window": 262_144}
    spec = ModelSpec.model_validate({"name": "phi", "dtype": "bfloat16", "layers": 32, "attention": window})
    terms = spec.lower_types(Target(kv=kv_format("bf16")))
    layout = plan_layout(
        [[terms[name] for name in spec.layer_types]], tp=1, rules=NEWEST, options=VllmOptions()
    )
    pool = plan_pool(layout, 60_000_012_345, context)
    assert (pool.num_blocks, pool.kv_tokens) == (28_610, kv_tokens)
