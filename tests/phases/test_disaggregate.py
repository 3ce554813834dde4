"""What moves between prefill and decode: published sizes, by hand, and what must always hold."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan

GIB = 2**30


@pytest.mark.parametrize(
    ("model", "tokens", "size_bytes"),
    [
        # DeepSeek-V3 at 32k: 61 layers of 576 elements in bf16, 2.30 GB (arXiv 2412.19437, section 2.1.1).
        ("deepseek-v3", 32_768, 32_768 * 61 * 576 * 2),
        # "1.13 GB" for 512 tokens of OPT-66B: DistServe, arXiv 2401.09670, section 3.3. It means GiB.
        ("opt-66b", 512, round(1.125 * GIB)),
        # "about 40 GB" for 128k tokens of LLaMA3-70B: README of kvcache-ai/Mooncake. It means GiB.
        ("llama-3-70b", 131_072, 40 * GIB),
        # "~2.2GiB per push" for 16k tokens of Qwen3-8B over TP 8: novitalabs/pegaflow pull request 342.
        ("qwen3-8b", 16_384, 9 * GIB // 4),
        # Of MiMo-V2-Flash 9 layers keep all tokens and 39 keep 128: 780 MB at 32k.
        ("mimo-v2-flash", 32_768, 320 * 2 * (9 * 4 * 32_768 + 39 * 8 * 128)),
        ("minimax-m2.5", 32_768, 32_768 * 62 * 2 * 8 * 128 * 2),
    ],
)
def test_a_prompt_moves_each_unit_once(model: str, tokens: int, size_bytes: int) -> None:
    for tp in (1, 8):
        assert kvplan.disaggregate(model, context=tokens, tp=tp).prompt_bytes == size_bytes


def test_what_tp_cannot_split_is_stored_more_often_than_it_moves() -> None:
    """18.4 GB on eight ranks for 2.30 GB; 8 KV heads twice on sixteen."""
    latent = kvplan.disaggregate("deepseek-v3", context="32k", tp=8)
    assert latent.stored_bytes == 8 * latent.prompt_bytes == 18_421_383_168
    heads = kvplan.disaggregate("llama-3.1-70b", context="32k", tp=16)
    assert heads.stored_bytes == 2 * heads.prompt_bytes


def test_each_of_eight_ranks_reads_640_mib() -> None:
    """16k tokens of a 70B model, "640 MB" on each of 8 GPUs: KVDirect, page 4, as its issue 2 quotes it."""
    answer = kvplan.disaggregate("llama-3.1-70b", context=16_384, tp=8, engine="vllm")
    assert answer.rank_bytes == 640 * 2**20
    assert answer.moved_bytes == 8 * 640 * 2**20 == answer.prompt_bytes


def test_a_prefill_of_100_ms_needs_90_gbps() -> None:
    """DistServe, section 3.3: 10 prompts a second of OPT-66B need 90 Gbps, in powers of 1024."""
    answer = kvplan.disaggregate("opt-66b", context=512, prefill_time="100ms")
    assert answer.needed_bytes_per_second is not None
    assert round(8 * answer.needed_bytes_per_second) == 90 * GIB
    assert answer.slowest_link == "ethernet-100"


def test_every_rank_of_vllm_reads_a_latent_of_its_own() -> None:
    """Over TP 8 the same 2.30 GB move eight times, and once where replicas of attention decode."""
    ranks = kvplan.disaggregate("deepseek-v3", context="32k", tp=8, engine="vllm")
    replicas = kvplan.disaggregate(
        "deepseek-v3", context="32k", tp=8, decode_tp=1, decode_dp=8, engine="vllm"
    )
    assert ranks.moved_bytes == 8 * ranks.prompt_bytes
    assert replicas.moved_bytes == ranks.prompt_bytes == replicas.rank_bytes


def test_a_transfer_over_links_and_what_is_left_of_it() -> None:
    """10,737,418,240 B over 2 x 50 GB/s; behind 800 ms one of 80 layers waits."""
    options: dict[str, Any] = {"context": 32_768, "link": "400Gbps", "links": 2}
    slow = kvplan.disaggregate("llama-3.1-70b", **options, prefill_time="800ms")
    assert slow.transfer_seconds == 10_737_418_240 / 10**11
    assert slow.exposed_seconds == pytest.approx(slow.transfer_seconds / 80)
    assert slow.hides is True
    fast = kvplan.disaggregate("llama-3.1-70b", **options, prefill_time="8ms")
    assert fast.exposed_seconds == pytest.approx(slow.transfer_seconds - 0.0079)
    assert fast.hides is False


def test_a_pool_that_decodes() -> None:
    """4 prompts a second, and 16 sequences of 100 tokens in 20 ms each: 8 requests a second."""
    answer = kvplan.disaggregate(
        "llama-3.1-8b",
        context=2_048,
        gpu="h100-80gb",
        output=100,
        batch=16,
        tpot="20ms",
        prefill_time="250ms",
    )
    assert answer.prompts_per_second == 4
    assert answer.requests_per_second == 8
    assert answer.decode_instances == 0.5
    assert (answer.prefill_given, answer.tpot_given) == (True, True)


def test_without_times_both_are_bounds_of_the_card() -> None:
    answer = kvplan.disaggregate("llama-3.1-8b", context="8k", gpu="8xH100", decode_gpu="h200", output="1k")
    assert (answer.tp, answer.decode_tp, answer.gpu, answer.decode_gpu) == (8, 8, "h100-80gb", "h200-141gb")
    assert answer.decode is not None
    assert answer.tpot_seconds == answer.decode.seconds
    assert answer.held == kvplan.fit("llama-3.1-8b", gpu="h200", tp=8, context=9_216).max_batch
    assert answer.fits is True


def test_of_an_unknown_connector_each_unit_is_counted_once() -> None:
    answer = kvplan.disaggregate("llama-3.1-8b", context="8k", engine="sglang")
    assert answer.moved_bytes == answer.prompt_bytes == 8_192 * 131_072
    assert answer.descriptors is None
    assert "is not known to kvplan: each unit is counted once" in answer.to_dict()["warnings"][0]
    linear = kvplan.disaggregate("kimi-linear-48b-a3b", context="8k", engine="vllm")
    assert "Gated DeltaNet alone" in linear.to_dict()["warnings"][-1]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 200_000), st.sampled_from(["llama-3.1-8b", "gemma-3-27b", "deepseek-v3", "gpt-oss-20b"])
)
def test_whole_blocks_are_never_less_than_the_formula(tokens: int, model: str) -> None:
    answer = kvplan.disaggregate(model, context=tokens, engine="vllm")
    assert answer.moved_bytes >= answer.prompt_bytes
    assert answer.descriptors is not None
    assert answer.descriptors[0] <= answer.descriptors[1]
