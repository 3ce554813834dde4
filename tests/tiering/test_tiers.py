"""What tiers hold and give back, by hand; figures of published transfers among them."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.tiering.answer import Tiers
from tests.program import Cli
from tests.tiering.lru import one_by_one

TRACE = Path(__file__).with_name("prefixes.jsonl")
GIB = 2**30

# 576 latent elements of two bytes in each of 61 layers, and 32,768 tokens: 2.30 GB.
DEEPSEEK_32K = 61 * 576 * 2 * 32_768


def tiers(model: str = "llama-3.1-8b", **asked: Any) -> Tiers:
    return kvplan.tiers(model, **({"kv_memory": "20GiB", "context": "8k"} | asked))


def below(answer: Tiers) -> dict[str, tuple[int, int | None]]:
    return {tier.name: (tier.sequence_bytes, tier.sequences) for tier in answer.tiers}


def test_idle_sequences_lie_in_what_is_left() -> None:
    """A token of llama-3.1-8b takes 131,072 B: a sequence of 8,192 is 1 GiB, and 4 of 20 run."""
    answer = tiers(batch=4, host="100.5GiB", ssd="2TiB", remote="1TiB")
    assert below(answer) == {"card": (GIB, 16), "host": (GIB, 100), "ssd": (GIB, 2048), "remote": (GIB, 1024)}
    assert [tier.tokens for tier in answer.tiers] == [n * 8192 for n in (16, 100, 2048, 1024)]


def test_each_rank_has_its_part_and_all_parts_lie_in_the_host() -> None:
    """4 KV heads of 8 on each of two ranks: half a GiB on a card, and both halves in the host's memory."""
    assert below(tiers(tp=2, host="10GiB")) == {"card": (GIB // 2, 39), "host": (GIB, 10)}


@pytest.mark.parametrize(
    ("asked", "copies"),
    [
        ({"engine": "vllm"}, 1),
        ({"engine": "vllm@0.28"}, 1),
        ({"engine": "vllm@0.26"}, 8),
        ({"engine": "exact"}, 8),
        ({"engine": "sglang"}, 8),
        ({"engine": "vllm@0.26", "store": "lmcache"}, 1),
        ({"engine": "exact", "store": "mooncake"}, 1),
        ({"engine": "vllm", "pp": 2}, 8),
        ({"engine": "vllm", "pp": 2, "store": "lmcache"}, 1),
    ],
)
def test_latents_are_stored_once_where_the_store_does(asked: dict[str, Any], copies: int) -> None:
    answer = tiers("deepseek-v3", kv_memory="40GiB", context="32k", tp=8, host="1TiB", **asked)
    assert answer.tiers[1].sequence_bytes == copies * DEEPSEEK_32K


@pytest.mark.parametrize(("store", "size"), [("native", 2 * GIB), ("lmcache", 2 * GIB), ("mooncake", GIB)])
def test_of_heads_on_several_ranks_mooncake_stores_one(store: str, size: int) -> None:
    """8 KV heads on 16 ranks are each there twice."""
    assert tiers(tp=16, host="10GiB", store=store).tiers[1].sequence_bytes == size


def test_times_are_all_bytes_over_the_rate() -> None:
    """Each of two cards takes its half from the host at once; what is further away is read as a whole."""
    answer = tiers(
        tp=2, host="9GiB", host_rate="50GB/s", ssd="1TiB", ssd_rate="7GB/s", remote="1TiB", remote_rate=10**12
    )
    assert [tier.restore_seconds for tier in answer.tiers[1:]] == [
        GIB / 2 / 50e9,
        GIB / 7e9,
        GIB / 2 / 50e9,  # The remote store is faster than the way through the host.
    ]


def test_a_sequence_comes_back_or_is_computed() -> None:
    """A token is computed in 50 us: its 131,072 B come in 2.6 us at 50 GB/s, and in 66 us at 2 GB/s."""
    fast, slow = (
        tiers(host="1GiB", host_rate=rate, prefill_rate=20_000).tiers[1] for rate in ("50GB/s", "2GB/s")
    )
    assert (fast.break_even_tokens, slow.break_even_tokens) == (1, None)


def test_a_state_pays_only_for_long_prompts() -> None:
    """
    mamba-2.8b has no tokens in its cache, and its states take as long as some tokens are computed.

    The first number of tokens that takes longer: state / rate x tokens per second, and one more.
    """
    answer = tiers("mamba-2.8b", context=100_000, host="100GiB", host_rate="1GB/s", prefill_rate=20_000)
    (tier,) = answer.tiers[1:]
    assert tier.break_even_tokens == tier.sequence_bytes * 20_000 // 10**9 + 1
    assert answer.recompute_seconds == 5


def test_without_a_rate_a_prompt_takes_the_least_of_the_cards_operations() -> None:
    """As `kvplan bounds` says; of a card whose operations are not known there is no such time."""
    asked: dict[str, Any] = {"host": "1GiB", "host_rate": "50GB/s", "context": 4096}
    bound = kvplan.bounds("llama-3.1-8b", gpu="h100-80gb", context=4096).prefill_seconds
    assert tiers(gpu="h100-80gb", **asked).recompute_seconds == bound
    assert tiers(**asked).recompute_seconds is None


def test_hit_rates_are_those_of_a_cache_of_so_many_blocks() -> None:
    """A block of 512 tokens takes 64 MiB: beside one of 512 tokens, 5 have room, and 2 more in the host."""
    rows = [json.loads(line) for line in TRACE.read_text(encoding="utf-8").splitlines()]
    hashes, prompts = [row["hash_ids"] for row in rows], [row["input_length"] for row in rows]
    answer = tiers(kv_memory="384MiB", context=512, host="128MiB", trace=TRACE)
    blocks = {rate.tier: rate.blocks for rate in answer.hit_rates}
    assert blocks == {"none": 0, "card": 5, "host": 7, "endless": None}
    for rate in answer.hit_rates:
        found, tokens = one_by_one(hashes, prompts, 99 if rate.blocks is None else rate.blocks, 512)
        assert (rate.block_hits, rate.token_hits) == (found / 32, tokens / 15_400)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"host_rate": "50GB/s"}, "host_rate without host"),
        ({"host": "1GiB", "host_rate": "50"}, "not a rate"),
        ({"host": "1GiB", "store": "tape"}, "'tape' is no store"),
        ({"host": "1"}, "has no unit"),
        ({"trace": "fixed:16"}, "no trace"),
        ({"trace": "no-such-file"}, "no file 'no-such-file'"),
    ],
)
def test_what_is_not_understood_is_named(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(KvplanError, match=said):
        tiers(**asked)


def test_the_command_prints_both_tables(kvplan: Cli) -> None:
    run = kvplan(
        f"tiers llama-3.1-8b --kv-memory 20GiB -c 8k --host 8GiB --host-rate 50GB/s --trace '{TRACE}'"
    )
    assert (run.status, run.err) == (0, "")
    (host,) = (line.split() for line in run.out.splitlines() if line.startswith("host"))
    assert host == ["host", "8", "GiB", "1", "GiB", "8", "65,536", "21.5", "ms", "not", "known"]
    assert "8 prompts of 15,400 tokens, in 32 blocks of 512, of which 14 differ" in run.out
    (last,) = (line.split() for line in run.out.splitlines() if line.startswith("without an end"))
    assert last[-2:] == ["56.2%", "59.0%"]  # 18 of 32 blocks.


def test_what_runs_must_fit(kvplan: Cli) -> None:
    run = kvplan("tiers llama-3.1-8b --kv-memory 20GiB -c 8k -b 21 --host 8GiB")
    assert run.status == 1
    assert "21 x 8,192 tokens do not fit" in run.err
