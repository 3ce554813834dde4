"""mem_fraction_static, added up by hand in MiB from arg_groups/memory_hook.py of SGLang 0.5.23."""

import pytest

from kvplan.engines.base import EngineOptions
from kvplan.engines.sglang.engine import sglang
from kvplan.engines.sglang.fraction import mem_fraction_static, reserved_mib, scale_of
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
        # B200: 512 + 1.5 x 16384 + 1024 + 2 x 512 + 1536.
        (183_359, {"tp": 8, "graphs": "latent"}, 28_672, "0.844"),
    ],
)
def test_what_is_kept_back(gpu_mib: int, choice: dict[str, object], reserved: int, share: str) -> None:
    asked = {"pp": 1, "graphs": "attention", "chunked_prefill_size": None, "max_running_requests": None}
    asked |= choice
    assert reserved_mib(gpu_mib * MIB, **asked) == reserved  # type: ignore[arg-type]
    assert mem_fraction_static(gpu_mib * MIB, **asked) == share  # type: ignore[arg-type]


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
