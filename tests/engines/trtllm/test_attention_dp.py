"""
Attention data parallelism and drafts in TensorRT-LLM.

By the sources: tp_size is 1 for KV heads (KVCacheManager and get_cache_size_per_token in
resource_manager.py), for dense MLPs (_compute_mlp_tp_size in modeling_deepseekv3.py), head and embedding
(modeling_utils.py), and all ranks together hold the routed experts; a draft's layers are on the last rank
(get_pp_layers).
"""

from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.planner.facts import Assumed
from kvplan.serving import read_command

GROUP = {"engine": "trtllm", "settings": {"enable_attention_dp": "true"}}
TOKEN = 61 * (512 + 64) * 2


def fit(model: str = "deepseek-v3", gpu: str = "h200", **options: Any) -> kvplan.Fit:
    return kvplan.fit(model, gpu=gpu, context=8192, **{**GROUP, **options})


def test_each_rank_has_blocks_for_sequences_of_its_own() -> None:
    answer = fit(dp=8)
    assert answer.bytes_per_token == TOKEN
    assert answer.num_blocks == answer.memory.kv_bytes // TOKEN // 32
    assert answer.max_batch == 8 * (answer.memory.kv_bytes // (8192 * TOKEN))


def test_kv_heads_stay_whole() -> None:
    """4 KV heads x 128 x (K, V) x 2 bytes x 94 layers on each rank, not a head's share over 8."""
    answer = fit("qwen3-235b-a22b", dp=8, ep=8, gpu="h200")
    assert answer.bytes_per_token == 94 * 4 * 128 * 2 * 2


def test_experts_alone_are_dealt_out() -> None:
    """
    What is not a routed expert is on every rank as on one GPU, and of 256 experts there are 32.

    DeepSeek-V3: 58 layers x 256 experts x 3 x 7168 x 2048 in fp8, with a float32 scale for each 128 x 128.
    """
    alone = kvplan.fit("deepseek-v3", gpu="2TB", context=8192, engine="trtllm").memory.weights_bytes
    expert = 3 * 7168 * 2048 + 3 * 56 * 16 * 4
    for ep in (1, 8):
        assert fit(dp=8, ep=ep).memory.weights_bytes == alone - 58 * 256 * expert * 7 // 8
    whole = fit(dp=8, ep=8)
    assert whole.experts is not None
    assert (whole.experts.on_gpu, whole.experts.cut_over, whole.experts.dealt_over) == (32, 1, 8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tp": 8}, "what TensorRT-LLM calls tp_size is dp here, and tp is 1, not 8"),
        ({"dp": 8, "ep": 3}, "ep=3 does not divide dp=8: TensorRT-LLM takes a divisor"),
        (
            {"dp": 8, "settings": {"num_nextn_predict_layers": "3", "enable_attention_dp": "true"}},
            "num_nextn_predict_layers goes with a draft of the model's own",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionsError, match=said):
        fit(**options)


@pytest.mark.parametrize(("drafted", "layers"), [(None, 1), ("1", 1), ("3", 3)])
def test_the_pool_has_a_layer_for_each_drafted_token(drafted: str | None, layers: int) -> None:
    """As many as num_nextn_predict_layers, though the checkpoint has one module whose weights are loaded."""
    settings = {"enable_attention_dp": "true"}
    if drafted:
        settings["num_nextn_predict_layers"] = drafted
    plain, answer = fit(dp=8, ep=8), fit(dp=8, ep=8, draft="mtp", settings=settings)
    assert answer.bytes_per_token == TOKEN // 61 * (61 + layers)
    (lines,) = [line.size_bytes for line in answer.waterfall if line.name == "draft layers"]
    assert lines == 8192 * layers * (512 + 64) * 2
    assert answer.memory.weights_bytes > plain.memory.weights_bytes
    assert any(
        isinstance(each, Assumed) and "beyond a sequence's end" in each.text for each in answer.warnings
    )


def test_a_modules_projection_is_cut_without_attention_data_parallelism_alone() -> None:
    """eh_proj, 2 x 7168 to 7168 in bfloat16."""
    projection = 2 * 7168 * 7168 * 2
    expert = 3 * 7168 * 2048 + 3 * 56 * 16 * 4
    group = [fit(dp=8, ep=8, draft=draft).memory.weights_bytes for draft in (None, "mtp")]
    tp = [fit(tp=8, ep=8, draft=draft, settings={}).memory.weights_bytes for draft in (None, "mtp")]
    whole = projection + 32 * expert
    assert group[1] - group[0] > whole
    assert tp[1] - tp[0] < whole
    assert tp[1] - tp[0] > projection // 8 + 32 * expert


def test_a_draft_goes_on_the_last_stage() -> None:
    plain, drafting = (fit(pp=2, settings={}, draft=draft) for draft in (None, "mtp"))
    used = [[stage.memory.kv_used_bytes for stage in each.stages] for each in (plain, drafting)]
    assert used[0] == [31 * 8192 * 1152, 30 * 8192 * 1152]
    assert used[1] == [31 * 8192 * 1152, 31 * 8192 * 1152]


def test_the_command_says_tp_size() -> None:
    command = "trtllm-serve deepseek-ai/DeepSeek-V3 --tp_size 8 --ep_size 8 --enable_attention_dp"
    asked = read_command(command.split()).asked
    assert (asked.get("tp"), asked["dp"], asked["ep"]) == (None, 8, 8)
    assert asked["settings"] == {"enable_attention_dp": "true"}
    answer = fit(dp=8, ep=8)
    assert answer.command == (
        "trtllm-serve deepseek-ai/DeepSeek-V3 --tp_size 8 --ep_size 8 --max_seq_len 8192 "
        "--enable_attention_dp"
    )
