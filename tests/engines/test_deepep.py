"""DeepEP's buffers, against what its own get_low_latency_rdma_size_hint answers at dd758ca."""

import pytest

from kvplan.engines.deepep import low_latency_bytes


@pytest.mark.parametrize(
    ("tokens", "hidden", "experts", "size_bytes"),
    [
        (128, 7168, 256, 1_908_410_496),
        (256, 7168, 256, 3_816_818_816),
        (256, 7168, 288, 4_293_921_152),
        (8192, 2048, 128, 17_448_305_792),
        (1, 2048, 8, 133_504),
        (300, 4096, 160, 1_597_441_408),
        (256, 5120, 384, 4_089_449_600),
        (512, 2560, 60, 638_976_640),
    ],
)
def test_a_low_latency_buffer_is_as_large_as_deepep_says(
    tokens: int, hidden: int, experts: int, size_bytes: int
) -> None:
    assert low_latency_bytes(tokens, hidden, experts) == size_bytes
