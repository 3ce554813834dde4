"""Experts in MXFP4 as SGLang's kernels hold them: the tensors that its own start-ups had, written out."""

import pytest

import kvplan
from kvplan.engines.sglang.mxfp4 import Experts, held_bytes
from kvplan.gpus import find_card
from kvplan.units import MIB

OSS_20B = Experts(number=32, width=2880, hidden=2880)
HALF_120B = Experts(number=128, width=1440, hidden=2880)


@pytest.mark.parametrize(
    ("experts", "tensors", "segment"),
    [
        # Values, scales in tiles, scales as loaded, and biases of 32 experts; the first matrix has 265 MiB.
        (
            OSS_20B,
            [
                *(1472 * 5888, 768 * 5888, 23 * 8 * 2944, 12 * 8 * 2944),
                *(5760 * 90, 2880 * 90, 5760 * 4, 2880 * 4),
            ],
            266 * MIB,
        ),
        # Half of a width of 2880 is 1440, in whole 64 1472; 552 MiB.
        (
            HALF_120B,
            [
                *(1472 * 3072, 768 * 3072, 3072 * 92, 3072 * 48),
                *(2944 * 90, 2880 * 46, 2944 * 4, 2880 * 4),
            ],
            552 * MIB,
        ),
    ],
)
def test_on_hopper_a_second_matrix_has_a_segment_as_large_as_the_first(
    experts: Experts, tensors: list[int], segment: int
) -> None:
    unused = segment - experts.number * tensors[1]
    held = held_bytes(experts, find_card("h100-80gb"))
    assert held == experts.number * sum(tensors) + unused
    assert held == held_bytes(experts, None)


def test_blackwell_rounds_widths_up() -> None:
    """5888 rows of 1536 bytes and 3072 of 1472, as many scales as 32 weights have, and biases."""
    tensors = (5888 * 1536, 3072 * 1472, 5888 * 96, 3072 * 92, 5888 * 4, 3072 * 4)
    assert held_bytes(OSS_20B, find_card("b200-180gb")) == 32 * sum(tensors)


def test_ampere_has_them_as_they_were_loaded() -> None:
    """But for the biases, which are in float32: two bytes more for each of 3 x 2880."""
    released = 3 * 2880 * 2880 * 17 // 32 + 3 * 2880 * 2
    assert held_bytes(OSS_20B, find_card("a100-80gb")) == 32 * (released + 3 * 2880 * 2)


def test_a_plan_holds_what_all_layers_do() -> None:
    """Beside 13,761,264,768 B that are released."""
    answer = kvplan.fit("gpt-oss-20b", gpu="h100-80gb", engine="sglang", context=8192, advice=False)
    released = 32 * (3 * 2880 * 2880 * 17 // 32 + 3 * 2880 * 2)
    more = held_bytes(OSS_20B, find_card("h100-80gb")) - released
    assert answer.memory.weights_bytes == 13_761_264_768 + 24 * more
