"""How many requests stand at once, against vLLM's own scheduler."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.engines.vllm import Pool, plan_pool
from kvplan.engines.vllm.scheduler import resident
from kvplan.loads import uniform
from tests.engines.vllm.planning import layout_of
from tests.engines.vllm.replay import planned, recorded

JOBS = recorded("held_jobs")


def test_every_way_to_keep_tokens_was_asked() -> None:
    """At least 300 jobs, of both prompts and batches, with and without prefix caching and a watermark."""
    assert len(JOBS) >= 300
    cases = [case for case, _ in JOBS]
    kinds = Counter(f["kind"] for case in cases for kinds in case["attention"].values() for f in kinds)
    assert {"gqa", "sliding", "chunked", "mla", "compressed", "mamba", "mamba2", "gated_delta_net"} <= set(
        kinds
    )
    assert {case["context"] for case in cases} >= {2048, 8192, 32_768, 131_072}
    assert {case["max_num_batched_tokens"] for case in cases} == {2048, 8192}
    for key in ("state_mode", "watermark", "async_scheduling"):
        assert len({case[key] for case in cases}) > 1, key


def held(case: dict[str, Any]) -> tuple[Pool, int]:
    pool = planned(case)
    most = pool.max_batch
    assert most is not None
    return pool, most


@pytest.mark.parametrize(("case", "said"), JOBS, ids=lambda each: each.get("name", ""))
def test_a_known_prompt_is_answered_as_the_scheduler_does(case: dict[str, Any], said: dict[str, Any]) -> None:
    pool, most = held(case)
    assert pool.num_blocks == said["num_blocks"]
    known = resident(pool, case["prompt"])
    assert known is not None
    states_alone = {group.spec.paging for group in pool.layout.groups} == {"state"}
    # Where all is states, the blocks that a prefill checkpoints can hold back the last request.
    assert known - said["held"] in ((0, 1) if states_alone and case["state_mode"] == "align" else (0,))
    # Without the prompt never more, and the smallest pool for so many is no larger than this one.
    assert most <= said["held"]
    layout, context = pool.layout, case["context"]
    (available,) = case["available_bytes"]
    assert layout.reserved_bytes(rank=0, load=uniform(context, most)) <= available
    assert layout.reserved_bytes(rank=0, load=uniform(context, most + 1)) > available


MODELS = ("llama-3.1-8b", "gemma-3-27b", "gpt-oss-20b", "llama-4-scout-17b-16e", "deepseek-v4-flash")


@given(
    st.sampled_from(MODELS),
    st.integers(2, 2**16),
    st.integers(0, 2**16),
    st.integers(1, 2**14),
    st.sampled_from((0.0, 0.01, 0.5)),
)
def test_no_prompt_is_held_less_often_than_is_promised(
    model: str, context: int, prompt: int, more: int, watermark: float
) -> None:
    layout = layout_of(model, watermark=watermark)
    blocks = layout.blocks_per_request(context) + more
    pool = plan_pool(layout, blocks * layout.bytes_per_block[0], context)
    known = resident(pool, min(prompt, context - 1) or 1)
    assert known is not None
    assert pool.max_batch is not None
    assert pool.max_batch <= known


@given(st.sampled_from(MODELS), st.integers(1, 2**16), st.integers(1, 50), st.sampled_from((0.01, 0.1, 0.9)))
def test_a_watermark_keeps_its_share_free(model: str, context: int, batch: int, watermark: float) -> None:
    """So many blocks are added that the pool without its share holds the requests, and none is spare."""
    layout, plain = layout_of(model, watermark=watermark), layout_of(model)
    block = layout.bytes_per_block[0]
    pool = layout.reserved_bytes(rank=0, load=uniform(context, batch)) // block
    needed = plain.reserved_bytes(rank=0, load=uniform(context, batch)) // block
    if batch == 1:
        assert pool == needed
        return
    assert pool - int(watermark * pool) >= needed
    assert pool - 1 - int(watermark * (pool - 1)) < needed
