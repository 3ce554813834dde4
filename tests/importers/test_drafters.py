"""Configs of drafts that are given a target's hidden states: what vLLM 0.33 makes and plans of them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import kvplan
from kvplan.importers import load

HEADS = {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256}
EAGLE: dict[str, Any] = {
    **HEADS,
    "architectures": ["EagleLlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 1,
    "intermediate_size": 14_336,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-05,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}
EAGLE3 = {**EAGLE, "architectures": ["LlamaForCausalLMEagle3"], "draft_vocab_size": 32_000}
DFLASH = {
    **HEADS,
    "architectures": ["DFlashDraftModel"],
    "model_type": "qwen3",
    "block_size": 16,
    "dflash_config": {"mask_token_id": 151_669, "target_layer_ids": [1, 9, 17, 25, 33]},
    "dtype": "bfloat16",
    "head_dim": 128,
    "hidden_act": "silu",
    "intermediate_size": 12_288,
    "attention_bias": False,
    "layer_types": ["full_attention"] * 5,
    "max_position_embeddings": 40_960,
    "max_window_layers": 5,
    "num_hidden_layers": 5,
    "num_target_layers": 36,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "vocab_size": 151_936,
}


class Planned(NamedTuple):
    """
    What vLLM 0.33.0 made of a draft's config on a rank, and planned of the target in 60,000,012,345 B.

    `weights` are the draft's parameters that are not the target's, `head` those of its own head beside, which
    a checkpoint of fewer tokens brings.
    """

    target: str
    config: dict[str, Any]
    tokens: int
    tp: int
    weights: int
    head: int
    blocks: int
    kv_tokens: int
    lookahead: int


VLLM = (
    Planned("llama-3.1-8b", EAGLE3, 3, 1, 587_491_328, 2 * 32_000 * 4096, 27_743, 443_888, 3),
    Planned("llama-3.1-8b", EAGLE3, 3, 4, 222_586_880, 2 * 32_000 * 1024, 110_973, 1_775_568, 3),
    Planned("llama-3.1-8b", EAGLE, 3, 1, 503_324_672, 0, 27_743, 443_888, 3),
    Planned("qwen3-8b", DFLASH, 15, 1, 2_097_261_056, 0, 22_329, 357_264, 16),
    Planned("qwen3-8b", DFLASH, 15, 4, 650_226_176, 0, 89_319, 1_429_104, 16),
)


def written(tmp_path: Path, config: dict[str, Any]) -> str:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize("said", VLLM, ids=lambda said: f"{said.config['architectures'][0]}-tp{said.tp}")
def test_a_draft_is_planned_as_vllm_does(tmp_path: Path, said: Planned) -> None:
    options: dict[str, Any] = {
        "draft": written(tmp_path, said.config),
        "engine": "vllm@0.33",
        "tp": said.tp,
        "context": 20_000,
        "settings": {"num_speculative_tokens": str(said.tokens)},
    }
    fit = kvplan.fit(said.target, kv_memory=60_000_012_345, advice=False, **options)
    assert (fit.num_blocks, fit.kv_tokens) == (said.blocks, said.kv_tokens)
    assert fit.plan.deployment.arrangement.layout.charge.lookahead_tokens == said.lookahead  # type: ignore[attr-defined]
    plans = [
        kvplan.plan(said.target, gpu="h200-141gb", **{**options, "draft": draft})
        for draft in (options["draft"], None)
    ]
    assert plans[0].weights[0] - plans[1].weights[0] == said.weights + said.head


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ({}, 8192 // 16),
        ({"max_num_batched_tokens": 4096}, 4096 // 16),
        ({"max_num_seqs": 100}, 100),
        # 0.32 does not bound them.
        ({"engine": "vllm@0.32"}, None),
    ],
)
def test_drafts_that_fill_blocks_share_a_batch(
    tmp_path: Path, asked: dict[str, Any], most: int | None
) -> None:
    """_set_max_num_scheduled_tokens in config/vllm.py of 0.33: 15 tokens drafted, and one that is known."""
    options: dict[str, Any] = {
        "draft": written(tmp_path, DFLASH),
        "engine": "vllm@0.33",
        "gpu": "h100-80gb",
        "settings": {"num_speculative_tokens": "15"},
    }
    plan = kvplan.plan("qwen3-8b", **options | asked)
    assert plan.most_sequences(128) == most


@pytest.mark.parametrize(
    ("more", "parameters"),
    [
        # Two of three states, and a norm before each: 4096 x 4096 less, 2 x 4096 more.
        (
            {"eagle_config": {"eagle_aux_hidden_state_layer_ids": [1, 15]}, "norm_before_fc": True},
            424_721_664 - 4096 * 4096 + 2 * 4096,
        ),
        ({"eagle_config": {"use_aux_hidden_state": False}}, 424_721_664 - 3 * 4096 * 4096),
        # The states of a wider target.
        ({"target_hidden_size": 8192}, 424_721_664 + 3 * 4096 * 4096),
        # A second layer sees the state alone, and has the same three norms.
        ({"num_hidden_layers": 2}, 424_721_664 + 41_943_040 + 176_160_768 + 3 * 4096),
        # As many tokens as the target: a head of its own, and no table.
        ({"draft_vocab_size": 128_256}, 424_721_664 + (128_256 - 32_000) * 4096 - 32_000),
    ],
)
def test_the_parameters_of_an_eagle_3_draft(tmp_path: Path, more: dict[str, Any], parameters: int) -> None:
    """The draft above has 293,617,664 beside a head of 131,072,000 and a table of 32,000."""
    assert load(written(tmp_path, {**EAGLE3, **more})).parameters == parameters


def test_a_quantised_draft_is_not_counted(tmp_path: Path) -> None:
    quantised = {**EAGLE3, "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
    spec = load(written(tmp_path, quantised))
    assert spec.parameters is None
    assert spec.uncounted == ("all parameters (kvplan cannot count those of this draft)",)
