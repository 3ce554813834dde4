"""What drafts tokens beside a model: its layers and its weights, against vLLM 0.33 and by hand."""

from typing import Any, NamedTuple

import pytest

import kvplan
from kvplan.errors import KvplanError

GIVEN: dict[str, Any] = {"context": 20_000, "kv_memory": 60_000_012_345, "engine": "vllm@0.33"}


class Planned(NamedTuple):
    """
    What vLLM 0.33.0 planned and made with `{"method": "mtp", "num_speculative_tokens": 1}`.

    From the model's config.json by EngineArgs, its class and load_eagle_model, on a machine without a GPU.
    `weights` are the parameters of the module on a rank that are not the model's; MLA's two halves of kv_b in
    the model's dtype come after loading, and are `later`.
    """

    model: str
    tp: int
    pp: int
    blocks: int
    kv_tokens: int
    weights: int
    later: int


# Of DeepSeek-V3's heads 16 on a rank, each of 128 + 128 beside 512, in two bytes.
LATER = 16 * 256 * 512 * 2
VLLM = (
    Planned("deepseek-v3", 8, 1, 52_503, 840_048, 1_661_047_968, LATER),
    Planned("deepseek-v3", 8, 2, 105_006, 1_680_096, 1_892_717_728, LATER),
    Planned("deepseek-v3.2", 8, 1, 11_776, 752_460, 1_676_387_488, LATER),
    # The router's bias of 256 experts is in four bytes there, and in two as the spec counts it.
    Planned("glm-5", 8, 1, 9_242, 590_543, 2_667_777_024, -2 * 256),
)


@pytest.mark.parametrize("said", VLLM, ids=lambda said: f"{said.model}-tp{said.tp}-pp{said.pp}")
def test_a_module_of_the_models_own_is_planned_as_vllm_does(said: Planned) -> None:
    spread: dict[str, Any] = {"tp": said.tp, "pp": said.pp}
    fit = kvplan.fit(said.model, draft="mtp", advice=False, **spread, **GIVEN)
    assert (fit.num_blocks, fit.kv_tokens) == (said.blocks, said.kv_tokens)
    card: dict[str, Any] = {"gpu": "h200-141gb", "engine": "vllm@0.33"}
    with_draft, without = (kvplan.plan(said.model, draft=draft, **spread, **card) for draft in ("mtp", None))
    more = [after - before for after, before in zip(with_draft.weights, without.weights, strict=True)]
    assert more == [0] * (said.pp - 1) + [said.weights + said.later]


@pytest.mark.parametrize(
    ("model", "tp", "said", "padding"),
    [
        ("deepseek-v4-flash", 1, 5_711_911_276, 0),
        ("deepseek-v4-flash", 8, 753_712_940, 0),
        ("deepseek-v4-pro", 1, 17_663_303_852, 0),
        # vLLM makes 64 sinks in float32 of a rank's 16 heads; kvplan counts 16.
        ("deepseek-v4-pro", 8, 2_320_782_948, 48 * 4),
    ],
)
def test_a_module_that_is_unlike_deepseek_v3s_has_the_weights_of_its_spec(
    model: str, tp: int, said: int, padding: int
) -> None:
    """DeepSeekV4MTP of vLLM 0.33, whose embedding and head are the model's once they are loaded."""
    card: dict[str, Any] = {"gpu": "h200-141gb", "engine": "vllm@0.33", "tp": tp}
    with_draft, without = (kvplan.plan(model, draft=draft, **card) for draft in ("mtp", None))
    hidden = with_draft.deployment.spec.hidden or 0
    more = with_draft.weights[0] - without.weights[0]
    assert more == said - padding - 2 * 2 * 129_280 * hidden // tp


@pytest.mark.parametrize("tp", [1, 8])
@pytest.mark.parametrize("tokens", [None, "1", "3"])
@pytest.mark.parametrize(
    ("model", "blocks", "kv_tokens"),
    [("deepseek-v4-flash", 59_865, 177_089), ("deepseek-v4-pro", 41_783, 123_600)],
)
def test_a_module_of_a_window_fits_into_the_groups_of_the_others(
    model: str, blocks: int, kv_tokens: int, tokens: str | None, tp: int
) -> None:
    """
    One window more among those of 43 and 61 layers, which vLLM 0.33 pads: its blocks are as many.

    Of its own classes and planner, of both models' config.json, with one and three drafted tokens.
    """
    drafting: dict[str, Any] = (
        {"draft": "mtp", "settings": {"num_speculative_tokens": tokens}} if tokens else {}
    )
    fit = kvplan.fit(model, tp=tp, advice=False, **drafting, **GIVEN)
    assert (fit.num_blocks, fit.kv_tokens) == (blocks, kv_tokens)
    kinds = [each.kind for each in fit.layers]
    assert ("compressed, draft" in kinds) == (tokens is not None)


def test_a_module_takes_the_place_of_its_settings() -> None:
    settings = {"num_speculative_tokens": "1"}
    own = kvplan.fit("glm-5.2", draft="mtp", settings=settings, kv_dtype="fp8", **GIVEN)
    told = kvplan.fit(
        "glm-5.2", settings={**settings, "draft_layers": "1"}, kv_dtype="fp8", advice=False, **GIVEN
    )
    # 79 layers of 656 B, and of 22 indexers 132 B.
    assert own.bytes_per_token == told.bytes_per_token == 54_728
    assert own.num_blocks == told.num_blocks
    # As many tokens as the module has layers, unless told.
    assert kvplan.fit("glm-5.2", draft="mtp", kv_dtype="fp8", **GIVEN).num_blocks == own.num_blocks


def test_a_model_that_drafts_has_layers_and_weights_of_its_own() -> None:
    """16 layers of 8 KV heads of 64 beside 80 of 8 of 128; 1,235,814,400 parameters."""
    size = kvplan.size("llama-3.1-70b", draft="llama-3.2-1b", context=8192, tp=2)
    assert size.bytes_per_token == (80 * 2048 + 16 * 1024) * 2 // 2
    assert [(each.kind, each.count) for each in size.layers] == [("gqa", 80), ("gqa, draft", 16)]
    with_draft, without = (
        kvplan.plan("llama-3.1-70b", gpu="h200-141gb", draft=draft) for draft in ("llama-3.2-1b", None)
    )
    assert with_draft.weights[0] - without.weights[0] == 2 * 1_235_814_400
    lines = {line.name: line.size_bytes for line in with_draft.waterfall([(1000, 3)])}
    assert lines == {"formula": 3000 * 80 * 4096, "draft layers": 3000 * 16 * 2048}


def test_a_draft_runs_on_the_last_stage() -> None:
    sizes = [
        kvplan.fit(
            "llama-3.1-70b",
            draft=draft,
            gpu="h100-80gb",
            engine="vllm",
            tp=2,
            pp=2,
            context=8192,
            settings={"num_speculative_tokens": "3"},
            advice=False,
        )
        for draft in (None, "llama-3.2-1b")
    ]
    plain, drafted = (fit.plan.deployment.arrangement for fit in sizes)
    assert drafted.token_bytes(0) == plain.token_bytes(0)
    assert drafted.token_bytes(1) == plain.token_bytes(1) + 16 * 4 * 2 * 64 * 2
    assert "the draft" not in str(sizes[1].to_dict()["warnings"])


def test_weights_that_nothing_counts_are_told() -> None:
    fit = kvplan.fit("mimo-7b", draft="mtp", gpu="h100-80gb", engine="vllm", context=8192, advice=False)
    assert (
        "the weights of the draft mimo-7b-mtp are not counted, as its spec does not tell them"
        in (fit.to_dict()["warnings"])
    )


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("llama-3.1-8b", {"draft": "mtp"}, "names no module for multi-token prediction"),
        (
            "step-3.7-flash",
            {"draft": "mtp"},
            "which layer of step-3.7-flash its module .* is like is not known",
        ),
        ("minimax-m2.5", {"draft": "mtp", "engine": "vllm"}, "vLLM has no class for the module"),
        (
            "llama-3.1-8b",
            {"draft": "llama-3.2-1b", "engine": "vllm"},
            "vLLM must be told how many tokens a draft drafts: give --set num_speculative_tokens=3",
        ),
        (
            "glm-5.2",
            {"draft": "mtp", "engine": "vllm", "settings": {"draft_layers": "2"}},
            "draft_layers and --draft both say what drafts tokens: keep one of them",
        ),
        ("glm-5.2", {"draft": "mtp", "engine": "transformers"}, "kvplan plans no draft with the engine"),
        ("glm-5.2", {"draft": "glm-five"}, "unknown model 'glm-five'"),
    ],
)
def test_drafts_that_are_not_known_are_refused(model: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(KvplanError, match=words):
        kvplan.size(model, context=8192, **options)
