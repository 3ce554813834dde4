"""
Context parallelism by the formula: each rank has a part of a sequence's tokens, and all weights and states.

Ring Attention, arXiv 2310.01889, section 3. Llama 3.1 8B keeps 2 x 8 x 128 x 2 bytes a token in each of 32
layers, 131,072 in all.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.errors import KvplanError
from kvplan.planner.facts import PassedOn

H100: dict[str, Any] = {"gpu": "h100-80gb"}


def sequence(model: str, **options: Any) -> int:
    """The bytes of a sequence on a rank."""
    return kvplan.size(model, **options).bytes_per_sequence


@pytest.mark.parametrize(("context", "part"), [(131_072, 32_768), (100_001, 25_001), (3, 1)])
def test_a_rank_has_its_part_of_the_tokens(context: int, part: int) -> None:
    answer = kvplan.size("llama-3.1-8b", context=context, cp=4)
    assert answer.bytes_per_sequence == part * 131_072
    assert answer.bytes_per_token == 131_072 / 4
    assert answer.total_bytes_all_gpus == 4 * part * 131_072


@pytest.mark.parametrize(("cp", "part", "window"), [(4, 32_768, 1024), (256, 512, 512)])
def test_a_window_is_full_while_a_part_has_so_many_tokens(cp: int, part: int, window: int) -> None:
    """Gemma 3 27B: 2 x 16 x 128 x 2 bytes a token in 10 layers with all tokens and 52 with windows."""
    assert sequence("gemma-3-27b", context="128k", cp=cp) == 8192 * (10 * part + 52 * window)


@pytest.mark.parametrize("model", ["qwen3-next-80b-a3b", "mamba2-2.7b"])
def test_states_are_on_every_rank(model: str) -> None:
    whole, part = (kvplan.size(model, context="64k", cp=cp) for cp in (1, 8))
    assert part.fixed_bytes == whole.fixed_bytes > 0
    assert part.bytes_per_sequence - part.fixed_bytes == (whole.bytes_per_sequence - whole.fixed_bytes) // 8


@given(
    model=st.sampled_from(
        ("llama-3.1-8b", "gemma-3-27b", "deepseek-v3", "qwen3-next-80b-a3b", "whisper-large-v3")
    ),
    context=st.integers(1, 200_000),
    cp=st.integers(2, 64),
)
def test_ranks_have_all_of_a_sequence_together(model: str, context: int, cp: int) -> None:
    whole, part = (sequence(model, context=context, cp=degree) for degree in (1, cp))
    assert part <= whole <= cp * part


def test_weights_are_on_every_rank() -> None:
    one, four = (kvplan.fit("llama-3.1-8b", cp=cp, context="128k", **H100) for cp in (1, 4))
    assert four.memory.weights_bytes == one.memory.weights_bytes
    assert four.plan.deployment.gpus == 4
    assert four.max_batch is not None
    assert one.max_batch is not None
    assert four.max_batch == 4 * one.max_batch + 1 == 13  # 52.02 GiB of 16 GiB, and of 4.


def test_cards_that_are_named_with_their_number_are_used() -> None:
    assert kvplan.fit("llama-3.1-8b", gpu="4xH100", cp=4).plan.deployment.gpus == 4
    assert kvplan.fit("llama-3.1-8b", gpu="4xH100", cp=2, tp=2).plan.deployment.gpus == 4
    with pytest.raises(KvplanError, match="4xH100 are 4 GPUs, and tp 1 x pp 1 x dp 1 x cp 2 use 2"):
        kvplan.fit("llama-3.1-8b", gpu="4xH100", cp=2)


def test_what_goes_round_the_ring() -> None:
    """Three times 32,768 tokens of 131,072 bytes: a rank's own, and those of two others."""
    said = kvplan.fit("llama-3.1-8b", context="128k", cp=4, **H100).warnings
    assert PassedOn(cp=4, context=131_072, size_bytes=3 * 32_768 * 131_072) in said


def test_unequal_sequences_are_shared_out_too() -> None:
    asked: dict[str, Any] = {"traffic": "fixed:4k", "context": "4k", "kv_memory": "16GiB", **H100}
    one, two = (kvplan.hold("llama-3.1-8b", cp=cp, **asked) for cp in (1, 2))
    assert (one.never, two.never) == (32, 64)
    with pytest.raises(KvplanError, match="not known to store a prefix once"):
        kvplan.hold("llama-3.1-8b", cp=2, prefix="1k:1", **asked)


def test_a_step_reads_a_part_of_the_cache() -> None:
    one, four = (kvplan.bounds("llama-3.1-8b", context="128k", batch=1, cp=cp, **H100) for cp in (1, 4))
    assert one.decode is not None
    assert four.decode is not None
    assert four.decode.cache_bytes == one.decode.cache_bytes // 4
    assert four.decode.weights_bytes == one.decode.weights_bytes
    assert four.prefill_seconds == pytest.approx((one.prefill_seconds or 0) / 4)


def test_a_tier_holds_what_all_ranks_have() -> None:
    asked: dict[str, Any] = {"context": "64k", "host": "1TiB", **H100}
    one, four = (kvplan.tiers("llama-3.1-8b", cp=cp, **asked).tiers[-1].sequence_bytes for cp in (1, 4))
    assert one == four


def test_rows_and_sweeps_count_its_gpus() -> None:
    (one, four) = kvplan.compare(
        "llama-3.1-8b", cp="1,4", context="128k", prices={"h100-80gb": 2.0}, **H100
    ).rows
    assert (one.gpus, four.gpus) == (1, 4)
    assert one.price == pytest.approx(2 / 3)
    assert four.price == pytest.approx(8 / 13)
    swept = kvplan.sweep("llama-3.1-8b", cp=[1, 4], context="128k", **H100)
    assert [row["gpus"] for row in swept] == [1, 4]


def test_advice_on_long_contexts_tries_it() -> None:
    advised = kvplan.advise("llama-3.1-8b", context="128k", batch=8, **H100)
    found = {each.change: each.row for each in advised.candidates}
    assert found["--cp 4"].fits
    assert found["--cp 4"].gpus == 4
    assert not found["--cp 2"].fits


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "llamacpp", "transformers"])
def test_engines_have_no_such_option(engine: str) -> None:
    with pytest.raises(KvplanError, match="has no --cp"):
        kvplan.size("llama-3.1-8b", engine=engine, cp=2)


def test_what_is_not_known_of_it_is_refused() -> None:
    with pytest.raises(KvplanError, match="leave --cp out"):
        kvplan.disaggregate("llama-3.1-8b", context="8k", cp=2)


def test_vllms_prefill_context_parallelism_has_gpus_of_its_own() -> None:
    """World_size of vLLM 0.33's config/parallel.py is tp x pp x pcp; each rank has every token."""
    settings = {"prefill_context_parallel_size": "2"}
    asked: dict[str, Any] = {"gpu": "h200-141gb", "tp": 8, "engine": "vllm", "context": "8k"}
    one = kvplan.fit("deepseek-v2-lite", **asked)
    two = kvplan.fit("deepseek-v2-lite", settings=settings, **asked)
    assert (one.plan.deployment.gpus, two.plan.deployment.gpus) == (8, 16)
    assert two.total_bytes_all_gpus == 2 * one.total_bytes_all_gpus
