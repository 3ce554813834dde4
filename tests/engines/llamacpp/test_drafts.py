"""What drafts tokens in llama.cpp: a context of its own, against a real start-up and by hand."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.units import MIB

LLAMACPP: dict[str, Any] = {"engine": "llamacpp", "kv_memory": "60GiB"}


def lines(model: str, **options: Any) -> dict[str, int]:
    fit = kvplan.fit(model, advice=False, **LLAMACPP, **options)
    return {line.name: line.size_bytes for line in fit.waterfall}


def test_a_module_has_as_many_cells_as_the_model() -> None:
    """
    Qwen3.8-27B with 262,144 tokens for 2 slots and draft-mtp, K in q8_0 and V in q5_1.

    A public start-up of 2026 on an RTX 5060 Ti and an RTX 3060 printed 464.00 MiB, in 131,072 cells, for the
    module's layer.
    """
    options = {"draft": "mtp", "draft_kv_dtype": "q8_0,value=q5_1"}
    assert lines("qwen3.8-27b", context=131_072, batch=2, **options)["draft layers"] == 464 * MIB


@pytest.mark.parametrize(
    ("model", "drafted", "states", "printed"),
    [
        # Stored public file 71218222695, and github.com/ggml-org/llama.cpp/pull/26499, which asks for 7.
        ("qwen3.6-27b", None, 4, 598.50),
        ("qwen3.6-35b-a3b", "7", 8, 502.50),
    ],
)
def test_states_are_kept_of_each_drafted_token(
    model: str, drafted: str | None, states: int, printed: float
) -> None:
    """RS buffers of real start-ups of one slot: a state before the drafted tokens and one after each."""
    settings = {} if drafted is None else {"spec_draft_n_max": drafted}
    rows = lines(model, context=32_768, draft="mtp", settings=settings)
    more = rows["states of drafts"]
    assert more % (states - 1) == 0
    assert f"{more // (states - 1) * states / MIB:.2f}" == f"{printed:.2f}"


def test_states_of_other_drafts_are_one_to_a_slot() -> None:
    """A whole model that drafts reads no states, and no architecture but three goes back to one."""
    options = {"context": 4096, "draft": "qwen3.5-0.8b"}
    assert "states of drafts" not in lines("qwen3.5-9b", **options)
    assert "states of drafts" not in lines("bamba-9b", context=4096, draft="llama-3.2-1b")


def test_a_draft_model_is_stored_in_a_type_of_its_own_beside_the_models() -> None:
    """Llama-3.2-1B has 16 layers of 8 KV heads of 64; f16 unless told, whatever the model's cache."""
    options = {"context": 4096, "batch": 3, "kv_dtype": "q8_0"}
    drafted = lines("llama-3.1-8b", draft="llama-3.2-1b", **options)
    assert drafted.pop("draft layers") == 3 * 4096 * 16 * 2 * 8 * 64 * 2
    assert drafted == lines("llama-3.1-8b", **options)
    told = lines("llama-3.1-8b", draft="llama-3.2-1b", draft_kv_dtype="q8_0", **options)
    assert told["draft layers"] == 3 * 4096 * 16 * 2 * 8 * 64 * 34 // 32


def test_a_draft_is_spread_over_the_devices() -> None:
    """Of 16 layers and the head 9 are on the first of two, as with the model (LLAMA_SPLIT_MODE_LAYER)."""
    sizes = kvplan.size("llama-3.1-70b", draft="llama-3.2-1b", engine="llamacpp", pp=2, context=256)
    drafts = [stage.drafts for stage in sizes.deployment.stages]
    assert [len(layers) for layers in drafts] == [9, 7]


@pytest.mark.parametrize(
    ("batch", "settings", "copies_mib"),
    [
        (1, {}, 598.5 - 149.625),
        (4, {}, 2394 - 598.5),
        (1, {"spec_draft_n_max": "5"}, 897.75 - 149.625),
        (4, {"spec_draft_n_max": "5"}, 3591 - 598.5),
    ],
)
def test_states_have_copies_for_drafted_tokens(
    batch: int, settings: dict[str, str], copies_mib: float
) -> None:
    """
    Qwen3.5-27B in llama.cpp v0.5.0 with n_rs_seq 0 and as many as are drafted, 3 unless told.

    It printed an RS buffer of 149.62 MiB for a slot and 598.50 for 4, and beside 3 drafted tokens 598.50 and
    2394.00, beside 5 897.75 and 3591.00. The compute buffer stayed as it was.
    """
    plain = lines("qwen3.5-27b", context=2048, batch=batch)
    drafted = lines("qwen3.5-27b", context=2048, batch=batch, draft="mtp", settings=settings)
    assert drafted.pop("draft layers") == batch * 2048 * 2 * 4 * 256 * 2
    assert drafted.pop("states of drafts") == copies_mib * MIB
    assert drafted == plain


@pytest.mark.parametrize(
    ("model", "draft", "engine"),
    [
        # Another model of its own takes back no tokens of a state: need_n_rs_seq in common/common.h.
        ("qwen3.5-27b", "qwen3-0.6b", "llamacpp"),
        # Qwen3-Next's class has no copies: llm_arch_supports_rs_rollback in src/llama-arch.cpp.
        ("qwen3-next-80b-a3b", "mtp", "llamacpp"),
        # Nor had LFM2's then, where Qwen3.5's had.
        ("nemotron-3-super-120b-a12b", "mtp", "llamacpp@b10107"),
    ],
)
def test_not_every_draft_needs_them(model: str, draft: str, engine: str) -> None:
    fit = kvplan.fit(
        model, draft=draft, context=2048, batch=1, advice=False, engine=engine, kv_memory="99GiB"
    )
    assert "states of drafts" not in {line.name for line in fit.waterfall}


def test_a_file_that_llama_cpp_alone_knows_has_them_too() -> None:
    spec = kvplan.load("qwen3.5-27b")
    file = spec.changed(architecture=None, computed_as=spec.architecture)
    of_file, of_model = (
        kvplan.fit(
            each, draft="mtp", context=2048, batch=1, advice=False, engine="llamacpp", kv_memory="99GiB"
        )
        for each in (file, spec)
    )
    assert of_file.waterfall == of_model.waterfall
    assert "states of drafts" in {line.name for line in of_file.waterfall}


def test_drafted_tokens_go_with_a_draft() -> None:
    with pytest.raises(KvplanError, match="spec_draft_n_max goes with a draft"):
        lines("qwen3.5-27b", context=2048, batch=1, settings={"spec_draft_n_max": "5"})


def test_a_dtype_of_a_draft_is_that_of_an_engine_which_keeps_it_apart() -> None:
    with pytest.raises(KvplanError, match="stores a draft's cache as the model's"):
        kvplan.size("deepseek-v3", draft="mtp", draft_kv_dtype="fp8", engine="vllm")
    with pytest.raises(KvplanError, match="give --draft, too"):
        kvplan.size("llama-3.1-8b", draft_kv_dtype="q8_0", engine="llamacpp")
