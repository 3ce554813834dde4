"""mem_fraction_static, added up by hand in MiB from arg_groups/memory_hook.py of SGLang 0.5.23."""

from fractions import Fraction
from typing import Any

import pytest

from kvplan.engines.base import EngineOptions
from kvplan.engines.sglang.engine import sglang
from kvplan.engines.sglang.fraction import KeptBack, scale_of
from kvplan.units import GIB, MIB

H100 = 81_559 * MIB
"""As nvidia-smi prints it."""


@pytest.mark.parametrize(
    ("gpu_mib", "choice", "reserved", "share"),
    [
        # T4: 512 + 1.5 x 2048 + 1/8 GiB + 2 x 8 requests + 8 x 42 graphs.
        (15_360, {"tp": 1}, 4_064, "0.735"),
        # A10: 512 + 1.5 x 4096 + 128 + 2 x 48 + 8 x 50.
        (23_028, {"tp": 1}, 7_280, "0.684"),
        # The same with 4 ranks: half a GiB, and graphs up to 160 requests.
        (23_028, {"tp": 4}, 512 + 6_144 + 512 + 320 + 400, "0.657"),
        # L40S (46068 MiB): 2 x 32.
        (46_068, {"tp": 1}, 512 + 6_144 + 128 + 64 + 400, "0.843"),
        # H100: 512 + 1.5 x 8192 + 128 + 2 x 256 + 8 x 58.
        (81_559, {"tp": 1}, 13_904, "0.830"),
        (81_559, {"tp": 8}, 512 + 12_288 + 1_024 + 1_024 + 464, "0.812"),
        (81_559, {"tp": 8, "graphs": "latent"}, 512 + 12_288 + 1_024 + 1_024 + 1_536, "0.799"),
        (81_559, {"tp": 1, "graphs": "none"}, 13_440, "0.835"),
        # Graphs for no more than the requests that may run: 2 x 64.
        (81_559, {"tp": 1, "max_running_requests": 64}, 13_520, "0.834"),
        (81_559, {"tp": 1, "max_running_requests": 999}, 13_904, "0.830"),
        # Pipeline stages have no graphs of prefill.
        (81_559, {"tp": 1, "pp": 2}, 512 + 12_288 + 256 + 512, "0.834"),
        # 512 + 3072 + 128 + 16 + 336 = 4064 is below the 10 GiB of cards above 60 GiB.
        (81_559, {"tp": 1, "chunked_prefill_size": 1024, "max_running_requests": 8}, 10_240, "0.874"),
        # DeepEP: 38 sizes of prefill up to 2048, of 8 and more, a GiB beside them, and 2 GiB beside all.
        (81_559, {"tp": 8, "deepep": True}, 512 + 12_288 + 1_024 + 1_024 + 304 + 1_024 + 2_048, "0.777"),
        (81_559, {"tp": 16, "graphs": "latent", "deepep": True}, 16 * 1_024 - 512 + 1_536 + 3_072, "0.749"),
        # With stages there are no graphs of prefill, and below 10 GiB the 2 GiB come on top.
        (81_559, {"tp": 4, "pp": 2, "deepep": True}, 512 + 12_288 + 1_024 + 1_024 + 2_048, "0.793"),
        (81_559, {"tp": 8, "chunked_prefill_size": 1024, "deepep": True}, 10_240 + 2_048, "0.849"),
        # Graphs of decoding up to 32 requests, up to 512, and none.
        (81_559, {"tp": 1, "most_decoding": 32}, 13_904 - 512 + 64, "0.835"),
        (81_559, {"tp": 1, "most_decoding": 512, "max_running_requests": 64}, 13_904 + 512, "0.823"),
        (81_559, {"tp": 1, "decodes": False}, 13_904 - 512, "0.836"),
        (81_559, {"tp": 1, "decodes": False, "graphs": "none"}, 13_904 - 512 - 464, "0.841"),
        # Graphs of prefill up to 1024 tokens, 38 of them, and 2 that are listed.
        (81_559, {"tp": 1, "longest_prefill": 1024}, 13_904 - 464 + 8 * 38, "0.831"),
        (81_559, {"tp": 1, "prefills": (64, 128)}, 13_904 - 464 + 8 * 2, "0.835"),
        # Whole prompts: 1.5 x 16384, and no graphs of prefill; or 1.5 x 4096, below 10 GiB.
        (81_559, {"tp": 8, "chunked": False}, 512 + 24_576 + 1_024 + 1_024, "0.667"),
        (81_559, {"tp": 8, "chunked": False, "max_prefill_tokens": 4096}, 10_240, "0.874"),
        # Attention groups of their own: 3 of each of 256 requests and 1.5 above 300 of them.
        (
            81_559,
            {"tp": 8, "groups": 8, "most_decoding": 32},
            512 + 12_288 + 1_024 + 64 + 3 * 256 + 464,
            "0.815",
        ),
        (
            81_559,
            {"tp": 8, "groups": 8, "decodes": False, "graphs": "none"},
            512 + 12_288 + 1_024 + Fraction(9, 2) * 4096,
            "0.605",
        ),
        # B200: 512 + 1.5 x 16384 + 1024 + 2 x 512 + 1536.
        (183_359, {"tp": 8, "graphs": "latent"}, 28_672, "0.844"),
    ],
)
def test_what_is_kept_back(gpu_mib: int, choice: dict[str, Any], reserved: int, share: str) -> None:
    kept = KeptBack(**choice)
    assert kept.mib(gpu_mib * MIB) == reserved
    assert kept.share(gpu_mib * MIB) == share


@pytest.mark.parametrize(
    ("gpu_bytes", "tokens", "few", "many"),
    [
        (20 * GIB - 1, 2048, 8, 8),
        (20 * GIB, 4096, 48, 160),
        (35 * GIB, 4096, 32, 160),
        (60 * GIB, 8192, 256, 512),
        (90 * GIB, 8192, 256, 512),
        (160 * GIB, 16_384, 512, 512),
    ],
)
def test_the_table_of_cards(gpu_bytes: int, tokens: int, few: int, many: int) -> None:
    scale = scale_of(gpu_bytes)
    assert (scale.chunked_prefill_size, scale.few_ranks, scale.many_ranks) == (tokens, few, many)


def test_the_engine_asks_for_this_share_of_what_is_there_after_start() -> None:
    share = sglang(None).share
    assert share.of == "after start"
    assert share.default(H100, EngineOptions()) == "0.830"
    # Kimi Delta Attention has no graphs of prefill.
    assert share.default(H100, EngineOptions(architecture="kimi_linear")) == "0.835"
    # Qwen3-30B-A3B on 8 ranks, as SGLang 0.5.23 itself resolves it: other ways to experts have none either.
    for sent, taken in (("none", "0.812"), ("deepep", "0.777"), ("megamoe", "0.812"), ("mooncake", "0.818")):
        options = EngineOptions(architecture="qwen3_moe", tp=8, settings={"moe_a2a_backend": sent})
        assert share.default(H100, options) == taken
    # 512 + 1.5 x 2048 + 128 + 2 x 256 + 8 x 42 is below 10 GiB.
    assert share.default(H100, EngineOptions(max_num_batched_tokens=2048)) == "0.874"


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({"disable_decode_cuda_graph": "true", "disable_prefill_cuda_graph": "true"}, "0.841"),
        ({"disable_decode_cuda_graph": "true"}, "0.836"),
        ({"disable_prefill_cuda_graph": "true"}, "0.835"),
        ({"cuda_graph_max_bs_decode": "32"}, "0.835"),
        ({"cuda_graph_max_bs_prefill": "1024"}, "0.831"),
        ({"cuda_graph_bs_prefill": "64,128"}, "0.835"),
        ({"chunked_prefill": "false", "disable_decode_cuda_graph": "true"}, "0.691"),
        ({"max_prefill_tokens": "4096"}, "0.830"),
    ],
)
def test_graphs_that_are_asked_for(settings: dict[str, str], share: str) -> None:
    """SGLang 0.5.23's own shares of an H100 for Qwen3-8B; whole prompts have no graphs of prefill."""
    assert sglang(None).share.default(H100, EngineOptions(architecture="qwen3", settings=settings)) == share


@pytest.mark.parametrize(
    ("settings", "requests", "chunk", "share"),
    [
        ({}, None, None, "0.699"),
        # The requests of all four groups bound the graphs of decoding: 64, and not 16.
        ({}, 16, None, "0.814"),
        ({}, 16, 4096, "0.874"),
        ({"cuda_graph_max_bs_prefill": "4096"}, None, None, "0.700"),
        ({"chunked_prefill": "false"}, None, None, "0.554"),
    ],
)
def test_groups_that_attend_for_themselves(
    settings: dict[str, str], requests: int | None, chunk: int | None, share: str
) -> None:
    """SGLang 0.5.23's own shares of an H100 for gpt-oss-20b with --tp 8 --dp 4 --enable-dp-attention."""
    options = EngineOptions(
        architecture="gpt_oss",
        tp=2,
        dp=4,
        max_num_seqs=requests,
        max_num_batched_tokens=chunk,
        settings=settings | {"enable_dp_attention": "true"},
    )
    assert sglang(None).share.default(H100, options) == share


@pytest.mark.parametrize(
    ("choice", "tokens", "longest", "lengths", "decoded"),
    [
        ({}, 2048, 2048, 42, 512),
        ({"max_running_requests": 64}, 2048, 2048, 42, 16),
        ({"chunked_prefill_size": 4096}, 1024, 1024, 38, 512),
        # What is asked for is not cut.
        ({"longest_prefill": 4096}, 2048, 4096, 50, 512),
        ({"chunked": False}, 16_384, 0, 0, 512),
        ({"decodes": False, "graphs": "none"}, 2048, 0, 0, 0),
        # Latents' own graphs end at 8192 tokens.
        ({"groups": 1, "graphs": "latent", "chunked_prefill_size": 16_384}, 16_384, 8192, 58, 512),
        ({"groups": 1, "max_total_tokens": 1000}, 8192, 960, 37, 512),
    ],
)
def test_what_a_rank_runs_at_once(
    choice: dict[str, Any], tokens: int, longest: int, lengths: int, decoded: int
) -> None:
    """As SGLang 0.5.23 resolves its arguments for tp_size 8 on an H100; decoding is bound by its requests."""
    kept = KeptBack(**({"tp": 8, "groups": 4} | choice))
    captured = kept.captured(H100)
    assert kept.prefilled_tokens(H100) == tokens
    assert (max(captured, default=0), len(captured)) == (longest, lengths)
    assert kept.decoded(H100) == decoded
