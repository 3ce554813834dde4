"""Over how many ranks engines cut each part of the weights, by hand from their own sources."""

from typing import Any

import pytest

from kvplan.engines import EngineOptions, Shares, find_engine
from kvplan.errors import KvplanError

ON, DEEPSEEK = "true", "deepseek_v3"


def shares(engine: str, **options: Any) -> Shares:
    return find_engine(engine).shares(EngineOptions(architecture=DEEPSEEK, has_experts=True, **options))


def parts(found: Shares) -> tuple[int, ...]:
    """Attention, dense MLP, shared experts, embedding, head; then one expert, and whole ones."""
    return tuple(found[:7])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tp": 8}, (8, 8, 8, 8, 8, 8, 1)),
        # FusedMoEParallelConfig.make: without expert parallelism all ranks cut each expert.
        ({"dp": 8}, (1, 1, 1, 1, 1, 8, 1)),
        ({"dp": 8, "ep": 8}, (1, 1, 1, 1, 1, 1, 8)),
        ({"dp": 8, "settings": {"enable_expert_parallel": ON}}, (1, 1, 1, 1, 1, 1, 8)),
        ({"tp": 8, "ep": 8}, (8, 8, 8, 8, 8, 1, 8)),
        # use_sequence_parallel_moe: shared experts are whole where tp and dp are both above 1.
        ({"tp": 2, "dp": 8, "ep": 16}, (2, 2, 1, 2, 2, 1, 16)),
        ({"tp": 2, "dp": 8}, (2, 2, 2, 2, 2, 16, 1)),
        ({"settings": {"enable_expert_parallel": ON}}, (1, 1, 1, 1, 1, 1, 1)),
    ],
)
def test_vllm_holds_one_set_of_experts_for_all_its_ranks(
    options: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert parts(shares("vllm", **options)) == expected


def test_vllms_copies_of_experts_are_dealt_out_with_them() -> None:
    settings = {"enable_eplb": ON, "num_redundant_experts": "32"}
    found = shares("vllm", dp=32, ep=32, settings=settings)
    assert found.on_rank(256) == (256 + 32) // 32
    assert shares("vllm", dp=48, ep=48).on_rank(256) == 6  # 16 ranks have 6, and 32 have 5
    assert found.on_rank(0) == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tp": 8}, (8, 8, 8, 8, 8, 8, 1)),
        ({"tp": 8, "dp": 2}, (8, 8, 8, 8, 8, 8, 1)),
        ({"tp": 8, "ep": 4}, (8, 8, 8, 8, 8, 2, 4)),
        # Attention over 1 of 16 ranks, the rest over all of them, but for the embedding.
        ({"dp": 16, "settings": {"enable_dp_attention": ON}}, (1, 16, 16, 1, 16, 16, 1)),
        ({"tp": 2, "dp": 8, "ep": 16, "settings": {"enable_dp_attention": ON}}, (2, 16, 16, 2, 16, 1, 16)),
        (
            {
                "dp": 16,
                "settings": {
                    "enable_dp_attention": ON,
                    "moe_dense_tp_size": "1",
                    "enable_dp_lm_head": ON,
                    "moe_a2a_backend": "deepep",
                },
            },
            (1, 1, 1, 1, 1, 1, 16),
        ),
    ],
)
def test_sglang_cuts_attention_by_sequences_where_asked(
    options: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert parts(shares("sglang", **options)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tp": 8, "dp": 2}, (8, 8, 8, 8, 8, 8, 1)),
        ({"tp": 8, "ep": 4}, (8, 8, 8, 8, 8, 2, 4)),
        ({"dp": 8, "ep": 8}, (1, 1, 1, 1, 1, 1, 8)),
    ],
)
def test_the_formula_cuts_all_over_tp_and_deals_experts_out_as_asked(
    options: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert parts(shares("exact", **options)) == expected


def test_tensorrt_llm_shares_its_tensor_ranks_between_cutting_and_dealing_out() -> None:
    assert parts(shares("trtllm", tp=8, ep=4)) == (8, 8, 8, 8, 8, 2, 4)


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        ("exact", {"tp": 8, "ep": 3}, "ep=3 does not divide the 8 GPUs of tp=8 x dp=1"),
        ("vllm", {"tp": 8, "ep": 4}, "all of its tp x dp ranks or none: ep=4 is not 8"),
        (
            "vllm",
            {"tp": 8, "ep": 8, "settings": {"enable_expert_parallel": "false"}},
            "all of its tp x dp ranks or none",
        ),
        ("vllm", {"tp": 8, "ep": 8, "settings": {"num_redundant_experts": "8"}}, "enable_eplb alone"),
        ("trtllm", {"tp": 4, "dp": 2, "ep": 8}, "ep=8 does not divide tp=4"),
        ("sglang", {"tp": 8, "ep": 3}, "ep_size=3 does not divide tp=8"),
        ("sglang", {"tp": 8, "ep": 4, "settings": {"ep_size": "8"}}, "say the same"),
        ("sglang", {"settings": {"moe_dense_tp_size": "1"}}, "goes with enable_dp_attention alone"),
    ],
)
def test_what_does_not_go_together_is_refused(engine: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(KvplanError, match=message):
        shares(engine, **options)


@pytest.mark.parametrize(("engine", "dense"), [("vllm@0.33", 1), ("vllm@0.30", 4), ("sglang", 4)])
def test_a_class_without_a_plan_keeps_plain_mlps_whole(engine: str, dense: int) -> None:
    """GPTBigCode in vLLM 0.33's Transformers backend: attention is cut, c_fc and c_proj are not."""
    found = find_engine(engine).shares(EngineOptions(architecture="gpt_bigcode", tp=4))
    assert (found.attention, found.dense, found.embedding) == (4, dense, 4)
