"""The widths of MLPs, from config.json files of each form; expected values are the files' own."""

from typing import Any

import pytest
from pydantic import ValidationError

from kvplan.importers.fields import Fields
from kvplan.importers.mlp import read_mlp
from kvplan.specs.mlp import Mlp

FORMS: list[tuple[str, dict[str, Any], Mlp | None]] = [
    # Llama-3.1-8B, OPT-6.7B, StarCoder2-15B, Qwen3-30B-A3B, Mixtral-8x7B, gpt-oss-20b, Llama 4, GLM-4-9B.
    ("llama", {"intermediate_size": 14336}, Mlp(intermediate=14336)),
    ("opt", {"ffn_dim": 16384}, Mlp(intermediate=16384, gated=False)),
    ("starcoder2", {"intermediate_size": 24576}, Mlp(intermediate=24576, gated=False)),
    (
        "qwen3_moe",
        {"intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts_per_tok": 8},
        Mlp(intermediate=6144, experts_per_token=8, expert_intermediate=768),
    ),
    (
        "mixtral",
        {"intermediate_size": 14336, "num_experts_per_tok": 2},
        Mlp(experts_per_token=2, expert_intermediate=14336),
    ),
    (
        "gpt_oss",
        {"intermediate_size": 2880, "num_experts_per_tok": 4, "experts_per_token": 4},
        Mlp(experts_per_token=4, expert_intermediate=2880),
    ),
    (
        "llama4_text",
        {"intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_experts_per_tok": 1},
        Mlp(intermediate=16384, experts_per_token=1, expert_intermediate=8192),
    ),
    (
        # DeepSeek-V3, and DeepSeek-V2-Lite, whose experts are in one group.
        "deepseek_v3",
        {
            "moe_intermediate_size": 2048,
            "num_experts_per_tok": 8,
            "n_group": 8,
            "topk_group": 4,
            "routed_scaling_factor": 2.5,
        },
        Mlp(experts_per_token=8, expert_intermediate=2048, expert_groups=8, groups_per_token=4, scaled=True),
    ),
    (
        "deepseek_v2",
        {
            "moe_intermediate_size": 2048,
            "num_experts_per_tok": 8,
            "n_group": 1,
            "topk_group": 1,
            "routed_scaling_factor": 1.0,
        },
        Mlp(experts_per_token=8, expert_intermediate=2048),
    ),
    ("chatglm", {"ffn_hidden_size": 13696}, Mlp(intermediate=13696)),
    ("mamba", {"intermediate_size": None}, None),
    ("gpt2", {"n_inner": None}, None),
    ("llama", {"intermediate_size": "wide"}, None),
    ("mixtral", {"num_experts_per_tok": 2}, None),
]


@pytest.mark.parametrize(("model_type", "values", "expected"), FORMS)
def test_the_widths_are_the_files_own(model_type: str, values: dict[str, Any], expected: Mlp | None) -> None:
    assert read_mlp(Fields(values, file="config.json"), model_type) == expected


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"experts_per_token": 8},
        {"expert_intermediate": 8},
        {"gated": False},
        {"intermediate": 8, "groups_per_token": 2},
    ],
)
def test_half_of_it_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mlp.model_validate(values)
