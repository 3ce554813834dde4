"""What SGLang printed when it started, recomputed; its GB are GiB with two decimals."""

from decimal import Decimal

import pytest

from kvplan.units import GIB
from tests.engines.sglang.planning import pools_of


def printed(size_bytes: int) -> Decimal:
    return (Decimal(size_bytes) / GIB).quantize(Decimal("0.01"))


@pytest.mark.parametrize(
    ("model", "choice", "tokens", "gigabytes"),
    [
        # github.com/sgl-project/sglang/pull/27537: K 25.32 and V 25.32 GB.
        ("qwen3-30b-a3b", {"tp": 2}, 1_106_304, ("25.32", "25.32")),
        # github.com/sgl-project/sglang/pull/15909, Qwen3-Omni-30B, whose text model this is.
        ("qwen3-30b-a3b", {"tp": 4}, 2_090_351, ("23.92", "23.92")),
        # github.com/vllm-project/vllm/issues/21348.
        ("qwen3-235b-a22b", {"tp": 4}, 367_404, ("8.23", "8.23")),
        # github.com/kvcache-ai/ktransformers/issues/1870.
        ("qwen3.5-397b-a17b", {"tp": 2}, 580_364, ("4.15", "4.15")),
    ],
)
def test_k_and_v(model: str, choice: dict[str, int], tokens: int, gigabytes: tuple[str, str]) -> None:
    """With equal head sizes K and V are halves; the page of padding is below the rounding."""
    pools = pools_of(model, **choice)
    (rank,) = pools.sizing.cells.ranks
    halves = (tokens + pools.sizing.page) * rank.full_bytes // 2
    assert (printed(halves),) * 2 == tuple(map(Decimal, gigabytes))


@pytest.mark.parametrize(
    ("tokens", "gigabytes"),
    [
        # github.com/sgl-project/sglang/pull/11309 on 8 B200; the second, before the change, printed 54.52
        # without the indexer and gave 65.49 for all.
        (975_424, "43.67"),
        (1_462_784, "65.49"),
    ],
)
def test_sparse_latent_rows(tokens: int, gigabytes: str) -> None:
    pools = pools_of("deepseek-v3.2", tp=8, kv_dtype="fp8_e4m3")
    (rank,) = pools.sizing.cells.ranks
    assert printed((tokens + pools.sizing.page) * rank.full_bytes) == Decimal(gigabytes)


def test_pools_of_tokens_and_of_windows() -> None:
    """github.com/sgl-project/sglang/pull/18039: 375 360 and 300 288 tokens, K 8.38 and V 5.59 GB."""
    pools = pools_of("mimo-v2-flash", tp=4, block_size=64)
    (rank,) = pools.sizing.cells.ranks
    found = pools.pools([375_360 * 45_696], 8192)
    assert found is not None
    assert (found.tokens, found.window_tokens) == (375_360, 300_288)
    rows = 300_288 + pools.sizing.page
    assert printed(rows * rank.window_bytes * 192 // 320) == Decimal("8.38")
    assert printed(rows * rank.window_bytes * 128 // 320) == Decimal("5.59")


def test_slots_of_states() -> None:
    """ktransformers/issues/1870: max_mamba_cache_size 82, conv_state 0.13 GB, ssm_state 7.29 GB."""
    (rank,) = pools_of("qwen3.5-397b-a17b", tp=2).sizing.cells.ranks
    state = 45 * 32 * 128 * 128 * 4
    assert printed(83 * state) == Decimal("7.29")
    assert printed(83 * (rank.slot_bytes - state)) == Decimal("0.13")
