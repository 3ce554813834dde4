"""What is gone from a card before SGLang loads weights."""

import pytest

from kvplan.engines.base import ProfileRun
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
        batched_tokens=None,
        sequences=None,
        rotations_bytes=0,
    )


@pytest.mark.parametrize(("tp", "pp"), [(8, 1), (1, 2)])
def test_with_communication_it_is_the_median_of_what_was_printed(tp: int, pp: int) -> None:
    """94.97 - 94.01, 139.80 - 12.25 - 125.65 and 139.80 - 137.29 GiB; activations are kept back apart."""
    found = before_weights(workload(tp, pp))
    assert found.activation_bytes == 0
    hundredths = [size * 100 / GIB for size in (found.low_bytes, found.overhead_bytes, found.high_bytes)]
    assert hundredths == pytest.approx([96, 190, 251], abs=1e-6)


def test_on_one_gpu_it_is_a_range_below_those() -> None:
    found = before_weights(workload(1, 1))
    assert found.low_bytes == 0 < found.overhead_bytes < found.high_bytes
    assert found.high_bytes == before_weights(workload(8, 1)).low_bytes
