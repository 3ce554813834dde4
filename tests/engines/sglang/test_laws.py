"""Laws that hold for every model, page and memory."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.engines.sglang.engine import TokenPools
from kvplan.errors import KvplanError, NoRoomError
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from kvplan.specs.model import ModelSpec
from tests.engines.sglang.planning import pools_of
from tests.strategies import BATCHES, TPS, specs

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("llama-3.1-8b", {"pp": 5}),
    ("llama-3.1-8b", {"tp": 16, "block_size": 64}),
    ("deepseek-v3.2", {"kv_dtype": "fp8_e4m3", "pp": 4}),
    ("gemma-3-27b", {"block_size": 16}),
    ("gpt-oss-120b", {"block_size": 64, "pp": 4}),
    ("gpt-oss-20b", {"settings": {"swa_full_tokens_ratio": "0.37"}}),
    ("gpt-oss-20b", {"settings": {"swa_full_tokens_ratio": "0.7"}, "block_size": 16}),
    ("gpt-oss-20b", {"prefix_caching": False, "max_num_seqs": 50_000, "block_size": 16}),
    ("mimo-v2-flash", {"tp": 4}),
    ("llama-4-scout-17b-16e", {"tp": 8, "max_num_batched_tokens": 2048}),
    ("qwen3-next-80b-a3b", {"tp": 2, "pp": 3}),
    ("qwen3-next-80b-a3b", {"block_size": 64, "settings": {"mamba_full_memory_ratio": "0.21"}}),
    ("falcon-h1-7b", {"prefix_caching": False}),
    ("lfm2-1.2b", {}),
    ("mamba-codestral-7b", {"tp": 2}),
    ("nemotron-h-8b", {"settings": {"max_mamba_cache_size": "15000"}}),
    ("qwen3-next-80b-a3b", {"draft": "mtp"}),
    (
        "qwen3-next-80b-a3b",
        {"draft": "mtp", "max_num_seqs": 7, "settings": {"mamba_full_memory_ratio": "3"}},
    ),
    (
        "qwen3.5-35b-a3b",
        {"draft": "mtp", "max_num_seqs": 3000, "settings": {"speculative_num_draft_tokens": "16"}},
    ),
    ("qwen3.5-35b-a3b", {"draft": "mtp", "settings": {"max_mamba_cache_size": "15000"}}),
    ("qwen3.5-35b-a3b", {"draft": "mtp", "prefix_caching": False, "max_num_seqs": 3000}),
)

cases = st.sampled_from(CASES).map(lambda case: pools_of(case[0], **case[1]))
contexts = st.integers(1, 300_000)
batches = st.integers(1, 3000)


def holds(pools: TokenPools, memory: int, context: int, batch: int) -> bool:
    """Return whether SGLang starts with so much memory and all its pools hold the requests."""
    demand = pools.sizing.demand(uniform(context, batch))
    try:
        found = pools.pools([memory] * len(pools.stages), context)
    except NoRoomError:
        return False
    assert found is not None
    fits = found.slots is None or demand.slots <= found.slots
    fits &= found.window_tokens is None or demand.window_tokens <= found.window_tokens
    # Without rows the pool's tokens are a count, not memory.
    return fits and (not pools.sizing.cells.has_tokens or demand.tokens <= found.tokens)


@given(cases, contexts, batches, st.integers(0, 10**12))
def test_the_reserve_is_the_memory_from_which_on_the_requests_fit(
    pools: TokenPools, context: int, batch: int, more: int
) -> None:
    """A byte less does not hold them, and any amount more does, also where states take some of it."""
    least = pools.reserved_bytes(rank=0, load=uniform(context, batch))
    assert holds(pools, least, context, batch)
    assert not holds(pools, least - 1, context, batch)
    assert holds(pools, least + more, context, batch)
    assert holds(pools, least + more % (least // 8 + 1), context, batch)


@given(cases, contexts, contexts, st.integers(0, 3000), st.integers(0, 3000))
def test_the_reserve_never_falls(
    pools: TokenPools, context: int, longer: int, batch: int, larger: int
) -> None:
    def reserved(tokens: int, requests: int) -> int:
        return pools.reserved_bytes(rank=0, load=uniform(tokens, requests))

    for low, high in pairwise(sorted((context, longer))):
        assert reserved(low, batch) <= reserved(high, batch)
    for few, many in pairwise(sorted((batch, larger))):
        assert reserved(context, few) <= reserved(context, many)


@given(cases, contexts, st.integers(0, 3000), st.data())
def test_the_lines_add_up(pools: TokenPools, context: int, batch: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, len(pools.stages) - 1))
    lines = pools.lines(rank=rank, load=uniform(context, batch))
    assert sum(line.size_bytes for line in lines) == pools.reserved_bytes(
        rank=rank, load=uniform(context, batch)
    )
    # Only rows of another layout may take less than the formula's.
    assert all(line.size_bytes >= 0 for line in lines if line.name != "row layout")


@given(cases, st.integers(0, 10**13), contexts)
def test_more_memory_never_makes_fewer_slots(pools: TokenPools, memory: int, context: int) -> None:
    try:
        found = pools.pools([memory] * len(pools.stages), context)
    except NoRoomError:
        return
    more = pools.pools([2 * memory] * len(pools.stages), context)
    assert found is not None
    assert more is not None
    assert (found.slots or 0) <= (more.slots or 0)
    assert found.tokens <= more.tokens


def test_no_plan_of_the_catalogue_beats_the_formula() -> None:
    """But for rows of another layout; and every model that is refused is refused by a KvplanError."""
    planned = 0
    for path in spec_files():
        try:
            deployment = deploy(load_file(path), Choice(engine="sglang"))
        except KvplanError:
            continue
        lines = deployment.arrangement.lines(rank=0, load=uniform(4096, 3))
        sizes = {line.name: line.size_bytes for line in lines}
        least = deployment.reserved_bytes(uniform(4096, 3))
        exact = 3 * sum(term.bytes_on_rank(4096, 1) for term in deployment.stages[0].terms())
        assert sum(sizes.values()) == least
        assert least >= exact + min(0, sizes.get("row layout", 0))
        planned += 1
    assert planned > 200


SETTINGS = st.fixed_dictionaries(
    {
        "mamba_radix_cache_strategy": st.sampled_from(("no_buffer", "extra_buffer")),
        "disable_hybrid_swa_memory": st.sampled_from(("true", "false")),
    }
)


@given(specs(), SETTINGS, TPS, st.integers(1, 3), contexts, BATCHES)
def test_any_mixture_is_planned_or_refused_in_words(  # noqa: PLR0913, PLR0917 - what a plan depends on
    spec: ModelSpec, settings: dict[str, str], tp: int, pp: int, context: int, batch: int
) -> None:
    choice = Choice(engine="sglang", kv_dtype="bf16", tp=tp, pp=pp, settings=settings)
    try:
        pools = deploy(spec, choice).arrangement
    except KvplanError:
        return
    assert isinstance(pools, TokenPools)
    least = {pools.reserved_bytes(rank=rank, load=uniform(context, batch)) for rank in range(pp)}
    assert len(least) == 1
    for rank in range(pp):
        lines = pools.lines(rank=rank, load=uniform(context, batch))
        assert {sum(line.size_bytes for line in lines)} == least
    if least != {0}:
        assert holds(pools, least.pop(), context, batch)


@pytest.mark.parametrize(("model", "choice"), CASES)
def test_a_plan_is_the_same_twice(model: str, choice: dict[str, Any]) -> None:
    """Nothing is kept between two plans."""
    first, second = (pools_of(model, **choice).lines(rank=0, load=uniform(5000, 7)) for _ in range(2))
    assert first == second
