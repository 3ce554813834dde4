"""max_attention_window: pools by length of window, by hand for Gemma 3 27B."""

import pytest

from kvplan.engines.trtllm.errors import NoRoomError
from kvplan.loads import uniform
from kvplan.units import GIB
from tests.engines.trtllm.making import blocks_of, lines_of

LAYER = 2 * 16 * 128 * 2
LOCAL, FULL = 52 * LAYER, 10 * LAYER
GEMMA = {"max_attention_window": "1024,1024,1024,1024,1024,131072"}


def test_each_window_has_half_of_the_memory() -> None:
    """
    At 131,072 tokens the 10 full layers take 4096 blocks, the 52 local ones 289.

    These are 1024 tokens, 8192 in flight, and a block for the first to leave: 288 + 1.
    """
    blocks = blocks_of("gemma-3-27b", settings=GEMMA)
    assert lines_of(blocks, context=131_072) == {
        "formula": 131_072 * FULL + 1024 * LOCAL,
        "window reserve": 8192 * LOCAL,
        "block rounding": 32 * LOCAL,
        "equal pools": 131_072 * FULL - 289 * 32 * LOCAL,
    }
    assert blocks.reserved_bytes(rank=0, load=uniform(131_072, 3)) == 3 * 2 * 131_072 * FULL == 64_424_509_440


def test_start_up_counts_the_smaller_pool() -> None:
    """40 GiB are 16,384 blocks of 10 layers, and 3150 of 52."""
    found = blocks_of("gemma-3-27b", settings=GEMMA).start_up([80 * GIB], 131_072)
    assert found is not None
    assert (found.num_blocks, found.block_size, found.kv_tokens) == (3150, 32, None)


@pytest.mark.parametrize(
    ("context", "local_blocks"),
    [
        (1024, 32),
        (1025, 33),  # 32 blocks held, and the 33rd before the first is free.
        (1056, 33),
        (1057, 34),
        (9216, 288),
        (9217, 289),
        (9248, 289),
        (131_072, 289),
    ],
)
def test_blocks_of_a_window(context: int, local_blocks: int) -> None:
    blocks = blocks_of("gemma-3-27b", settings={"max_attention_window": "1024"})
    assert blocks.reserved_bytes(rank=0, load=uniform(context, 1)) == local_blocks * 32 * 62 * LAYER


def test_a_window_that_is_shorter_than_the_models_takes_less() -> None:
    """At 1025 tokens the longest prompt has 1024, so that none is in flight behind the window."""
    blocks = blocks_of("gemma-3-27b", settings={"max_attention_window": "1024"})
    assert lines_of(blocks, context=1025) == {
        "formula": (10 * 1025 + 52 * 1024) * LAYER,
        "attention windows": -10 * LAYER,
        "block rounding": 32 * 62 * LAYER,
    }


def test_tokens_in_flight_are_max_num_tokens() -> None:
    blocks = blocks_of("gemma-3-27b", max_num_batched_tokens=2048, settings={"max_attention_window": "1024"})
    assert blocks.reserved_bytes(rank=0, load=uniform(131_072, 1)) == 97 * 32 * 62 * LAYER


def test_a_context_within_the_windows_has_one_pool() -> None:
    windows = blocks_of("gemma-3-27b", settings=GEMMA)
    assert lines_of(windows, context=1024) == {"formula": 1024 * 62 * LAYER}
    found = windows.start_up([62 * LAYER * 32 * 5], 1024)
    assert found is not None
    assert (found.num_blocks, found.kv_tokens) == (5, 160)


def test_the_pattern_starts_anew_on_each_pipeline_rank() -> None:
    """31 layers: 5 full and 26 local on both ranks, while the model has 5 and 5 of its own."""
    blocks = blocks_of("gemma-3-27b", pp=2, settings=GEMMA)
    counts = [[group.count for group in rank] for rank in blocks.pools.groups]
    assert counts == [[26, 5], [26, 5]]


def test_windows_are_not_shortened_in_silence() -> None:
    """131,072 x 81,920 + 1024 x 425,984 bytes are 10.41 GiB."""
    blocks = blocks_of("gemma-3-27b", settings=GEMMA)
    with pytest.raises(NoRoomError, match=r"shorten the windows.*needs 10\.41 GiB, and there is 10\.00 GiB"):
        blocks.start_up([10 * GIB], 131_072)


def test_one_window_of_latents_is_the_whole_context() -> None:
    blocks = blocks_of("deepseek-v3", settings={"max_attention_window": "1024"})
    assert blocks.reserved_bytes(rank=0, load=uniform(131_072, 1)) == 131_072 * 70_272
