"""Published start-ups against the plan: what agrees, and what explains the rest; worked out by hand."""

from fractions import Fraction
from pathlib import Path

import pytest

from kvplan.errors import KvplanError
from kvplan.reconcile import LogError, Overrides, Reconciliation, Row, reconcile
from kvplan.units import GIB, MIB
from tests.reconcile.logs_at_hand import log_text


def answer(name: str, **asked: object) -> Reconciliation:
    return reconcile(log_text(name), Overrides(**asked))  # type: ignore[arg-type]


def planned(rows: tuple[Row, ...]) -> dict[str, tuple[object, object]]:
    return {row.figure: (row.low, row.high) for row in rows}


def told(found: Reconciliation) -> list[tuple[str, ...]]:
    return [each.assumptions for each in found.explanations]


def test_tokens_and_concurrency_follow_from_the_memory_within_its_rounding() -> None:
    """58.105 to 58.115 GiB hold 29,749 to 29,754 blocks of 16 x 131,072 bytes; 476,016 are 29,751 of them."""
    found = answer("vllm-0.19-llama-3.1-8b")
    assert found.verdict == "agrees"
    low, high = (int(Fraction(each, 1000) * GIB) // (16 * 131_072) for each in (58_105, 58_115))
    assert (low, high) == (29_749, 29_754)
    rows = planned(found.rows)
    assert rows["KV tokens"] == (16 * low, 16 * high)
    assert rows["concurrency"] == (Fraction(low / 512), Fraction(high / 512))
    assert found.explanations == ()
    assert found.notes == ()


def test_weights_are_an_estimate_beside_the_exact_figures() -> None:
    """16,060,522,496 bytes of the release are 14.957 GiB; vLLM printed 14.99."""
    (weights,) = answer("vllm-0.19-llama-3.1-8b").estimates
    assert weights.figure == "weights"
    assert not weights.exact
    assert weights.inside
    assert weights.low == 16_060_522_496
    assert weights.difference_percent == pytest.approx(100 * (14.985 * GIB / 16_060_522_496 - 1))


def test_a_card_adds_the_memory_that_it_leaves_for_the_cache() -> None:
    found = answer("vllm-0.19-llama-3.1-8b", gpu="h100-80gb")
    memory = next(row for row in found.estimates if row.figure == "KV memory")
    assert not memory.exact
    assert memory.low < memory.high
    # At most nine tenths of the 80 GiB label, without the weights.
    assert memory.high < 72 * GIB - 16_060_522_496
    # The server took more than the default 0.9 of the card, which these lines do not tell.
    assert found.agrees
    assert found.memory_outside is memory
    assert found.verdict == "differs in memory"


def test_a_cache_in_fp8_explains_twice_the_tokens() -> None:
    found = answer("vllm-0.19-llama-3.1-8b-fp8")
    assert found.verdict == "explained"
    assert [row.inside for row in found.rows] == [False, False]
    (explanation,) = found.explanations
    assert explanation.assumptions == ("the KV cache is stored in fp8",)
    assert explanation.options == ("--kv-dtype fp8",)
    low, high = (int(Fraction(each, 1000) * GIB) // (16 * 65_536) for each in (58_105, 58_115))
    assert planned(explanation.rows)["KV tokens"] == (16 * low, 16 * high)


def test_the_first_engine_prints_blocks() -> None:
    """3.805 to 3.815 GiB are 1,948 to 1,953 blocks of 2 MiB; 1,952 x 16 / 20,000 is 1.5616."""
    found = answer("vllm-0.6-llama-3.1-8b", model="llama-3.1-8b")
    assert found.agrees
    # 3.81 GiB are less than the 4.42 to 5.92 that today's rules would leave.
    assert found.verdict == "differs in memory"
    assert found.setup.choice.engine == "vllm@0.11"
    assert planned(found.rows)["blocks"] == (1948, 1953)
    assert any("names no release" in note for note in found.notes)


def test_the_padding_of_a_hybrid_model_is_a_figure_too() -> None:
    """Gemma 3 27B: 10 full and 52 sliding layers are 7 groups of 10 with 8 empty places."""
    found = answer("vllm-0.19-gemma-3-27b")
    assert found.verdict == "agrees"
    rows = planned(found.rows)
    assert rows["padding layers"] == (8, 8)
    # Each block has 10 pages of 16 x 16 heads x 256 elements x 2 bytes; 7 groups share the blocks.
    low, high = (int(Fraction(each, 1000) * GIB) // 1_310_720 for each in (19_525, 19_535))
    assert rows["KV tokens"] == (low // 7 * 16, high // 7 * 16)


def test_a_refusal_says_what_is_needed_and_what_would_fit() -> None:
    """62 layers x 2 x 4 heads x 128 x 2 bytes are 126,976 a token: 196,608 tokens are 23.25 GiB."""
    found = answer("vllm-0.29-minimax-m2-refused")
    assert found.verdict == "agrees"
    rows = planned(found.rows)
    assert rows["needed memory"] == (126_976 * 196_608, 126_976 * 196_608)
    low, high = (int(Fraction(each, 1000) * GIB) // (126_976 * 16) * 16 for each in (22_495, 22_505))
    assert rows["longest context"] == (low, high)
    assert low <= 190_272 <= high
    assert found.setup.spec.name == "minimax-m2.7"
    assert any("MiniMax-M2.7-AWQ is read as minimax-m2.7" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "tokens", "bytes_per_token"),
    [
        ("vllm-0.29-minimax-m2-short-rank", 240_816, 126_976),
        # 16 of 32 layers on a stage: 65,536 bytes a token.
        ("vllm-0.19-llama-3.1-8b-pp2", 1_075_312, 65_536),
    ],
)
def test_fewer_tokens_than_one_rank_holds_are_those_of_a_shorter_rank(
    name: str, tokens: int, bytes_per_token: int
) -> None:
    found = answer(name)
    assert found.verdict == "explained"
    ((text,),) = told(found)
    least = tokens * bytes_per_token / GIB
    assert (
        text == f"another rank has less memory than those that printed theirs: {least:.2f} GiB on the least"
    )


def test_every_rank_that_printed_its_memory_counts() -> None:
    """With the second stage's own 65.63 GiB in the log nothing is left to explain."""
    text = log_text("vllm-0.19-llama-3.1-8b-pp2")
    second = "(Worker_PP1 pid=301) INFO Available KV cache memory: 65.63 GiB\n"
    assert reconcile(text + second).verdict == "agrees"


def test_sglang_pools_hold_a_page_and_a_slot_more_than_they_say() -> None:
    """15 layers x 1 head of 256 x 2 bytes; 45 layers x 32 heads x 128 x 128 states in float32."""
    found = answer("sglang-qwen3.5-397b")
    assert found.verdict == "agrees"
    rows = planned(found.rows)
    assert rows["K size"] == rows["V size"] == ((580_364 + 1) * 15 * 256 * 2,) * 2
    assert rows["state size"] == (83 * 45 * 32 * 128 * 128 * 4,) * 2
    # 3 columns of (2 x 16 x 128 + 64 x 128) / 2 channels.
    assert rows["conv size"] == (83 * 45 * 3 * 6144 * 2,) * 2


def test_sglang_keeps_windows_in_a_pool_of_their_own() -> None:
    """MiMo-V2-Flash: 39 windowed layers, 2 of 8 heads a rank, keys of 192 and values of 128."""
    found = answer("sglang-mimo-v2-flash")
    assert found.verdict == "agrees"
    rows = planned(found.rows)
    assert rows["K size"] == ((300_288 + 64) * 39 * 2 * 192 * 2,) * 2
    assert rows["V size"] == ((300_288 + 64) * 39 * 2 * 128 * 2,) * 2
    # 0.8 of 375,360 tokens, in whole pages of 64.
    assert rows["window tokens"] == (300_288, 300_288)


def test_an_older_sglang_printed_latents_without_the_indexers_keys() -> None:
    found = answer("sglang-deepseek-v3.2")
    assert planned(found.rows)["KV size"] == ((1_462_784 + 64) * 61 * (656 + 132),) * 2
    (explanation,) = found.explanations
    assert "leaves the indexer's keys out" in explanation.assumptions[0]
    assert planned(explanation.rows)["KV size"] == ((1_462_784 + 64) * 61 * 656,) * 2


def test_llamacpp_prints_its_caches() -> None:
    """gpt-oss-20b: 12 layers of 8 heads x 64; a window of 128 and batches of 128 are 256 cells."""
    found = answer("llamacpp-gpt-oss-20b", model="gpt-oss-20b")
    row = 12 * 8 * 64 * 34 // 32
    rows = planned(found.rows)
    assert rows["K size"] == (8192 * row, 8192 * row)
    # The default batch of 512 would make it 128 + 512, which are 768 cells.
    assert rows["K size, windows"] == (768 * row, 768 * row)
    assert told(found) == [("batches of 128 tokens (n_ubatch) lie beside a window",)]
    assert planned(found.explanations[0].rows)["KV size, windows"] == (2 * 256 * row,) * 2


def test_llamacpp_once_expanded_latents() -> None:
    """DeepSeek-R1: 61 layers x 128 heads x (192 and 128) x 2 bytes x 512 cells."""
    found = answer("llamacpp-deepseek-r1-expanded")
    assert planned(found.rows)["K size"] == (61 * 576 * 2 * 512,) * 2
    (explanation,) = found.explanations
    assert explanation.assumptions[0].startswith("latents are expanded")
    rows = planned(explanation.rows)
    assert rows["K size"] == (1464 * MIB, 1464 * MIB)
    assert rows["V size"] == (61 * 128 * 128 * 2 * 512,) * 2


def test_what_the_spec_does_not_tell_is_asked_for_where_it_would_explain(tmp_path: Path) -> None:
    """A latent of three words has no heads to be expanded to; one that tells them has."""
    model = tmp_path / "r1.yaml"
    three = "{kind: mla, heads: 128, d_c: 512, d_rope: 64}"
    model.write_text(f"dtype: bfloat16\nlayers: 61\nattention: {three}\n", encoding="utf-8")
    found = answer("llamacpp-deepseek-r1-expanded", model=str(model))
    _, note = found.notes
    assert note.startswith("not tried, that latents are expanded to K and V of every head, as ")
    assert note.endswith(" every head cannot; add d_nope and v_head_dim to its attention")
    assert len(answer("llamacpp-deepseek-r1-expanded").notes) == 1


def test_keys_and_values_may_be_stored_apart() -> None:
    """Llama 3.1 8B, 32 layers x 1,024 x 1,024 cells: 18 bytes for 32 elements, and 2 bytes."""
    found = answer("llamacpp-llama-3.1-8b-mixed", model="llama-3.1-8b")
    assert found.verdict == "agrees"
    assert planned(found.rows)["K size"] == (32 * 1024 * 1024 * 18 // 32,) * 2
    assert planned(found.rows)["V size"] == (32 * 1024 * 1024 * 2,) * 2


def test_tensorrt_llm_prints_tokens_and_their_size() -> None:
    found = answer("trtllm-llama-8b", model="llama-3.1-8b")
    assert found.verdict == "agrees"
    assert planned(found.rows)["KV size"] == (220_480 * 131_072,) * 2


@pytest.mark.parametrize(
    ("name", "asked", "assumption"),
    [
        (
            "trtllm-llama-8b",
            {"model": "llama-3.1-8b", "kv_dtype": "fp8"},
            "the KV cache is stored in bfloat16",
        ),
        ("sglang-mimo-v2-flash", {"tp": 2}, "the log says --tp 4"),
        ("vllm-0.29-minimax-m2-refused", {"tp": 8}, "the log says --tp 2"),
        ("vllm-0.19-llama-3.1-8b", {"kv_dtype": "fp8"}, "the log says --kv-dtype auto"),
        (
            "vllm-0.19-gemma-3-27b",
            {"settings": {"hybrid_manager": "false"}},
            "hybrid_manager is what the engine takes unasked",
        ),
        ("vllm-0.19-gemma-3-27b", {"engine": "vllm@0.33"}, "the log says --engine vllm@0.19.0"),
        ("vllm-0.6-llama-3.1-8b", {"model": "llama-3.1-8b", "tp": 2}, "one GPU holds it all"),
        (
            "vllm-0.6-llama-3.1-8b",
            {"model": "llama-3.1-8b", "context": 10000},
            "the log says a context of 20,000",
        ),
        (
            "llamacpp-llama-3.1-8b-mixed",
            {"model": "llama-3.1-8b", "kv_dtype": "f16"},
            "the log says --kv-dtype iq4",
        ),
        (
            "llamacpp-llama-3.1-8b-mixed",
            {"model": "llama-3.1-8b", "context": 2048},
            "the log says a context of 1,024",
        ),
    ],
)
def test_a_wrong_assumption_is_found(name: str, asked: dict[str, object], assumption: str) -> None:
    found = answer(name, **asked)
    assert found.explained
    assert not found.agrees
    assert any(text.startswith(assumption) for texts in told(found) for text in texts), told(found)


def test_multi_token_prediction_is_a_layer_and_its_states() -> None:
    """
    Qwen3.6 27B on two RTX 3090, whose bench notes say fp8 and MTP of 3 tokens; the log does not.

    17 layers of attention and 48 of states make 4 groups of up to 17 layers. A state is 24 heads x 128 x
    128 in float32 and 3 + 3 columns of 5,120 channels in bfloat16 on each of two GPUs.
    """
    found = answer("vllm-qwen3.6-27b-mtp", model="qwen3.6-27b", tp=2, kv_dtype="fp8")
    assert found.verdict == "explained"
    assert told(found) == [
        ("multi-token prediction of 3 tokens caches a layer more and keeps a state for each",)
    ]
    assert found.explanations[0].options == ("--set num_speculative_tokens=3 --set draft_layers=1",)
    state = 24 * 128 * 128 * 4 + (3 + 3) * 5120 * 2
    # A token takes 2 heads x 2 x 256 bytes; the block is the first multiple of 16 that holds a state.
    block = -(-state // (16 * 1024)) * 16
    assert block == 1600
    # Three groups of states keep two copies for prefix caching, and three for the predicted tokens.
    request = -(-262_144 // block) + 3 * (2 + 3)
    low, high = (int(Fraction(each, 1000) * GIB) // (17 * block * 1024) for each in (11_045, 11_055))
    rows = planned(found.explanations[0].rows)
    assert rows["KV tokens"] == (int(low / request * 262_144), int(high / request * 262_144))


def test_two_assumptions_are_tried_where_one_is_not_enough() -> None:
    """Planned in float16, gpt-oss-20b's cache is off by its dtype and its windows by their batch."""
    found = answer("llamacpp-gpt-oss-20b", model="gpt-oss-20b", kv_dtype="f16")
    assert found.verdict == "explained"
    assert told(found) == [
        ("the log says --kv-dtype q8_0", "batches of 128 tokens (n_ubatch) lie beside a window")
    ]
    assert found.explanations[0].options == ("--kv-dtype q8_0", "--max-num-batched-tokens 128")


def test_what_nothing_explains_is_left_over_with_its_size() -> None:
    """Not one block more or less: 400,000 tokens in memory for 475,984 to 476,064."""
    text = log_text("vllm-0.19-llama-3.1-8b").replace("476,016", "400,000")
    found = reconcile(text)
    assert found.verdict == "unexplained"
    row = found.rows[0]
    assert row.difference == 400_000 - 475_984
    assert row.difference_percent == pytest.approx(-15.9635, abs=0.001)
    assert row.signed_difference == "-75,984"
    assert found.trials <= 401


def test_tokens_that_no_number_of_blocks_gives_do_not_agree() -> None:
    """476,017 lies between the least and the most, but is not a multiple of 16."""
    text = log_text("vllm-0.19-llama-3.1-8b").replace("476,016", "476,017")
    assert reconcile(text).verdict == "unexplained"


@pytest.mark.parametrize(
    ("text", "asked", "message"),
    [
        ("GPU KV cache size: 16 tokens", {}, "does not name its model"),
        (
            "with config: model='a/none-such'\nGPU KV cache size: 16 tokens",
            {},
            "'a/none-such' is not in the cat",
        ),
        ("KV self size = 82.00 MiB", {"model": "llama-3.1-8b"}, "does not say n_ctx"),
        ("GPU KV cache size: 16 tokens", {"model": "llama-3.1-8b"}, "nothing in this log can be checked"),
        (
            "GPU KV cache size: 16 tokens",
            {"model": "llama-3.1-8b", "engine": "vllm@9.9"},
            "vLLM 9.9 is not known",
        ),
        ("GPU KV cache size: 16 tokens", {"model": "no-such-model"}, "unknown model 'no-such-model'"),
        (
            "Available KV cache memory: 9.99 GiB\nGPU KV cache size: 16 tokens",
            {"model": "bert-base"},
            "caches nothing",
        ),
    ],
)
def test_what_cannot_be_planned_is_an_error_that_says_why(
    text: str, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(KvplanError, match=message):
        reconcile(text, Overrides(**asked))  # type: ignore[arg-type]


def test_a_refused_plan_is_told_beside_what_explains_it() -> None:
    """llama.cpp keeps latents in one type; K and V of their own it keeps in two."""
    text = "n_ctx = 8192\nKV self size = 28060.00 MiB, K (q8_0): 12444.00 MiB, V (f16): 15616.00 MiB"
    found = reconcile(text, Overrides(model="deepseek-r1"))
    assert found.verdict == "explained"
    assert found.rows == ()
    assert found.refused is not None
    # 61 layers x 128 heads x 8,192 cells: 192 elements at 34 bytes for 32, and 128 at 2 bytes.
    rows = planned(found.explanations[0].rows)
    assert rows["K size"] == (61 * 128 * 8192 * 192 * 34 // 32,) * 2
    assert rows["V size"] == (61 * 128 * 8192 * 128 * 2,) * 2


def test_a_newer_or_older_release_is_planned_with_the_nearest_and_says_so() -> None:
    pool = "Available KV cache memory: 58.11 GiB\nGPU KV cache size: 476,016 tokens\n"
    for version, engine in (("0.10.2", "vllm@0.11"), ("0.99.0", "vllm"), ("0.1.dev8168+g475c1a0", "vllm")):
        found = reconcile(
            f"Initializing a V1 LLM engine (v{version}) with config: model='llama-3.1-8b'\n{pool}"
        )
        assert found.setup.choice.engine == engine
        assert any("is not known to kvplan" in note for note in found.notes)


def test_the_plain_values_are_those_of_json() -> None:
    values = answer("vllm-0.19-llama-3.1-8b-fp8").to_dict()
    assert values["verdict"] == "explained"
    assert values["model"] == "llama-3.1-8b"
    assert values["rows"][0] == {
        "figure": "KV tokens",
        "printed": "952,032 tokens",
        "planned": "475,984 to 476,064",
        "planned_low": 475_984,
        "planned_high": 476_064,
        "exact": True,
        "inside": False,
        "difference": 475_968,
        "difference_percent": pytest.approx(100 * 475_968 / 476_064),
    }
    assert values["explanations"][0]["options"] == ["--kv-dtype fp8"]
    assert values["log"]["figures"][2] == {
        "name": "KV tokens",
        "printed": "952,032 tokens",
        "line": 7,
        "worker": "EngineCore_DP0",
        "low": 952_032,
        "high": 952_032,
    }


def test_a_log_error_is_a_kvplan_error() -> None:
    assert issubclass(LogError, KvplanError)


@pytest.mark.parametrize("model", ["deepseek-v3", "llama-3.1-8b", "qwen3.6-27b"])
def test_figures_that_follow_from_each_other_are_no_agreement(model: str) -> None:
    """198 x 4,096 = 811,008 whatever the model: no memory is printed from which either would follow."""
    text = "GPU KV cache size: 811,008 tokens\nMaximum concurrency for 4,096 tokens per request: 198.00x\n"
    with pytest.raises(LogError, match="nothing in this log can be checked"):
        reconcile(text, Overrides(model=model))


@pytest.mark.parametrize(("dtype", "name"), [("float8_e4m3fn", "fp8_e4m3"), ("float8_e5m2", "fp8_e5m2")])
def test_torch_names_of_fp8_are_read(dtype: str, name: str) -> None:
    """Qwen3 8B: 454,112 tokens x 36 layers x 8 heads x 128 bytes are 15.59 GiB of K, and as many of V."""
    text = (
        f"[2026-09-12 00:22:48 TP0] KV Cache is allocated. dtype: torch.{dtype}, #tokens: 454112, "
        "K size: 15.59 GB, V size: 15.59 GB"
    )
    found = reconcile(text, Overrides(model="qwen3-8b"))
    assert found.setup.choice.kv_dtype == name
    assert found.verdict == "agrees"
