"""The largest batch, the longest context and the card's lines, by hand."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.errors import OptionsError
from kvplan.planner import words
from kvplan.planner.explain import explain
from kvplan.planner.facts import Limit, Resource
from kvplan.specs import ModelSpec
from kvplan.units import GIB

LLAMA = "llama-3.1-8b"
WEIGHTS = 8_030_261_248 * 2
TOKEN = 2 * 8 * 128 * 32 * 2


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
@pytest.mark.parametrize(("memory", "tokens"), [("80GB", 8192), ("79.19GiB", 1000), ("24GiB", 131_072)])
def test_the_textbook_formula(tp: int, memory: str, tokens: int) -> None:
    """max_batch = (memory - weights) / (2 G d_k L tokens bytes), G and the weights split over TP."""
    answer = kvplan.fit(LLAMA, gpu=memory, context=tokens, tp=tp, utilization=1, overhead="0B")
    total = {"80GB": 80 * 10**9, "79.19GiB": 7919 * GIB // 100, "24GiB": 24 * GIB}[memory]
    assert answer.max_batch == (total - WEIGHTS // tp) // (2 * (8 // tp) * 128 * 32 * tokens * 2)


def test_the_lines_of_a_card() -> None:
    """80 GB at 0.9, 16,060,522,496 B of weights, 1 GiB of activations, 512 MiB of overhead."""
    answer = kvplan.fit(
        LLAMA,
        gpu="80GB",
        context=8192,
        batch=3,
        utilization="0.9",
        activation="1GiB",
        overhead="512MiB",
    )
    memory = answer.memory
    assert memory.budget_bytes == 72 * 10**9
    assert memory.weights_bytes == 16_060_522_496
    assert (memory.activation_bytes, memory.overhead_bytes) == (2**30, 2**29)
    assert memory.kv_bytes == 72 * 10**9 - 16_060_522_496 - 2**30 - 2**29
    assert memory.kv_used_bytes == 3 * 8192 * TOKEN
    assert memory.free_bytes == memory.kv_bytes - memory.kv_used_bytes


def design(max_context: int | None = None) -> ModelSpec:
    """Llama-3.1-8B's shape as a person would think it up."""
    return ModelSpec.model_validate(
        {
            "name": "design",
            "dtype": "bfloat16",
            "max_context": max_context,
            "layers": 32,
            "attention": {"kind": "gqa", "heads": 32, "groups": 8, "head_dim": 128},
        }
    )


def test_a_design_without_a_longest_context_asks_for_one() -> None:
    asked = "^the spec of design has no max_context: give --context 8k, or add max_context$"
    for ask in (kvplan.size, partial(kvplan.fit, kv_memory="40GiB"), explain):
        with pytest.raises(OptionsError, match=asked):
            ask(design())
    assert kvplan.fit(design(), kv_memory="40GiB", context=8192).model_context is None
    assert kvplan.size(design(8192)) == kvplan.size(design(), context=8192)
    assert kvplan.size(design(), context=2**29).warnings == ()


@given(st.integers(1, 2**17))
def test_the_asked_context_stands_in_for_the_longest_and_says_so(tokens: int) -> None:
    """VLLM's table of rotations has a row for each token of the longest context, of 128 x 2 B."""
    ask = partial(kvplan.fit, gpu="80GB", weights="16GB", context=tokens)
    known, unknown = ask(design(tokens)), ask(design())
    assert unknown.memory == known.memory
    assert words.sources(unknown.plan.budget)["overhead"] == (
        words.sources(known.plan.budget)["overhead"]
        + "; without a max_context, rotations are for the asked context"
    )


def test_weights_that_do_not_fit_leave_less_than_nothing() -> None:
    answer = kvplan.fit("llama-3.1-70b", gpu="80GB", context=8192)
    assert not answer.fits
    assert answer.max_batch == answer.max_context == 0
    assert answer.memory.kv_bytes == 0
    assert answer.memory.free_bytes < 0
    assert answer.limit.resource is Resource.WEIGHTS
    assert words.limit(answer.limit).startswith("the weights need 131.42 GiB per GPU")
    assert answer.smallest_tp == 4


def test_a_known_kv_memory_is_all_there_is() -> None:
    answer = kvplan.fit(LLAMA, kv_memory="57.30GiB", context=8192)
    assert answer.max_batch == (5730 * GIB // 100) // (8192 * TOKEN) == 57
    assert answer.memory.weights_bytes == answer.memory.overhead_bytes == 0
    assert answer.memory.gpu_bytes == answer.memory.budget_bytes == 5730 * GIB // 100


def test_exact_bytes_are_exact() -> None:
    """One byte less than two sequences need holds one."""
    need = 2 * 8192 * TOKEN
    assert kvplan.fit(LLAMA, kv_memory=f"{need}B", context=8192).max_batch == 2
    answer = kvplan.fit(LLAMA, kv_memory=need - 1, context=8192)
    assert answer.max_batch == 1
    assert answer.limit == Limit(
        resource=Resource.CACHE, needed_bytes=1_073_741_824, free_bytes=1_073_741_823, sequences=2
    )
    assert (
        words.limit(answer.limit)
        == "the KV cache: sequence 2 needs 1,073,741,824 B per GPU, and 1,073,741,823 B is free"
    )


def test_a_card_is_planned_with_what_its_driver_reports() -> None:
    """An 80 GB H100 reports 79.18 GiB: neither 80 x 10^9 nor 80 x 2^30 bytes."""
    answer = kvplan.fit(LLAMA, gpu="h100-80gb", context=8192)
    assert answer.memory.gpu_bytes == 7918 * GIB // 100


def test_a_state_model_has_no_longest_context() -> None:
    answer = kvplan.fit("mamba-2.8b", gpu="24GiB", context=8192)
    assert answer.max_context is None
    assert answer.bytes_per_token == 0
    assert answer.max_batch is not None
    assert answer.max_batch > 1


def test_a_model_without_a_cache_fits_any_number_of_times() -> None:
    answer = kvplan.fit("bert-base-uncased", gpu="24GiB", context=512)
    assert answer.max_batch is None
    assert answer.fits
    assert answer.hints == ()


def test_replicas_hold_a_batch_together() -> None:
    one, four = (kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, dp=dp) for dp in (1, 4))
    assert one.max_batch is not None
    assert four.max_batch == 4 * one.max_batch
    odd = kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, dp=4, batch=5)
    assert odd.memory.kv_used_bytes == 2 * 8192 * TOKEN
    assert odd.total_bytes_all_gpus == 5 * 8192 * TOKEN


def test_hints_say_what_a_change_would_give() -> None:
    answer = kvplan.fit(LLAMA, gpu="h100-80gb", context=8192)
    given = {words.change(hint): hint.max_batch for hint in answer.hints}
    asked = {
        "--kv-dtype fp8": kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, kv_dtype="fp8"),
        "--tp 2": kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, tp=2),
        "--context 4096": kvplan.fit(LLAMA, gpu="h100-80gb", context=4096),
    }
    assert given == {change: plan.max_batch for change, plan in asked.items()}


def test_a_hint_that_gives_nothing_is_not_given() -> None:
    """An fp8 cache is not a way out of an int4 one, nor a wider spread for a replicated latent."""
    changes = [
        words.change(hint) for hint in kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, kv_dtype="int4").hints
    ]
    assert changes == ["--tp 2", "--context 4096"]


def test_the_overhead_is_an_estimate_with_its_evidence_and_its_range() -> None:
    """0.30 GiB below and 1.20 above: what published start-ups differ by."""
    answer = kvplan.fit(LLAMA, gpu="h100-80gb", context=8192)
    assert (
        words.sources(answer.plan.budget)["overhead"]
        == "estimate borrowed from vLLM's profile run and 56 published start-ups"
    )
    assert answer.kv_range == (
        answer.memory.kv_bytes - 120 * GIB // 100,
        answer.memory.kv_bytes + 30 * GIB // 100,
    )
    assert answer.max_batch_range == (52, 53)


def test_what_is_given_has_no_range() -> None:
    answer = kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, overhead="3GiB")
    assert answer.kv_range is answer.max_batch_range is None
    known = kvplan.fit(LLAMA, kv_memory="8GiB", context=8192)
    assert known.kv_range is known.max_batch_range is None


def test_weights_may_be_given() -> None:
    answer = kvplan.fit(LLAMA, gpu="80GB", context=8192, tp=2, weights="16.06GB", overhead=0, utilization=1)
    assert answer.memory.weights_bytes == 8_030_000_000
    quantised = kvplan.fit(LLAMA, gpu="80GB", context=8192, weight_dtype="int4", overhead=0, utilization=1)
    assert quantised.memory.weights_bytes == 8_030_261_248 // 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "give a GPU"),
        ({"kv_memory": "1GiB", "overhead": 0}, "give it alone"),
        ({"gpu": "80GB", "weights": 1, "weight_dtype": "fp8"}, "not both"),
        ({"gpu": 0}, "no memory to plan"),
        ({"gpu": "80GB", "utilization": 1.5}, "at most 1"),
        ({"gpu": "80GB", "utilization": float("nan")}, "not a ratio"),
        ({"gpu": "80GB", "overhead": -1}, "not a size"),
        ({"gpu": "80GB", "context": 0}, "not between 1"),
        ({"gpu": "80GB", "batch": -3}, "not a number of sequences"),
        ({"gpu": "80GB", "tp": 0}, "tp: found 0"),
        ({"gpu": "80GB", "engine": "vlm"}, "unknown engine"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(kvplan.KvplanError, match=problem):
        kvplan.fit(LLAMA, **{"context": 8192, **options})  # type: ignore[arg-type]


def test_results_are_readable() -> None:
    assert repr(kvplan.fit(LLAMA, gpu="h100-80gb", context=8192)) == (
        "<Fit llama-3.1-8b on h100-80gb: 53 sequences of 8192 tokens>"
    )
    assert repr(kvplan.size(LLAMA, context=8192)) == (
        "<Size llama-3.1-8b: 128 KiB per token and 1.00 GiB per sequence of 8192 tokens on each GPU>"
    )


def test_a_model_may_run_in_another_dtype() -> None:
    """Weights and cache of Llama 3.1 8B double in 32 bits; vLLM 0.19.0 printed 29.98 GiB of weights."""
    plan = kvplan.fit(LLAMA, gpu="h100-80gb", context=8192, dtype="float32")
    assert plan.memory.weights_bytes == 4 * 8_030_261_248
    assert plan.bytes_per_token == 262_144
    half = kvplan.size(LLAMA, context=8192, dtype="half")
    assert (half.kv_dtype, half.bytes_per_token) == ("fp16", 131_072)
    with pytest.raises(kvplan.KvplanError, match="no model runs in 'int4'"):
        kvplan.size(LLAMA, dtype="int4")


@pytest.mark.parametrize(
    ("model", "options", "spread"),
    [
        # 131.4 GiB of weights: two nodes of 8 are what is run, not fewer GPUs of one stage each.
        ("llama-3.1-70b", {"gpu": "24GB", "context": 8192, "batch": 8}, (16, 8, 2)),
        ("llama-3.1-70b", {"gpu": "h100-80gb", "context": 8192}, (4, 4, 1)),
        ("llama-3.1-405b", {"gpu": "h100-80gb", "context": 32768, "batch": 16}, (16, 8, 2)),
        # 2196 GiB of latents, which tp copies to each rank, and 625 GiB of weights. The fewest whole nodes
        # are 4 of tp 1: 2 of 61 layers in a stage. In up to 8, tp 2 holds its 3 layers (108 + 16 GiB) in 6;
        # of tp 4, 64 GPUs would hold 4 (144 GiB), and of tp 8, 168 are needed.
        ("deepseek-v3", {"gpu": "h200-141gb", "context": 131072, "batch": 256}, (48, 2, 24)),
        # llama.cpp splits by layers alone.
        ("llama-3.1-70b", {"gpu": "24GB", "context": 8192, "engine": "llamacpp"}, (7, 1, 7)),
    ],
)
def test_the_fewest_gpus_are_spread_as_one_runs_them(
    model: str, options: dict[str, Any], spread: tuple[int, int, int]
) -> None:
    """Tensor parallelism fills a node of 8 before there are stages, unless that takes twice the GPUs."""
    best = kvplan.fit(model, **options).smallest_gpus
    assert best is not None
    assert (best.gpus, best.tp, best.pp) == spread


def test_a_mac_has_one_gpu() -> None:
    """Of 48 GiB, what Metal recommends of 64: no second Mac shares its memory."""
    tight = kvplan.fit("llama-3.1-70b", gpu="m3-max-64gb", engine="llamacpp", context=8192)
    assert (tight.fits, tight.smallest_gpus, tight.smallest_tp) == (False, None, None)
    room = kvplan.fit("llama-3.1-8b", gpu="m3-max-64gb", engine="exact", context=8192)
    assert room.smallest_gpus is not None
    assert room.smallest_gpus.gpus == 1
    assert not [hint for hint in room.hints if hint.option == "tp"]


def test_the_narrow_cache_that_is_offered_is_one_of_the_engines() -> None:
    """q8_0 stores 32 numbers in 34 bytes: 53 % of f16."""
    answer = kvplan.fit("llama-3.1-8b", gpu="rtx-3090-24gb", engine="llamacpp", context=8192)
    (hint,) = (each for each in answer.hints if each.option == "kv_dtype")
    assert hint.value == "q8_0"
    told = kvplan.fit("llama-3.1-8b", gpu="rtx-3090-24gb", engine="llamacpp", context=8192, kv_dtype="q8_0")
    assert hint.max_batch == told.max_batch
