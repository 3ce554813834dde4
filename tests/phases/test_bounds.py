"""The least time of a phase, by hand, and never more than what was measured."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.phases.bounds import (
    decode_bound,
    most_requests_per_second,
    prefill_seconds,
    require_bandwidth,
    require_flops,
    speeds_of,
)
from kvplan.phases.reading import active, prompt_operations

H100 = 3_350_000_000_000


def test_a_step_reads_the_weights_and_all_caches_once() -> None:
    """Llama 3.1 8B, 8 sequences of 1,000 tokens of 131,072 B."""
    plan = kvplan.plan("llama-3.1-8b", gpu="h100-80gb")
    bound = decode_bound(plan, 1_000, 8, H100)
    weights = 2 * active(plan.deployment.spec).parameters
    assert (bound.weights_bytes, bound.cache_bytes) == (weights, 8 * 1_000 * 131_072)
    assert bound.seconds == bound.all_differ_seconds == (weights + 8 * 1_000 * 131_072) / H100


def test_ranks_read_in_parallel_and_stages_one_after_the_other() -> None:
    wide = kvplan.plan("llama-3.1-70b", gpu="h100-80gb", tp=4)
    deep = kvplan.plan("llama-3.1-70b", gpu="h100-80gb", tp=2, pp=2)
    four, two = (decode_bound(plan, 1_000, 1, H100) for plan in (wide, deep))
    weights = 2 * active(wide.deployment.spec).parameters
    cache = 1_000 * 80 * 2 * 8 * 128 * 2
    assert four.seconds == (weights // 4 + cache // 4) / H100
    # Both stages' weights for one token; a stage has half of them, and half of the cache.
    assert two.seconds == 2 * (weights // 4) / H100


def test_experts_make_a_range() -> None:
    """gpt-oss-120b: 4 of 128 experts in 36 layers; from 32 tokens on they may all be read."""
    plan = kvplan.plan("gpt-oss-120b", gpu="h100-80gb")
    one, some, many = (decode_bound(plan, 1_000, batch, H100) for batch in (1, 2, 64))
    assert one.seconds == one.all_differ_seconds
    assert some.seconds < some.all_differ_seconds
    spread = (many.all_differ_seconds - many.seconds) * H100
    assert round(spread / (some.all_differ_seconds - some.seconds) / H100) == 31


@pytest.mark.parametrize(
    ("model", "options", "dtype"),
    [
        ("llama-3.1-8b", {}, "bf16"),
        ("llama-3.1-8b", {"weight_dtype": "fp8"}, "fp8"),
        ("deepseek-v3", {}, "fp8"),
        ("llama-3.1-8b", {"weight_dtype": "int4"}, "fp8"),
    ],
)
def test_operations_are_of_the_fastest_dtype_that_the_weights_allow(
    model: str, options: dict[str, Any], dtype: str
) -> None:
    """A Hopper card has none of 4 bits."""
    assert speeds_of(kvplan.plan(model, gpu="h100-80gb", **options)).dtype == dtype


def test_a_prefill_is_shared_by_all_gpus_of_a_replica() -> None:
    plan = kvplan.plan("llama-3.1-70b", gpu="h100-80gb", tp=2, pp=2, dp=3)
    operations = prompt_operations(plan.deployment.spec, 4_096)
    assert prefill_seconds(plan, 4_096, 10**15) == operations / (4 * 10**15)


def test_what_is_not_known_of_a_card_is_asked_for() -> None:
    plan = kvplan.plan("llama-3.1-8b", gpu="a10g-24gb")
    card, speeds = plan.asked.card(), speeds_of(plan)
    with pytest.raises(OptionsError, match=r"not known for NVIDIA A10G 24GB; give --bandwidth 3\.35TB/s"):
        require_bandwidth(speeds, card)
    with pytest.raises(OptionsError, match="give --flops 989T"):
        require_flops(speeds, card)
    given = speeds_of(plan, bandwidth=600 * 10**9, flops=70 * 10**12)
    assert (require_bandwidth(given, card), require_flops(given, card)) == (600 * 10**9, 70 * 10**12)


def test_littles_law() -> None:
    """40 sequences of 0.5 s and of 100 tokens in 20 ms each: 16 a second."""
    assert most_requests_per_second(40, 0.5, 100, 0.02) == 16


@pytest.mark.parametrize(
    ("model", "gigabits"), [("minimax-m2.5", 59.93), ("mimo-v2-flash", 4.66), ("qwen3-235b-a22b", 33.35)]
)
def test_no_prefill_is_faster_than_its_bound(model: str, gigabits: float) -> None:
    """
    8 x H200 make the cache of 32k tokens at so many Gbps: Prefill-as-a-Service, arXiv 2604.15039.

    The time that follows from the cache's bytes is more than the least that is possible.
    """
    plan = kvplan.plan(model, gpu="h200-141gb", tp=8)
    flops = speeds_of(plan).flops or 0
    moved = kvplan.disaggregate(model, context="32k", tp=8).prompt_bytes
    assert prefill_seconds(plan, 32_768, flops) < 8 * moved / (gigabits * 10**9)
