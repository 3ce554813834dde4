"""How near whole plans come to the KV memory that vLLM printed, without a hint from its log."""

import kvplan
from tests.field.accuracy import accuracy, left_out, whole_plans


def test_the_median_plan_is_off_by_less_than_three_percent() -> None:
    assert accuracy().median_error < 0.03


def test_nine_of_ten_printed_figures_lie_in_the_range() -> None:
    assert accuracy().inside >= 0.9 * accuracy().count


def test_most_start_ups_that_print_their_memory_are_planned() -> None:
    """Three are not: one had no room for a cache, two do not tell the share of the card or the context."""
    assert (accuracy().count, accuracy().different) == (56, 43)
    assert [split.id for split in left_out()] == [
        "qwen25-7b-awq-vllm-rtx4060-negative",
        "llama3-8b-vllm-80gb-tp1",
        "phi3-small-8k-vllm-tp2",
    ]


def test_the_range_is_narrow_enough_to_be_of_use() -> None:
    """It spans at most 2 GiB, so that no figure lies in it for its width alone."""
    assert max(plan.high_bytes - plan.low_bytes for plan in whole_plans()) <= 2 * 2**30


def test_that_of_a_dense_model_on_one_card_is_a_gib_and_a_half_at_most() -> None:
    alone = [plan for plan in whole_plans() if plan.split.tp == plan.split.pp == 1]
    dense = [plan for plan in alone if not kvplan.load(plan.split.model or "").has_experts]
    plain = [plan for plan in dense if {plan.split.quantization, plan.split.asked_weight_dtype} == {None}]
    assert len(plain) >= 20
    assert max(plan.high_bytes - plan.low_bytes for plan in plain) <= 3 * 2**29
