"""A prompt's length: how many stand at once where it is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.errors import OptionsError
from kvplan.loads import uniform
from kvplan.planner.plan import Plan


def gemma(prompt: int | None) -> kvplan.Fit:
    return kvplan.fit(
        "gemma-3-27b", gpu="h100-80gb", context=8192, engine="vllm", advice=False, prompt=prompt
    )


def test_a_short_prompt_lets_more_in() -> None:
    """
    One group of layers keeps all tokens in 512 blocks of 16, and six keep their windows in 65 each.

    Where no prompt is known, a whole prefill is set aside for one request.
    """
    unknown, known = gemma(None), gemma(1000)
    assert unknown.max_batch is not None
    assert known.max_batch is not None
    assert unknown.max_batch < known.max_batch
    assert known.max_batch == (known.num_blocks or 0) // (512 + 6 * 65)
    assert known.bytes_per_sequence == unknown.bytes_per_sequence
    assert (known.prompt, unknown.prompt) == (1000, None)


def test_vllm_still_starts_only_with_room_for_the_longest_prefill() -> None:
    assert gemma(1000).max_context == gemma(None).max_context


def test_a_prompt_is_no_longer_than_the_context() -> None:
    with pytest.raises(OptionsError, match="a prompt of 8,193 tokens is longer than the context of 8,192"):
        gemma(8193)
    assert gemma(8192).max_batch == gemma(None).max_batch


def test_no_server_is_told() -> None:
    assert gemma(1000).command == gemma(None).command


def planned(model: str, prompt: int | None) -> Plan:
    return kvplan.plan(model, kv_memory="20GiB", engine="vllm", prompt=prompt)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ("llama-3.1-8b", "gemma-3-27b", "qwen3-next-80b-a3b", "deepseek-v4-flash", "nemotron-3-nano-30b-a3b")
    ),
    st.integers(2, 40_000),
    st.integers(1, 40_000),
    st.integers(1, 200),
)
def test_what_stands_is_told_in_lines_and_is_never_less(
    model: str, context: int, prompt: int, batch: int
) -> None:
    prompt = min(prompt, context)
    known, unknown = planned(model, prompt), planned(model, None)
    most, least = known.max_batch(context), unknown.max_batch(context)
    assert most is not None
    assert least is not None
    assert most >= least
    assert known.fits(uniform(context, most)) or not most
    assert not known.fits(uniform(context, most + 1))
    known.waterfall(uniform(context, batch))  # It adds up, or raises.


def test_a_prompt_of_a_model_without_a_cache() -> None:
    answer = kvplan.fit("bert-base-uncased", gpu="h100-80gb", context=512, engine="vllm", prompt=128)
    assert (answer.max_batch, answer.max_context) == (None, None)


@pytest.mark.parametrize("release", ["0.11", "0.14", "0.19", "0.33"])
def test_a_model_without_a_cache_in_every_check_at_start(release: str) -> None:
    answer = kvplan.fit("bert-base-uncased", gpu="h100-80gb", context=512, engine=f"vllm@{release}")
    assert answer.max_batch is None


def test_a_plan_refuses_contexts_below_its_prompt() -> None:
    plan = kvplan.plan("llama-3.1-8b", gpu="h100-80gb", engine="vllm", prompt=5000)
    longer = "a prompt of 5,000 tokens is longer than the context of 4,000"
    with pytest.raises(OptionsError, match=longer):
        plan.max_batch(4000)
    with pytest.raises(OptionsError, match=longer):
        plan.fits([(4000, 3)])
    assert plan.max_batch(5000)


def test_no_hint_and_no_longest_context_is_below_the_prompt() -> None:
    options = {"gpu": "rtx-4090-24gb", "context": 8192, "engine": "vllm", "prompt": 8000}
    answer = kvplan.fit("llama-3.1-8b", batch=64, **options)  # type: ignore[arg-type]
    assert answer.max_context == 0
    assert "context" not in {hint.option for hint in answer.hints}
