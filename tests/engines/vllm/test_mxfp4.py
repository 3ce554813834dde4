"""Experts in MXFP4 as the kernels hold them: tiles counted by hand, and what a start-up printed."""

import pytest

import kvplan
from kvplan.engines.vllm.mxfp4 import Expert, elsewhere, on_hopper
from kvplan.units import GIB

GPT_OSS = Expert(width=2880, hidden=2880, element_bytes=2)
HALF = Expert(width=1440, hidden=2880, element_bytes=2)
VALUES, BIASES = 3 * 2880 * 1440, 4 * 3 * 2880


def test_scales_lie_in_tiles_of_256_rows_on_hopper() -> None:
    """5760 and 2880 rows of 90 groups, as loaded and in tiles; since 0.26 a row is padded to 92 groups."""
    assert on_hopper(GPT_OSS, keeps_scales=True) == VALUES + BIASES + 8640 * 90 + (5888 + 3072) * 90
    assert on_hopper(GPT_OSS, keeps_scales=False) == VALUES + BIASES + (5888 + 3072) * 92


def test_a_part_of_an_expert_is_of_whole_64_on_hopper() -> None:
    """1472 in place of 1440, so that 46 groups are a row of the second matrix: padded to 48."""
    size = 3 * 1472 * 1440 + 4 * (2 * 1472 + 2880) + 3072 * 92 + 3072 * 48
    assert on_hopper(HALF, keeps_scales=False) == size


def test_other_kernels_round_both_widths_up() -> None:
    """2944 and 3072: 17 bytes for 32 weights."""
    assert elsewhere(GPT_OSS) == 3 * 2944 * 3072 * 17 // 32 + 2 * (2 * 2944 + 3072)


@pytest.mark.parametrize(("release", "more"), [("0.15", 823_680), ("0.24", 823_680), ("0.26", 64_000)])
def test_a_release_that_keeps_the_scales_holds_them_twice(release: str, more: int) -> None:
    """128 experts in each of 36 layers, beside 65,248,815,744 B that are released."""
    assert _weights(release) == 65_248_815_744 + 36 * 128 * more


def test_a_start_up_printed_them() -> None:
    """64.38 GiB on H100, github.com/llm-d/llm-d-benchmark/pull/732: a table of rotations is 0.02 of it."""
    assert 64.2 < _weights("0.15") / GIB < 64.38


def _weights(release: str) -> int:
    engine = f"vllm@{release}"
    answer = kvplan.fit("gpt-oss-120b", gpu="h100-80gb", engine=engine, context=8192, advice=False)
    return answer.memory.weights_bytes
