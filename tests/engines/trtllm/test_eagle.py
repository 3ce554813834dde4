"""
EAGLE-3 drafts, whole models that draft, and slots of experts in TensorRT-LLM.

By hand: get_num_spec_layers (speculative/utils.py) with validate_eagle_config (llmapi/llm_args.py) give the
model's pool a layer for each drafted token; a draft with an engine of its own has a manager of its own, with
as many tokens (KvCacheCreator in pyexecutor/_util.py); MoeLoadBalancerConfig deals num_slots out over ep.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.importers import load
from kvplan.planner.facts import Assumed

# One layer for Llama 3.1 8B, with rows as its 32: 8 KV heads of 128.
EAGLE3: dict[str, Any] = {
    "architectures": ["LlamaForCausalLMEagle3"],
    "model_type": "llama",
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "draft_vocab_size": 32_000,
    "num_hidden_layers": 1,
    "intermediate_size": 14_336,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-05,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
ROW = 2 * 8 * 128 * 2


def fit(model: str = "llama-3.1-8b", **options: Any) -> Any:
    given: dict[str, Any] = {"gpu": "h100-80gb", "engine": "trtllm", "context": 8192, "advice": False}
    return kvplan.fit(model, **given | options)


@pytest.fixture
def eagle(tmp_path: Path) -> Any:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(EAGLE3))
    return load(path)


@pytest.mark.parametrize(("settings", "layers"), [({"max_draft_len": "3"}, 3), ({"max_draft_len": "1"}, 1)])
def test_the_pool_has_a_layer_for_each_token_that_eagle_drafts(
    settings: dict[str, str], layers: int, eagle: Any
) -> None:
    answer = fit(draft=eagle, settings=settings)
    assert answer.bytes_per_token == (32 + layers) * ROW
    (line,) = [line.size_bytes for line in answer.waterfall if line.name == "draft layers"]
    assert line == 8192 * layers * ROW


def test_without_the_tokens_that_it_drafts_a_line_says_so(eagle: Any) -> None:
    answer = fit(draft=eagle)
    assert answer.bytes_per_token == 33 * ROW
    said = [each.text for each in answer.warnings if isinstance(each, Assumed)]
    assert any("give --set max_draft_len=N" in text for text in said)


def test_by_two_models_a_draft_has_its_own_layers_in_a_pool_of_its_own(eagle: Any) -> None:
    answer = fit(draft=eagle, settings={"max_draft_len": "3", "eagle3_one_model": "false"})
    assert answer.bytes_per_token == 33 * ROW


def test_a_whole_model_that_drafts_has_rows_of_its_own() -> None:
    """16 layers of 8 KV heads of 64 beside 32 of 8 of 128, in as many blocks; at tp 2 half of each."""
    for tp in (1, 2):
        answer = fit(draft="llama-3.2-1b", tp=tp)
        assert answer.bytes_per_token == (32 * ROW + 16 * ROW // 2) // tp
        assert answer.bytes_per_sequence == 8192 * answer.bytes_per_token
        known = fit(draft="llama-3.2-1b", tp=tp, kv_memory=40_000_000_000)
        assert known.kv_tokens == 40_000_000_000 // answer.bytes_per_token // 32 * 32
    with_draft, without = (fit(draft=draft).memory.weights_bytes for draft in ("llama-3.2-1b", None))
    assert with_draft - without == 2 * 1_235_814_400


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"settings": {"max_draft_len": "3"}}, "max_draft_len goes with an EAGLE-3 draft"),
        ({"settings": {"eagle3_one_model": "false"}}, "eagle3_one_model goes with an EAGLE-3 draft"),
        ({"draft": "llama-3.2-1b", "settings": {"max_draft_len": "3"}}, "max_draft_len goes with an EAGLE-3"),
        ({"draft": "llama-3.2-1b", "pp": 2}, "divides memory between a draft's own pool and several"),
        (
            {"draft": "llama-3.2-1b", "settings": {"max_attention_window": "512,8192"}},
            "divides memory between a draft's own pool and several",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(KvplanError, match=said):
        fit(**options)


def test_the_cache_of_an_eagle_that_pytorchs_flow_does_not_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(EAGLE3 | {"architectures": ["EagleLlamaForCausalLM"]}))
    with pytest.raises(KvplanError, match="draft of the kind 'eagle' is not known to kvplan"):
        fit(draft=load(path))


# DeepSeek-V3's 58 mixtures: three matrices of 7168 x 2048 in fp8, a float32 for each block of 128 x 128.
EXPERT = 3 * 7168 * 2048 + 3 * 56 * 16 * 4
WIDE: dict[str, Any] = {"gpu": "h200-141gb", "dp": 32, "ep": 32}


def test_a_rank_holds_its_part_of_the_slots_of_experts() -> None:
    attention = {"enable_attention_dp": "true"}
    plain = fit("deepseek-v3", settings=attention, **WIDE)
    slots = fit("deepseek-v3", settings=attention | {"num_slots": "288"}, **WIDE)
    assert (plain.experts.on_gpu, slots.experts.on_gpu) == (256 // 32, 288 // 32)
    assert slots.memory.weights_bytes - plain.memory.weights_bytes == 58 * EXPERT


@pytest.mark.parametrize(
    ("slots", "said"),
    [("300", "num_slots=300 is no multiple of ep=32"), ("224", "224 slots do not hold the 256 experts")],
)
def test_slots_that_do_not_hold_the_experts_are_refused(slots: str, said: str) -> None:
    with pytest.raises(KvplanError, match=said):
        fit("deepseek-v3", settings={"enable_attention_dp": "true", "num_slots": slots}, **WIDE)
