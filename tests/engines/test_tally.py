"""Unequal sequences add up: by each engine's tally the same loads stand as by its arrangement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.engines.tally import is_held
from kvplan.loads import Load, dealt, sequences_in
from kvplan.planner.plan import Plan

CASES = (
    ("llama-3.1-8b", "exact", {"gpu": "24GB"}),
    ("gemma-3-27b", "exact", {"gpu": "h100-80gb", "pp": 2}),
    ("llama-3.1-8b", "vllm", {"gpu": "l4-24gb"}),
    ("llama-3.1-8b", "vllm", {"gpu": "l4-24gb", "settings": {"watermark": "0.05"}}),
    ("gemma-3-27b", "vllm", {"gpu": "h100-80gb"}),
    ("qwen3-next-80b-a3b", "vllm", {"gpu": "h100-80gb", "tp": 4, "prefix_caching": True}),
    ("deepseek-v3.2", "vllm", {"gpu": "h200-141gb", "tp": 8, "pp": 2}),
    ("llama-3.1-8b", "sglang", {"gpu": "l4-24gb"}),
    ("gpt-oss-120b", "sglang", {"gpu": "h100-80gb", "tp": 2}),
    ("qwen3-next-80b-a3b", "sglang", {"gpu": "h100-80gb", "tp": 4}),
    ("qwen3-8b", "trtllm", {"gpu": "h100-80gb"}),
    ("qwen3-8b", "llamacpp", {"gpu": "rtx-4090-24gb", "settings": {"kv_unified": "true"}}),
    ("gemma-3-12b", "llamacpp", {"gpu": "rtx-4090-24gb", "kv_dtype": "q8_0"}),
    ("qwen3-8b", "transformers", {"gpu": "h100-80gb"}),
)

tokens = st.integers(2, 32_768)
loads = st.lists(st.tuples(tokens, st.integers(1, 40)), min_size=1, max_size=4).map(tuple)
plans = pytest.mark.parametrize(
    "plan",
    [kvplan.plan(name, engine=engine, **options) for name, engine, options in CASES],
    ids=[f"{name}-{engine}-{number}" for number, (name, engine, _) in enumerate(CASES)],
)


def held(plan: Plan, load: Load) -> bool:
    """Whether one replica holds a load, by adding amounts up."""
    lengths = np.array([context for context, _ in load])
    tally = plan.deployment.arrangement.tally(lengths)  # type: ignore[arg-type]
    amounts = [tuple(batch * each for each in tally.amounts(context)) for context, batch in load]
    sums = [sum(column) for column in zip(*amounts, strict=True)]
    most = plan.most_sequences(int(lengths.min()))
    few = most is None or sequences_in(load) <= most
    return few and is_held(sums, tally.room(plan.pools, sequences=sequences_in(load), arriving=1))


@plans
@settings(max_examples=25)
@given(load=loads)
def test_the_same_loads_stand_by_the_tally_as_by_the_arrangement(plan: Plan, load: Load) -> None:
    assert held(plan, load) == plan.fits(dealt(load, 1))


@plans
@settings(max_examples=25)
@given(context=tokens)
def test_sequences_of_one_length_are_as_many_as_a_plan_holds(plan: Plan, context: int) -> None:
    most = plan.max_batch(context)
    assert most is not None
    assert not most or held(plan, ((context, most),))
    assert not held(plan, ((context, most + 1),))


@plans
def test_an_axis_of_lengths_takes_what_each_of_them_does(plan: Plan) -> None:
    lengths = np.array([2, 3, 17, 1024, 1025, 4096, 8191, 8192, 8193, 20_000, 40_000])
    tally = plan.deployment.arrangement.tally(lengths)  # type: ignore[arg-type]
    columns = [np.broadcast_to(each, lengths.shape) for each in tally.amounts(lengths)]  # type: ignore[arg-type]
    assert [tuple(map(int, row)) for row in zip(*columns, strict=True)] == [
        tally.amounts(int(length)) for length in lengths
    ]
