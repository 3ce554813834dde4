"""What is gone from a card before SGLang loads weights."""

import pytest

from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.sglang.needs import before_weights
from kvplan.gpus import find_card
from kvplan.units import GIB


def workload(tp: int, pp: int) -> ProfileRun:
    return ProfileRun(
        card=find_card("h200-141gb"),
        hidden=None,
        vocab=None,
        element_bytes=2,
        layers=32,
        tp=tp,
        pp=pp,
        ranks=tp * pp,
        batched_tokens=None,
        sequences=None,
        rotations=0,
        rotated=0,
    )


@pytest.mark.parametrize(("tp", "pp"), [(8, 1), (1, 2)])
def test_with_communication_it_is_the_median_of_what_was_printed(tp: int, pp: int) -> None:
    """0.41, 0.96, 1.43, 1.70, 1.71, 1.75, 1.85, 1.90, 2.01, 2.51 and 3.02 GiB, and no activations."""
    found = before_weights(workload(tp, pp))
    assert found.activation_bytes == 0
    hundredths = [size * 100 / GIB for size in (found.low_bytes, found.overhead_bytes, found.high_bytes)]
    assert hundredths == pytest.approx([41, 175, 302], abs=1e-6)


def test_on_one_gpu_it_is_less() -> None:
    """0.32, 0.67, 0.70, 0.71, 0.75, 0.75, 0.79, 0.86 and 1.20 GiB."""
    found = before_weights(workload(1, 1))
    hundredths = [size * 100 / GIB for size in (found.low_bytes, found.overhead_bytes, found.high_bytes)]
    assert hundredths == pytest.approx([30, 75, 120], abs=1e-6)


@pytest.mark.parametrize(("plain", "more"), [(True, 8), (False, 18)])
def test_the_range_has_what_an_allocator_keeps_of_the_weights(plain: bool, more: int) -> None:  # noqa: FBT001
    """0.8 or 1.8 % of the 10^9 bytes that each of 8 ranks has."""
    empty = workload(8, 1)._replace(plain_weights=plain)
    held = empty._replace(weights_bytes=8 * 10**9)
    assert before_weights(held).high_bytes - before_weights(empty).high_bytes == more * 10**6


def test_of_mxfp4_that_is_laid_out_anew_it_may_be_more_or_less() -> None:
    """By 4.5 % of the release's weights; where none are in MXFP4 as of other models."""
    oss = workload(2, 1)._replace(architecture="gpt_oss", plain_weights=False, weights_bytes=2 * 10**9)
    empty = before_weights(oss._replace(weights_bytes=0))
    assert before_weights(oss).high_bytes - empty.high_bytes == 45 * 10**6
    assert empty.low_bytes - before_weights(oss).low_bytes == 45 * 10**6
    plain = before_weights(oss._replace(plain_weights=True))
    assert (plain.low_bytes, plain.high_bytes - empty.high_bytes) == (empty.low_bytes, 8 * 10**6)


def test_a_table_of_rotations_comes_out_of_the_share() -> None:
    """In float32, for the longest that the model is made for, or 256 past a longer context, in whole 128."""
    plain = workload(1, 1)._replace(rotations=4096, rotated=128, context=1024)
    assert before_weights(plain).kept_bytes == 4096 * 128 * 4
    longer = plain._replace(context=4000)
    assert before_weights(longer).kept_bytes == 4352 * 128 * 4
    table = before_weights(plain).overhead_bytes - before_weights(plain._replace(rotated=0)).overhead_bytes
    assert table == 4096 * 128 * 4
