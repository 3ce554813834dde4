"""
Slots of LoRA adapters against SGLang 0.5.23's own pool.

Recorded of LoRAMemoryPool in srt/lora/mem_pool.py on the meta device, by these models' config.json: bytes
of all of its buffers, in bfloat16; without more, 8 slots of rank 16 for all modules. Widths of MLPs that it
reads of the layers (_dense_local_dim) were those of dense layers and of shared experts, cut over tp.
"""

from typing import Any

import pytest

import kvplan
from kvplan.engines.sglang.errors import OptionsError, RefusedError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.loaded import adapter_bytes

POOLS: list[tuple[str, dict[str, Any], int]] = [
    ("llama-3.1-8b", {}, 806_617_088),
    ("llama-3.1-8b", {"targets": "q_proj,o_proj", "rank": 64, "slots": 4}, 436_207_616),
    ("llama-3.1-8b", {"tp": 4}, 430_211_072),
    (
        "llama-3.1-8b",
        {"tp": 16, "targets": "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"},
        263_192_576,
    ),
    ("llama-3.1-8b", {"tp": 2, "targets": "lm_head"}, 17_465_344),
    ("llama-3.1-70b", {"tp": 8, "rank": 32}, 3_048_112_128),
    ("qwen2.5-0.5b", {}, 297_271_296),
    ("qwen2-7b", {"tp": 2}, 533_331_968),
    ("qwen3-0.6b", {}, 318_111_744),
    ("qwen3-32b", {"tp": 4, "targets": "qkv_proj,down_proj"}, 482_344_960),
    ("qwen3-30b-a3b", {}, 13_659_144_192),
    ("qwen3-30b-a3b", {"tp": 4}, 10_797_957_120),
    ("qwen3-30b-a3b", {"tp": 4, "ep": 4, "targets": "gate_proj,up_proj,down_proj"}, 3_321_888_768),
    ("qwen3-30b-a3b", {"tp": 8, "ep": 2}, 5_490_827_264),
    ("mixtral-8x7b", {"tp": 2}, 2_419_523_584),
    ("mistral-7b-v0.3", {}, 708_837_376),
    ("command-r-v01", {"tp": 4}, 1_016_332_288),
    ("exaone-4.0-32b", {"tp": 4}, 1_044_905_984),
    ("minimax-m2.5", {}, 56_800_706_560),
    ("minimax-m2.5", {"tp": 4}, 42_510_696_448),
    ("qwen1.5-moe-a2.7b", {}, 4_221_960_192),
    ("qwen1.5-moe-a2.7b", {"tp": 4}, 2_880_159_744),
    ("mimo-7b", {"tp": 4}, 465_190_912),
    ("olmo-2-1124-13b", {"tp": 4}, 595_066_880),
    ("olmo-2-0325-32b", {"tp": 4}, 1_046_740_992),
    ("deepseek-r1", {}, 112_689_627_136),
    ("deepseek-r1", {"tp": 4}, 93_254_828_032),
    ("deepseek-v2.5", {"tp": 4}, 41_506_701_312),
    ("gemma-2-27b", {"tp": 4}, 910_163_968),
    ("gemma-2-9b", {"tp": 4}, 585_891_840),
    ("gemma-2b", {}, 578_027_520),
    ("gemma-2b", {"tp": 4}, 295_698_432),
    ("gemma-3-27b", {"tp": 4}, 1_075_355_648),
    ("gemma-3-1b", {"tp": 4}, 263_946_240),
    ("granite-3.3-8b", {"tp": 4}, 453_783_040),
    ("phi-4", {}, 1_156_579_328),
    ("phi-4-mini", {"tp": 4}, 374_456_320),
    ("phi-3.5-moe", {"tp": 4}, 2_419_662_848),
    ("kimi-k2", {"tp": 4}, 139_180_195_840),
    ("gpt-oss-120b", {}, 20_784_283_648),
    ("gpt-oss-120b", {"tp": 4}, 12_999_245_824),
    ("gpt-oss-20b", {"tp": 4}, 2_339_946_496),
    ("stablelm-2-1.6b", {"tp": 4}, 192_937_984),
    ("xverse-7b", {"tp": 4}, 404_605_952),
    (
        "minimax-m2.5",
        {"tp": 8, "ep": 8, "targets": "gate_proj,up_proj,down_proj", "rank": 32, "slots": 2},
        3_510_632_448,
    ),
    ("minimax-m2.5", {"tp": 8, "ep": 2}, 21_405_655_040),
    (
        "deepseek-r1",
        {"tp": 8, "ep": 8, "targets": "gate_proj,up_proj,down_proj", "rank": 32, "slots": 2},
        7_084_277_760,
    ),
    ("deepseek-r1", {"tp": 8, "ep": 2}, 47_032_467_456),
    (
        "kimi-k2",
        {"tp": 8, "ep": 8, "targets": "gate_proj,up_proj,down_proj", "rank": 32, "slots": 2},
        10_536_714_240,
    ),
    ("kimi-k2", {"tp": 8, "ep": 2}, 70_003_998_720),
    (
        "gpt-oss-120b",
        {"tp": 8, "ep": 8, "targets": "gate_proj,up_proj,down_proj", "rank": 32, "slots": 2},
        1_274_019_840,
    ),
    ("gpt-oss-120b", {"tp": 8, "ep": 2}, 6_605_660_160),
    # With get_hidden_dim of srt/models/qwen3_5.py: each layer has slots for both mixers.
    ("qwen3.5-35b-a3b", {}, 20_960_509_952),
    ("qwen3.5-35b-a3b", {"tp": 4}, 17_608_015_872),
    (
        "qwen3.5-35b-a3b",
        {"tp": 2, "targets": "q_proj,o_proj,in_proj_qkvz", "rank": 32, "slots": 4},
        298_844_160,
    ),
    ("qwen3.5-35b-a3b", {"tp": 8, "ep": 8}, 2_957_279_232),
    ("qwen3.5-27b", {}, 2_826_436_608),
    ("qwen3.5-27b", {"tp": 4}, 1_560_870_912),
    ("qwen3.5-27b", {"tp": 2, "targets": "q_proj,o_proj,in_proj_qkvz", "rank": 32, "slots": 4}, 973_078_528),
    ("qwen3.5-4b", {"tp": 2, "targets": "q_proj,o_proj,in_proj_qkvz", "rank": 32, "slots": 4}, 276_824_064),
    ("qwen3.5-397b-a17b", {}, 122_690_207_744),
    ("qwen3.5-397b-a17b", {"tp": 4}, 103_818_788_864),
    (
        "qwen3.5-397b-a17b",
        {"tp": 2, "targets": "q_proj,o_proj,in_proj_qkvz", "rank": 32, "slots": 4},
        857_210_880,
    ),
    ("qwen3.5-397b-a17b", {"tp": 8, "ep": 8}, 16_117_694_464),
]


def deployed(model: str, **asked: Any) -> Deployment:
    degrees = {name: asked.pop(name) for name in ("tp", "pp", "ep") if name in asked}
    settings = {
        "enable_lora": "true",
        "max_lora_rank": str(asked.pop("rank", 16)),
        "lora_target_modules": asked.pop("targets", "all"),
        "max_loras_per_batch": str(asked.pop("slots", 8)),
    }
    assert not asked
    return deploy(kvplan.load(model), Choice(engine="sglang", settings=settings, **degrees))


@pytest.mark.parametrize(("model", "asked", "said"), POOLS)
def test_slots_are_those_of_sglangs_pool(model: str, asked: dict[str, Any], said: int) -> None:
    assert adapter_bytes(deployed(model, **asked)) == (said,)


def test_each_stage_has_slots_for_all_layers() -> None:
    """range(self.num_layer) in init_buffers, whatever the stage."""
    (alone,) = adapter_bytes(deployed("llama-3.1-8b"))
    assert adapter_bytes(deployed("llama-3.1-8b", pp=2)) == (alone, alone)


def test_slots_are_a_part_of_the_weights_of_a_plan() -> None:
    asked: dict[str, Any] = {"gpu": "h100", "engine": "sglang", "context": "8k"}
    settings = {"enable_lora": "true", "max_lora_rank": "16", "lora_target_modules": "all"}
    without, found = (kvplan.fit("llama-3.1-8b", settings=each, **asked).memory for each in ({}, settings))
    assert found.adapters_bytes == POOLS[0][2]
    assert found.weights_bytes == without.weights_bytes + found.adapters_bytes


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"enable_lora": "true"}, "give max_lora_rank and lora_target_modules=all, or some of them"),
        ({"max_lora_rank": "16"}, "SGLang takes no heed of max_lora_rank without adapters"),
        (
            {"enable_lora": "true", "max_lora_rank": "8", "lora_target_modules": "q_proj,gate"},
            "lora_target_modules='gate' is none that kvplan knows",
        ),
    ],
)
def test_what_sglang_does_not_take_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(OptionsError, match=said):
        deploy(kvplan.load("llama-3.1-8b"), Choice(engine="sglang", settings=settings))


@pytest.mark.parametrize(
    "model", ["deepseek-v2-lite", "gemma-4-31b", "qwen3-next-80b-a3b", "llama-4-scout-17b-16e"]
)
def test_models_that_were_not_read_are_refused(model: str) -> None:
    with pytest.raises(RefusedError, match="is not known to kvplan: leave enable_lora out"):
        adapter_bytes(deployed(model))


@pytest.mark.parametrize(
    ("model", "targets"),
    [("deepseek-v3", "q_proj"), ("llama-3.1-8b", "kv_b_proj"), ("gpt-oss-20b", "q_a_proj")],
)
def test_modules_that_a_class_has_not_are_refused(model: str, targets: str) -> None:
    """SGLang sizes their slots by the config all the same, with widths that no layer has."""
    with pytest.raises(RefusedError, match="leave it out of lora_target_modules"):
        adapter_bytes(deployed(model, targets=targets))
