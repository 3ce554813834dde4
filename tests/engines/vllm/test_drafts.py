"""Layers of speculative decoding beside the model's own."""

import pytest

import kvplan
from kvplan.engines.vllm import RefusedError, VllmOptions, longest_context
from kvplan.engines.vllm.drafts import Draft
from tests.engines.vllm.planning import layout_of
from tests.engines.vllm.replay import difference, recorded


def test_every_recorded_draft_is_reproduced() -> None:
    """What vLLM 0.33.0 planned with a draft's layers after the model's: draft_cases.py."""
    different = [
        f"job {number} ({case['class']}): {found}"
        for number, (case, said) in enumerate(recorded("draft_jobs"))
        if (found := difference(case, said)) is not None
    ]
    assert different == []


def test_the_recorded_drafts_cover_what_they_must() -> None:
    answered = [case for case, said in recorded("draft_jobs") if "refused" not in said]
    drafts = [case["draft"] for case in answered]
    assert sum("kv_heads" not in draft for draft in drafts) > 100
    assert sum("window" in draft for draft in drafts) > 50
    assert {draft["layers"] for draft in drafts} == {1, 2, 5}
    assert len({case["class"] for case in answered}) >= 10
    assert {case["pp"] for case in answered} >= {1, 2, 4, 8}


@pytest.mark.parametrize(
    ("model", "bytes_per_block"),
    [
        # 33 layers of 16 x 4096 B; 62 of 64 x 1152 B; 62 of 64 x (1152 + 132) B.
        ("llama-3.1-8b", 33 * 16 * 4096),
        ("deepseek-v3", 62 * 64 * 1152),
        ("deepseek-v3.2", 62 * 64 * 1284),
        # Of GLM-5.2's 78 layers 21 choose tokens, and keep an indexer's keys; so does the draft.
        ("glm-5.2", (57 * 1152 + 22 * 1284) * 64),
    ],
)
def test_a_draft_layer_is_like_the_models_own(model: str, bytes_per_block: int) -> None:
    block = None if model == "llama-3.1-8b" else 64
    layout = layout_of(model, block_size=block, draft=Draft(layers=1))
    assert layout.bytes_per_block == (bytes_per_block,)


def test_a_draft_runs_on_the_last_pipeline_rank() -> None:
    """A layer of Llama-3.1-8B takes 65,536 B a block; both ranks have 16 of its own."""
    layout = layout_of("llama-3.1-8b", pp=2, draft=Draft(layers=1))
    assert layout.bytes_per_block == (16 * 65_536, 17 * 65_536)


def test_sizes_that_are_given_replace_the_models() -> None:
    """Beside 8 heads of 128, a draft of 2 heads of 64 in 16 tokens takes 8192 B."""
    layout = layout_of("llama-3.1-8b", draft=Draft(layers=3, kv_heads=2, head_dim=64))
    assert layout.bytes_per_block == (32 * 65_536 + 3 * 8192,)
    # What is not given is the model's.
    assert layout_of("llama-3.1-8b", draft=Draft(layers=1, head_dim=64)).bytes_per_block == (
        32 * 65_536 + 32_768,
    )


def test_the_waterfall_keeps_a_draft_apart() -> None:
    """The formula is still the model's own; all lines add up to what is reserved."""
    plain, drafted = (
        kvplan.fit(
            "qwen3.6-27b",
            engine="vllm@0.33",
            context=32_768,
            kv_memory="40GiB",
            settings=settings,
        )
        for settings in ({}, {"draft_layers": "1", "num_speculative_tokens": "3"})
    )
    lines = {line.name: line.size_bytes for line in drafted.waterfall}
    formula = {line.name: line.size_bytes for line in plain.waterfall}["formula"]
    assert lines["formula"] == formula
    # One layer of 4 KV heads of 256 in bf16.
    assert lines["draft layers"] == 32_768 * 4 * 2 * 256 * 2


@pytest.mark.parametrize(
    ("model", "draft", "words"),
    [
        (
            "deepseek-v4-flash",
            Draft(layers=1, window=64),
            "a draft beside compressed attention is the model's own: leave its sizes out",
        ),
        (
            "mamba-codestral-7b",
            Draft(layers=1),
            (
                "the model has none of attention over all tokens that a draft layer could be like: "
                "give draft_kv_heads and draft_head_dim"
            ),
        ),
        (
            "deepseek-v3",
            Draft(layers=1, window=512),
            "a draft beside this model has heads of its own: give draft_kv_heads and draft_head_dim",
        ),
        (
            "mamba-codestral-7b",
            Draft(layers=1, kv_heads=8, head_dim=128),
            "kvplan does not know in which dtype a draft is cached beside this model",
        ),
    ],
)
def test_drafts_that_are_not_known_are_refused(model: str, draft: Draft, words: str) -> None:
    with pytest.raises(RefusedError) as error:
        layout_of(model, draft=draft)
    assert str(error.value) == words


def test_drafts_over_dcp_are_not_guessed() -> None:
    with pytest.raises(RefusedError, match="how draft layers are shared out over dcp: use dcp=1"):
        layout_of("deepseek-v3", tp=8, dcp=8, draft=Draft(layers=1))


def test_a_draft_is_part_of_the_longest_context() -> None:
    """33 layers in the memory of 1000 blocks of 32: 969 blocks, of which one is never given."""
    layout = layout_of("llama-3.1-8b", draft=Draft(layers=1))
    assert longest_context(layout, 1000 * 32 * 65_536) == 968 * 16
    assert VllmOptions().draft is None
