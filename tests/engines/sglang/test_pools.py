"""How a memory becomes pools, worked by hand; and how much memory some requests need."""

from typing import Any

import pytest

from kvplan.engines.arrangement import StartUp
from kvplan.engines.sglang.pools import Demand, Pools
from kvplan.errors import NoRoomError
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.size import as_spec
from kvplan.units import GIB
from tests.engines.sglang.planning import pools_of

SLOT = 77_266_944
"""A slot of Qwen3-Next's states."""


def started(model: str, memory: int, context: int = 8192, **choice: Any) -> Pools:
    pools = pools_of(model, **choice).pools([memory], context)
    assert pools is not None
    return pools


def needed(model: str, context: int, batch: int, **choice: Any) -> int:
    return pools_of(model, **choice).reserved_bytes(rank=0, load=uniform(context, batch))


@pytest.mark.parametrize(
    ("memory", "page", "tokens"),
    [
        (10 * GIB, None, 81_920),
        (10 * GIB - 1, None, 81_919),
        # 81 919 tokens are 1279 pages of 64 and 63 tokens.
        (10 * GIB - 1, 64, 81_856),
        (131_072, None, 1),
    ],
)
def test_the_token_pool(memory: int, page: int | None, tokens: int) -> None:
    """131 072 B a token, in whole pages."""
    assert started("llama-3.1-8b", memory, block_size=page).tokens == tokens


def test_the_start_up_figures() -> None:
    """
    It runs 4,096 requests at most: 81,856 x 512 / 8192 are more (resolve_max_num_reqs).

    The table of requests has a row more, and four places more in each: 4,097 x 8,196 x 4 bytes.
    """
    found = pools_of("llama-3.1-8b", block_size=64).start_up([10 * GIB - 1], 8192)
    assert found == StartUp(
        num_blocks=1279,
        block_size=64,
        kv_tokens=81_856,
        max_concurrency=None,
        runs=4096,
        table_bytes=4097 * 8196 * 4,
    )


def test_a_model_without_a_cache_starts_nothing() -> None:
    assert pools_of("bert-base-uncased").start_up([GIB], 512) is None
    assert needed("bert-base-uncased", 512, 8) == 0


def test_the_tightest_rank_and_the_fullest_stage_decide() -> None:
    """6 or 7 layers of 4096 B on a rank; every rank gets the least memory of any."""
    pools = pools_of("llama-3.1-8b", pp=5, pp_layers=(6, 6, 7, 7, 6))
    assert pools.pools([5 * GIB, 4 * GIB, 9 * GIB, 9 * GIB, 9 * GIB], 8192) == Pools(
        tokens=149_796, window_tokens=None, slots=None, requests=4096
    )
    assert {pools.reserved_bytes(rank=rank, load=uniform(100, 2)) for rank in range(5)} == {200 * 7 * 4096}


def test_max_total_tokens_bounds_the_pool() -> None:
    assert (
        started("llama-3.1-8b", 10 * GIB, settings={"max_total_tokens": "1000"}, block_size=64).tokens == 960
    )
    assert started("llama-3.1-8b", 10 * GIB, settings={"max_total_tokens": "100000"}).tokens == 81_920


def test_the_bound_on_tokens_is_memory() -> None:
    """960 tokens in whole pages; with states, which take a share of the memory, it is none."""
    choice: dict[str, Any] = {"settings": {"max_total_tokens": "1000"}, "block_size": 64}
    assert pools_of("llama-3.1-8b", **choice).most_bytes(0) == 960 * 131_072
    assert pools_of("llama-3.1-8b").most_bytes(0) is None
    assert pools_of("llama-3.1-8b", **choice).most_sequences(100) is None
    # 0.8 x 8192 = 6553 tokens of windows are enough for 6 requests of 1024, and not for 7.
    windows = pools_of("gpt-oss-20b", settings={"max_total_tokens": "8192"})
    six, seven = (windows.reserved_bytes(rank=0, load=uniform(1024, batch)) for batch in (6, 7))
    assert six <= (windows.most_bytes(0) or 0) < seven
    assert pools_of("qwen3-next-80b-a3b", **choice).most_bytes(0) is None


@pytest.mark.parametrize(
    ("model", "settings", "context", "batch"),
    [
        ("qwen3-next-80b-a3b", {"max_mamba_cache_size": "82"}, 100, 16),
        ("qwen3-next-80b-a3b", {"max_total_tokens": "8192"}, 1024, 8),
        # Tokens are counted though none is stored.
        ("mamba-codestral-7b", {"max_total_tokens": "8192"}, 1024, 8),
    ],
)
def test_what_no_memory_holds(model: str, settings: dict[str, str], context: int, batch: int) -> None:
    """82 slots are 16 requests of 5."""
    assert needed(model, context, batch, settings=settings) < 10**11
    assert pools_of(model, settings=settings).most_sequences(context) == batch
    lines = pools_of(model, settings=settings).lines(rank=0, load=uniform(context, batch + 1))
    assert sum(line.size_bytes for line in lines) == 10**18 + 1
    assert lines[-1].name == "out of reach"


@pytest.mark.parametrize(
    ("context", "asked", "requests"),
    [
        # 81 920 / 131 072 x 512 = 320, and 2048 at least.
        (131_072, None, 2048),
        # 81 920 / 16 384 x 512.
        (16_384, None, 2560),
        (1024, None, 4096),
        (1024, 64, 64),
        # No more than one for every 2 tokens.
        (1024, 100_000, 40_960),
    ],
)
def test_the_bound_on_running_requests(context: int, asked: int | None, requests: int) -> None:
    assert started("llama-3.1-8b", 10 * GIB, context, max_num_seqs=asked).requests == requests


def test_the_pool_of_windows_is_a_share_of_the_tokens() -> None:
    """A token of MiMo-V2-Flash on 4 ranks takes 5760 + 0.8 x 49 920 = 45 696 B."""
    memory = 375_360 * 45_696
    assert started("mimo-v2-flash", memory, tp=4, block_size=64) == Pools(
        tokens=375_360, window_tokens=300_288, slots=None, requests=4096
    )
    assert started("mimo-v2-flash", memory - 1, tp=4, block_size=64).tokens == 375_296
    half = started("mimo-v2-flash", 1000 * (5760 + 24_960), tp=4, settings={"swa_full_tokens_ratio": "0.5"})
    assert (half.tokens, half.window_tokens) == (1000, 500)


def test_the_share_is_a_float() -> None:
    """715 210 x 0.7 is 500 647, and a little less in floats; one token more is enough for as many."""
    assert int(715_210 * 0.7) == 500_646
    sizing = pools_of("gpt-oss-120b", settings={"swa_full_tokens_ratio": "0.7"}).sizing
    memory = sizing.fullest_bytes(715_210)
    found = sizing.pools(memory, 8192)
    assert (found.tokens, found.window_tokens) == (715_210, 500_646)
    demand = Demand(logical_tokens=0, tokens=0, window_tokens=500_647, slots=0)
    assert sizing.pool_tokens(demand) == 715_211


def test_a_pool_that_holds_no_window_is_refused() -> None:
    """128 + 1 < tokens of windows: 130 of them come with 163 tokens, 0.8 x 162 = 129."""
    cell = 36_864 * 18 // 10
    assert cell * 10 == 36_864 * 18 - 2
    memory = 163 * 36_864 * 9 // 5
    assert started("gpt-oss-120b", memory + 1).window_tokens == 130
    with pytest.raises(NoRoomError, match="gets 129 tokens beside 162 of full attention"):
        started("gpt-oss-120b", memory)


def test_what_requests_hold_of_the_pool_of_windows() -> None:
    """A window, 128 tokens to evict and 2 pages each; 2 chunks of 8192 and a page; no more than there are."""
    demand = pools_of("gpt-oss-120b").sizing.demand
    assert demand(uniform(100_000, 4)).window_tokens == 4 * (128 + 128 + 2) + 2 * 8192 + 1
    assert demand(uniform(1000, 4)).window_tokens == 4000
    assert demand(uniform(1, 1)).window_tokens == 130
    assert demand(uniform(1, 0)).window_tokens == 0
    # A short request has no more than its tokens, whoever runs beside it.
    mixed = ((100_000, 4), (100, 50))
    assert demand(mixed).window_tokens == 4 * (128 + 128 + 2) + 50 * 100 + 2 * 8192 + 1
    assert demand(mixed).tokens == 4 * 100_000 + 50 * 100
    paged = pools_of("gpt-oss-120b", block_size=64, max_num_batched_tokens=2048).sizing.demand
    # 4 x (128 + 128 + 128) + 4096 + 64 = 5696 = 89 pages.
    assert paged(uniform(100_000, 4)).window_tokens == 5696


def test_the_larger_of_both_pools_decides() -> None:
    """36 864 B a token in either; 4 requests of 1000 tokens need 4000 of windows, and so 5000 of all."""
    assert needed("gpt-oss-120b", 1000, 4) == 5000 * 36_864 * 9 // 5
    assert needed("gpt-oss-120b", 100_000, 4) == 400_000 * 36_864 * 9 // 5


def test_a_pool_of_windows_for_the_requests_alone() -> None:
    """Without the radix cache: 16 x 258 + 16 384 + 1 tokens of windows, and the rest for tokens."""
    choice: dict[str, Any] = {"prefix_caching": False, "max_num_seqs": 16}
    windows = 16 * 258 + 16_385
    found = started("gpt-oss-120b", (windows + 50_000) * 36_864, **choice)
    assert (found.tokens, found.window_tokens, found.requests) == (50_000, windows, 16)
    assert needed("gpt-oss-120b", 1000, 4, **choice) == (4000 + windows) * 36_864
    # One chunk is in flight where batches take turns: compute_swa_request_cap.
    in_turn = {**choice, "settings": {"disable_overlap_schedule": "true"}}
    found = started("gpt-oss-120b", (windows + 50_000) * 36_864, **in_turn)
    assert (found.tokens, found.window_tokens) == (58_192, windows - 8192)
    # Whole prompts are written into the pool of windows, which its ratio sizes then.
    whole = {**choice, "settings": {"chunked_prefill": "false", "max_prefill_tokens": "4096"}}
    assert (
        started("gpt-oss-120b", 90_000 * 36_864, **whole).window_tokens
        == started("gpt-oss-120b", 90_000 * 36_864, max_num_seqs=16).window_tokens
    )


@pytest.mark.parametrize(("chunk", "windows"), [(None, 8_225), (4096, 6_177)])
def test_groups_share_a_chunk_out(chunk: int | None, windows: int) -> None:
    """compute_swa_request_cap of SGLang 0.5.23: --tp 8 --dp 4 --enable-dp-attention and 64 requests."""
    choice: dict[str, Any] = {"tp": 2, "dp": 4, "settings": {"enable_dp_attention": "true"}}
    found = started(
        "gpt-oss-20b",
        40 * GIB,
        prefix_caching=False,
        max_num_seqs=16,
        max_num_batched_tokens=chunk,
        **choice,
    )
    assert (found.window_tokens, found.requests) == (windows, 16)


def test_with_the_radix_cache_the_requests_size_no_pool() -> None:
    asked = {"max_num_seqs": 16}
    assert needed("gpt-oss-120b", 1000, 4, **asked) == 5000 * 36_864 * 9 // 5
    assert needed("qwen3-next-80b-a3b", 4096, 1, **asked) == 978_714_624


def test_states_take_their_share_first() -> None:
    """
    Of 40 GiB, 0.9 / 1.9 are 20 344 581 928 B: 263 slots, one of which is padding.

    The other 22 628 466 688 B are 920 754 tokens of 24 576 B; 262 slots are 52 requests of 5.
    """
    assert started("qwen3-next-80b-a3b", 40 * GIB, 262_144) == Pools(
        tokens=920_754, window_tokens=None, slots=262, requests=52
    )


def test_a_given_number_of_slots() -> None:
    """83 slots of Qwen3-Next, one of which is padding, and the rest for tokens."""
    choice: dict[str, Any] = {
        "settings": {"max_mamba_cache_size": "82", "mamba_radix_cache_strategy": "no_buffer"}
    }
    found = started("qwen3-next-80b-a3b", 83 * SLOT + 1000 * 24_576, **choice)
    assert (found.slots, found.tokens, found.requests) == (82, 1000, 27)
    assert needed("qwen3-next-80b-a3b", 100, 10, **choice) == 83 * SLOT + 1000 * 24_576


def test_without_the_radix_cache_the_requests_size_the_pool_of_states() -> None:
    choice: dict[str, Any] = {"prefix_caching": False, "max_num_seqs": 8}
    found = started("qwen3-next-80b-a3b", 9 * SLOT + 1000 * 24_576, **choice)
    assert (found.slots, found.tokens, found.requests) == (8, 1000, 8)


def test_the_memory_that_states_need_under_the_ratio() -> None:
    """
    A request holds 5 slots, and 1 is padding: 6 slots are 0.9 / 1.9 of 978 714 624 B.

    4096 tokens of it need 100 663 296 B, less than the rest.
    """
    assert needed("qwen3-next-80b-a3b", 4096, 1) == 978_714_624
    assert started("qwen3-next-80b-a3b", 978_714_624).slots == 5
    with pytest.raises(NoRoomError, match="a request needs 5 slots"):
        started("qwen3-next-80b-a3b", 978_714_623)


def test_the_memory_that_tokens_need_under_the_ratio() -> None:
    """
    100 000 tokens are 2 457 600 000 B. 28 slots leave 27 / 0.9 slots' worth at least... and so on.

    The 28th slot comes at 28 x 1.9 / 0.9 slots = 4 567 334 912 B and leaves 2 403 860 480 B; the 29th
    would come with 2 489 712 640 B left; in between, 28 slots beside the tokens are enough.
    """
    assert needed("qwen3-next-80b-a3b", 100_000, 1) == 28 * SLOT + 2_457_600_000
    assert started("qwen3-next-80b-a3b", 28 * SLOT + 2_457_600_000).tokens == 100_000
    assert started("qwen3-next-80b-a3b", 28 * SLOT + 2_457_600_000 - 1).tokens == 99_999


def test_a_model_of_states_alone_counts_the_context_as_tokens() -> None:
    """3 slots and padding are 0.9 / 1.9 of the memory; the tokens take none of it."""
    slot = 272_367_616
    assert needed("mamba-codestral-7b", 100_000, 1) == 2_299_993_202
    assert 2_299_993_201 * 9 < 4 * slot * 19 <= 2_299_993_202 * 9
    assert started("mamba-codestral-7b", 2_299_993_202, 100_000) == Pools(
        tokens=100_000, window_tokens=None, slots=3, requests=1
    )
    more: dict[str, Any] = {"settings": {"max_total_tokens": "500000"}}
    assert started("mamba-codestral-7b", 2_299_993_202, 100_000, **more).tokens == 500_000


@pytest.mark.parametrize(
    ("model", "memory", "message"),
    [
        ("llama-3.1-8b", 131_071, "hold no page of 1 token on a rank"),
        ("llama-3.1-8b", 0, "hold no page"),
        ("qwen3-next-80b-a3b", 0, "recurrent states have no room"),
    ],
)
def test_where_sglang_would_not_start(model: str, memory: int, message: str) -> None:
    with pytest.raises(NoRoomError, match=message):
        started(model, memory)


def test_spare_layers_are_on_the_last_stages() -> None:
    """32 layers over 3 stages: get_pp_indices in distributed/utils.py."""
    assert deploy(as_spec("llama-3.1-8b"), Choice(engine="sglang", pp=3)).stage_sizes == (10, 11, 11)
