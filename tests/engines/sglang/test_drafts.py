"""What drafts tokens in SGLang's pool, by hand after pool_configurator.py of SGLang 0.5.23."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError

SGLANG: dict[str, Any] = {"engine": "sglang@0.5.23", "context": 8192, "kv_memory": "40GiB"}


@pytest.mark.parametrize(
    ("model", "draft", "cell"),
    [
        # int(cell x 1 / 61) more: 62 rows of 576 numbers.
        ("deepseek-v3", "mtp", 62 * 1152),
        # Of GLM-5.2's 78 layers 21 have an indexer, whose key is 128 B and a scale; so has the module's.
        ("glm-5.2", "mtp", 79 * 1152 + 22 * 132),
        # A draft's layers count as the target's, 4096 B: Llama-3.2-1B's own heads are half as wide.
        ("llama-3.1-70b", "llama-3.2-1b", (80 + 16) * 4096),
        # Qwen3.5's config says mtp_num_hidden_layers, which the target's reader does not look for.
        ("qwen3.5-35b-a3b", "mtp", 10 * 2048),
    ],
)
def test_a_draft_takes_its_part_of_each_token(model: str, draft: str, cell: int) -> None:
    options = {**SGLANG, "kv_memory": "80GiB", "kv_dtype": "bf16"}
    fit = kvplan.fit(model, draft=draft, advice=False, **options)
    assert fit.bytes_per_token == cell
    assert sum(line.size_bytes for line in fit.waterfall) == fit.total_bytes
    # With speculation it runs 48 requests unless told.
    assert kvplan.plan(model, draft=draft, **options).start_up(8192).runs == 48  # type: ignore[union-attr]


def test_the_weights_of_a_draft_are_beside_the_models() -> None:
    drafted, plain = (
        kvplan.plan("llama-3.1-70b", gpu="h100-80gb", engine="sglang", tp=4, draft=draft)
        for draft in ("llama-3.1-8b", None)
    )
    more = drafted.weights[0] - plain.weights[0]
    # A quarter of 8,030,261,248 parameters, and 33 x 2 norms of 4096 beside, in two bytes.
    assert more == 2 * (8_030_261_248 - 65 * 4096) // 4 + 2 * 65 * 4096


def test_a_running_request_has_a_state_for_each_drafted_token() -> None:
    def fit(**asked: Any) -> kvplan.Fit:
        return kvplan.fit("qwen3.5-35b-a3b", draft="mtp", context=8192, batch=10, advice=False, **asked)

    # 30 layers of 32 x 128 x 128 float32 numbers, and of 8192 x 3 in bf16.
    slot = 30 * (32 * 128 * 128 * 4 + 8192 * 3 * 2)
    options = {"engine": "sglang@0.5.23", "kv_memory": "40GiB"}
    for settings, drafted in (({}, 4), ({"speculative_num_draft_tokens": "8"}, 8)):
        lines = {line.name: line.size_bytes for line in fit(**options, settings=settings).waterfall}
        # Those of ten requests, and of one that pads.
        assert lines["drafted states"] == 11 * drafted * slot


def test_how_many_are_drafted_unless_told_is_said() -> None:
    def told(**asked: Any) -> list[str]:
        fit = kvplan.fit("qwen3.5-35b-a3b", draft="mtp", advice=False, **SGLANG, **asked)
        return [text for text in fit.to_dict()["warnings"] if "draft" in text]

    (text,) = told()
    assert text.startswith("SGLang keeps states for each drafted token of a running request: 4 of them, ")
    assert not told(settings={"speculative_num_draft_tokens": "4"})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "speculative_num_draft_tokens goes with a draft: give --draft"),
        ({"draft": "mtp"}, "speculative_num_draft_tokens=1 is not at least 2"),
    ],
)
def test_numbers_of_drafted_tokens_that_sglang_does_not_take(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(KvplanError, match=said):
        kvplan.fit("qwen3.5-35b-a3b", settings={"speculative_num_draft_tokens": "1"}, **asked, **SGLANG)


def test_each_group_of_attention_runs_its_part_of_the_usual_requests() -> None:
    plan = kvplan.plan(
        "deepseek-v3", draft="mtp", tp=2, dp=4, settings={"enable_dp_attention": "true"}, **SGLANG
    )
    assert plan.start_up(8192).runs == 12  # type: ignore[union-attr]


def test_drafts_over_stages_are_not_guessed() -> None:
    with pytest.raises(KvplanError, match="sizes a draft beside pipeline stages is not known: use pp=1"):
        kvplan.fit("deepseek-v3", draft="mtp", pp=2, **SGLANG)


DFLASH: dict[str, Any] = {
    "architectures": ["DFlashDraftModel"],
    "model_type": "qwen3",
    "hidden_size": 2048,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 6144,
    "num_hidden_layers": 5,
    "num_target_layers": 40,
    "max_position_embeddings": 40_960,
    "vocab_size": 248_320,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
IDS = {"mask_token_id": 151_669, "target_layer_ids": [1, 9, 17, 25, 33]}


@pytest.mark.parametrize(
    ("config", "drafted"),
    [
        ({"block_size": 8, "dflash_config": IDS}, 8),
        # The block within dflash_config comes first, and without one it is 16.
        ({"block_size": 8, "dflash_config": {**IDS, "block_size": 12}}, 12),
        ({"dflash_config": IDS}, 16),
    ],
)
def test_dflash_drafts_the_block_of_its_config(config: dict[str, Any], drafted: int, tmp_path: Path) -> None:
    """_handle_dflash in arg_groups/speculative_hook.py and parse_dflash_draft_config of SGLang 0.5.23."""
    (tmp_path / "config.json").write_text(json.dumps(DFLASH | config), encoding="utf-8")
    fit = kvplan.fit("qwen3.5-35b-a3b", draft=str(tmp_path), batch=10, advice=False, **SGLANG)
    lines = {line.name: line.size_bytes for line in fit.waterfall}
    slot = 30 * (32 * 128 * 128 * 4 + 8192 * 3 * 2)
    assert lines["drafted states"] == 11 * drafted * slot
    (told,) = [each for each in fit.to_dict()["warnings"] if "each drafted token" in each]
    assert f": {drafted} of them, its own choice" in told


def test_dflash_runs_on_tensorrts_pages_on_blackwell(tmp_path: Path) -> None:
    """SGLang 0.5.23's own page for Qwen3-8B with a DFlash draft on a B200."""
    content = DFLASH | {"hidden_size": 4096, "num_target_layers": 36, "vocab_size": 151_936, "block_size": 16}
    (tmp_path / "config.json").write_text(json.dumps(content | {"dflash_config": IDS}), encoding="utf-8")
    options: dict[str, Any] = {"engine": "sglang", "gpu": "b200-180gb", "context": 8192, "advice": False}
    fit = kvplan.fit("qwen3-8b", draft=str(tmp_path), weights="20GiB", **options)
    assert fit.block_size == 64
