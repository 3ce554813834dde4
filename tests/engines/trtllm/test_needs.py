"""What TensorRT-LLM needs beside weights and cache, by hand and against what it printed."""

from dataclasses import replace
from typing import Any

import pytest

import kvplan
from kvplan.engines.overheads import borrowed_start_up
from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.trtllm.needs import start_up
from kvplan.engines.trtllm.versions import find_rules
from kvplan.gpus import find_card
from kvplan.specs.mlp import Mlp
from kvplan.units import GIB

RULES = find_rules()
DENSE = ProfileRun(
    card=replace(find_card("h100-80gb"), total_bytes=79 * GIB),
    hidden=1024,
    vocab=151_936,
    element_bytes=2,
    rotations=0,
    rotated=0,
    layers=28,
    tp=1,
    pp=1,
    batched_tokens=None,
    sequences=None,
    mlp=Mlp(intermediate=3072),
)
MIXTURE = DENSE._replace(hidden=2880, mlp=Mlp(experts_per_token=4, expert_intermediate=2880))


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        # 8192 x (3 x 3072 + 3 x 1024) x 2, and without a gate two of 3072.
        (DENSE, 201_326_592),
        (DENSE._replace(mlp=Mlp(intermediate=3072, gated=False)), 150_994_944),
        (DENSE._replace(batched_tokens=512), 12_582_912),
        (DENSE._replace(tp=2), 125_829_120),
        # 8192 x (4 x (2880 + 2 x 2880) + 3 x 2880) x 2.
        (MIXTURE, 707_788_800),
        # 256 of an expert on a rank, less than 7168: 8192 x (8 x 2 + 3) x 7168 x 2.
        (
            MIXTURE._replace(tp=8, hidden=7168, mlp=Mlp(experts_per_token=8, expert_intermediate=2048)),
            2_231_369_728,
        ),
    ],
)
def test_the_run_of_the_layers_by_hand(workload: ProfileRun, expected: int) -> None:
    assert start_up(workload, RULES).activation_bytes == expected


def test_a_mixtures_run_is_near_what_was_printed() -> None:
    """
    gpt-oss-120b on a GB10 allocated 0.85 GiB inside torch beside 64 requests of 8192 tokens in all.

    A public log of 1.1.0rc3, 20 December 2025: "Memory dynamically allocated during inference".
    """
    run = start_up(MIXTURE._replace(sequences=64), RULES).activation_bytes
    assert run / 2 < 0.85 * GIB < 2 * run


@pytest.mark.parametrize(
    ("model", "asked", "printed"),
    [
        # Qwen3-Reranker-0.6B, of which the rest was fitted: a log of 2026 prints 68.69 GiB.
        ("qwen3-0.6b", {"gpu": "h100"}, 68.69),
        # Kimi-K2.5-NVFP4 (1.3.0rc7, 20 March 2026), whose layers beside experts are in 16 bits: 166.02 GiB.
        (
            "kimi-k2.5",
            {"gpu": "275040MiB", "tp": 8, "kv_dtype": "fp8", "weight_dtype": "nvfp4"},
            166.02,
        ),
        # SmolLM2-135M by 1.2.1 on a card of 12,282 MiB under WSL, stored public file 61634826145.
        ("smollm2-135m", {"gpu": "12282MiB", "context": 2048}, 9.06),
        # By 0.20.0, for 4096 requests: github.com/NVIDIA/TensorRT-LLM/issues/6294.
        (
            "llama-3.1-8b",
            {
                "gpu": "h100",
                "weight_dtype": "fp8",
                "kv_dtype": "fp8",
                "utilization": "0.8",
                "max_num_batched_tokens": 23552,
            },
            52.51,
        ),
    ],
)
def test_the_range_has_what_was_printed(model: str, asked: dict[str, Any], printed: float) -> None:
    options: dict[str, Any] = {"context": 40960, "engine": "trtllm", "advice": False} | asked
    fit = kvplan.fit(model, **options)
    assert fit.kv_range is not None
    low, high = fit.kv_range
    assert low <= printed * GIB <= high


def test_two_layers_of_a_mixture_left_as_much_as_the_range_has() -> None:
    """
    MiMo-V2-Flash by 1.3.0rc0 on an H100: 59.50 GiB are 0.9 of 66.1 of 79.18.

    A dense layer and one of 256 experts, 4096 x 2048, in fp8, attention of 64 heads, and embedding and head
    of 152,576 rows in 16 bits: stored public file 59474166547.
    """
    dense, experts = 3 * 4096 * 16384, 256 * 3 * 4096 * 2048
    heads = 2 * 64 * 192 * 4096 + 2 * 2 * 64 * 128 * 4096
    weights = dense + experts + heads + 2 * 2 * 152_576 * 4096
    taken = 79.18 * GIB - 59.50 * GIB / 0.9 - weights
    mimo = MIXTURE._replace(hidden=4096, mlp=Mlp(experts_per_token=8, expert_intermediate=2048))
    needs = start_up(mimo._replace(vocab=152_576), RULES)
    assert needs.low_bytes < taken < needs.high_bytes


def test_the_fitted_start_up_comes_out() -> None:
    """0.9 of 79.18 GiB less weights and needs."""
    fit = kvplan.fit("qwen3-0.6b", gpu="h100", context=40960, engine="trtllm", advice=False)
    assert f"{fit.memory.kv_bytes / GIB:.2f}" == "68.69"


@pytest.mark.parametrize("tp", [1, 2, 8])
@pytest.mark.parametrize("pp", [1, 2])
@pytest.mark.parametrize("mlp", [None, DENSE.mlp, MIXTURE.mlp])
def test_the_estimate_lies_in_a_wide_range(tp: int, pp: int, mlp: Mlp | None) -> None:
    """At least 1 GiB on one GPU, and 10 on several."""
    estimate = start_up(DENSE._replace(tp=tp, pp=pp, ranks=tp * pp, mlp=mlp), RULES)
    middle = estimate.activation_bytes + estimate.overhead_bytes
    assert 0 < estimate.low_bytes <= middle
    assert estimate.high_bytes - middle >= (10 if tp * pp > 1 else 1) * GIB


def test_without_widths_the_estimate_is_borrowed_and_says_so() -> None:
    estimate = start_up(DENSE._replace(mlp=None), RULES)
    assert estimate.evidence == borrowed_start_up(DENSE).evidence
    assert estimate.evidence.startswith("borrowed from vLLM")
    assert start_up(DENSE, RULES).evidence.startswith("derived from TensorRT-LLM 1.3's profile run")
