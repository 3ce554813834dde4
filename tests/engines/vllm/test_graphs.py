"""CUDA graphs: what is captured by config/vllm.py, and start-ups that printed what they take."""

from typing import NamedTuple

import pytest

from kvplan.engines.vllm.captures import Asked, Captured, captured, captures_whole
from kvplan.engines.vllm.graphs import (
    H100,
    OTHERS,
    Driver,
    Held,
    Kernels,
    graphs_bytes,
    kernels,
    pool_bytes,
    split_bytes,
)
from kvplan.units import GIB, MIB


@pytest.mark.parametrize(
    ("sequences", "tokens", "most", "expected"),
    [
        # PIECEWISE=51 (512), FULL=51 on an H100; PIECEWISE=51 (512), FULL=35 (256) with 256 sequences.
        (1024, 8192, None, (51, 512, 51, 512, 496)),
        (256, 2048, None, (51, 512, 35, 256, 248)),
        # 1, 2, 4, 8 of 12, and 1, 2, 4 of 6.
        (6, 2048, None, (4, 8, 3, 4, 2)),
        (1024, 8192, 16, (5, 16, 5, 16, 8)),
        (1024, 2, None, (2, 2, 2, 2, 1)),
        (1024, 8192, 271, (35, 256, 35, 256, 248)),
        (1024, 8192, 272, (36, 272, 36, 272, 256)),
        (1, 1, None, (1, 1, 1, 1, 0)),
    ],
)
def test_each_eighth_batch_is_captured_up_to_256(
    sequences: int, tokens: int, most: int | None, expected: tuple[int, ...]
) -> None:
    assert captured(Asked(sequences, tokens, most=most, version=(0, 19))) == expected


def test_a_decoded_token_has_its_drafts() -> None:
    """
    64 sequences of 3 tokens: 43 sizes up to 384, and 27 up to 192 without 1 and 2, which are no whole step.

    Up to 1024 tokens there are 83 sizes.
    """
    assert captured(Asked(64, 4096, drafts=2, version=(0, 29))) == (43, 384, 25, 192, 184)
    assert captured(Asked(1024, 16384, usual=1024)) == (83, 1024, 83, 1024, 1008)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("NONE", (0, 0, 0, 0, 0)),
        ("PIECEWISE", (4, 64, 0, 0, 0)),
        ("FULL", (0, 64, 4, 64, 32)),
        ("FULL_DECODE_ONLY", (0, 16, 2, 16, 1)),
        ("FULL_AND_PIECEWISE", (4, 64, 2, 16, 1)),
        (None, (4, 64, 2, 16, 1)),
    ],
)
def test_a_mode_captures_pieces_whole_batches_or_both(mode: str | None, expected: tuple[int, ...]) -> None:
    """Of 16 sequences and the sizes 1, 16, 32 and 64; 128 are more tokens than there are in a batch."""
    assert captured(Asked(16, 100, sizes=(64, 16, 1, 32, 128), mode=mode)) == expected
    assert captures_whole(mode) == (expected[2] > 0)


def test_whole_graphs_alone_take_a_pool_and_no_pieces() -> None:
    """7 + (20 + 40) MiB of the pool, or 6 layers of 12 kernels a graph, the more; and one for each other."""
    graphs = captured(Asked(16, 100, sizes=(1, 16), mode="FULL_DECODE_ONLY"))
    none = captured(Asked(16, 100, mode="NONE"))
    whole = 6 * 12 * 5 * MIB
    assert graphs_bytes(6, graphs, DENSE, Held(pool=40 * MIB), v2=False, driver=TEN) == 7 + 2 * whole
    assert graphs_bytes(6, none, DENSE, Held(pool=40 * MIB), v2=False, driver=TEN) == 0


TEN = Driver(first=7, piece=3 * MIB, kernel=5 * MIB)
"""A driver whose figures tell its parts apart."""


def test_the_older_runners_estimate_by_hand() -> None:
    """
    Of 2 layers: 3 pieces and 4 kernels in a graph of pieces, 29 MiB, and 6 kernels in a whole one, 30.

    A segment is 20 MiB. The larger first graph counts, and each after it of both modes.
    """
    graphs, each = Captured(10, 64, 5, 32, 24), Kernels(2, 3)
    pool, split = Held(pool=100 * MIB), Held(pool=100 * MIB, split_bytes=5 * MIB)
    after = 9 * 29 + 4 * 30
    assert graphs_bytes(2, graphs, each, pool, v2=False, driver=TEN) == 7 + (20 + 129 + after) * MIB
    assert graphs_bytes(2, graphs, each, split, v2=False, driver=TEN) == 7 + (190 + after) * MIB


def test_the_second_runners_estimate_by_hand() -> None:
    """
    All ten graphs of pieces, two whole ones, and a MiB for each but the first of five.

    Partial outputs count once for the largest graph, and as often as there are copies for the second one's
    warm-up, beside a segment of 20 MiB; without them what an MLP takes does, which is then in the pool.
    """
    graphs, each = Captured(10, 64, 5, 32, 24), Kernels(2, 3)
    held = Held(pool=100 * MIB, split_bytes=5 * MIB, copies=2)
    parts = 76 + 100 + 10 * 29 + 32 * 5 + 2 * 24 * 5 + 20 + 2 * 30 + 4
    assert graphs_bytes(2, graphs, each, held, v2=True, driver=TEN) == 7 + parts * MIB
    plain = 76 + 100 + 10 * 29 + 100 + 2 * 30 + 4
    assert graphs_bytes(2, graphs, each, Held(pool=100 * MIB), v2=True, driver=TEN) == 7 + plain * MIB


def test_graphs_that_take_little_count_with_a_mib() -> None:
    one = graphs_bytes(1, Captured(2, 2, 2, 2, 1), Kernels(1, 1), Held(), v2=False, driver=Driver(0, 0, 1024))
    assert one == (20 + 1 + 1) * MIB + 1024


def test_nothing_is_held_without_graphs() -> None:
    none = captured(Asked(1, 1, most=0))
    assert none.pieces == 0
    assert graphs_bytes(32, none, kernels(None, experts=False, latents=False), Held(), v2=True) == 0


def test_partial_outputs_are_those_that_an_allocator_held() -> None:
    """268,435,456 B for Llama-3.1-8B's 512 tokens, and 536,870,912 for DeepSeek-V2-Lite's latent (0.33)."""
    assert 512 * split_bytes(32, 128, 1) == 268_435_456
    assert 512 * split_bytes(16, 512, 1) == 536_870_912
    assert split_bytes(40, 128, 3) == 32 * 14 * 128 * 4


def test_three_layers_of_kimi_k2_are_within_two_percent() -> None:
    """
    Rehearsed on one H200 by 0.33, with 12 KiB for a kernel: 6.252 GiB.

    Of these 2 GiB are partial outputs of 64 heads, and 3.9 those of the second batch, twice in its warm-up.
    """
    held = Held(pool=pool_bytes(512, 3 * 18_432, 2), split_bytes=split_bytes(64, 512, 1), copies=2)
    each = kernels("kimi_k2", experts=True, latents=True, plain=False)
    driver = Driver(first=0, piece=0, kernel=12_288)
    estimate = graphs_bytes(3, captured(Asked(1024, 8192)), each, held, v2=True, driver=driver)
    assert abs(estimate / GIB - 6.252) < 0.02 * 6.252


def test_eleven_layers_of_deepseek_v3_are_within_three_percent() -> None:
    """
    Rehearsed likewise, of 61 layers three dense ones and eight with 32 of 256 experts: 13,396,606,976 B.

    Partial outputs of its 128 heads do not grow with layers: 4 GiB, and twice 3.9 in the warm-up.
    """
    held = Held(pool=pool_bytes(512, 3 * 18_432, 2), split_bytes=split_bytes(128, 512, 1), copies=2)
    each = kernels("deepseek_v3", experts=True, latents=True, plain=False)
    driver = Driver(first=0, piece=0, kernel=12_288)
    estimate = graphs_bytes(11, captured(Asked(1024, 8192)), each, held, v2=True, driver=driver)
    assert 0 <= 13_396_606_976 - estimate < 0.03 * 13_396_606_976


def test_the_pool_is_a_segment_and_an_mlp() -> None:
    """Llama-3.1-8B's held 62 MiB: 20, and 512 rows of three matrices of 14336 in 16 bits."""
    assert pool_bytes(512, 3 * 14_336, 2) == (20 + 42) * MIB


class Model(NamedTuple):
    """The layers of a stage, their attention's heads and width of a value, and their MLP's inner width."""

    layers: int
    heads: int
    width: int
    inner: int


def _actual(model: Model, tp: int, each: Kernels) -> float:
    """Return what all 102 graphs of 1024 sequences take in GiB, as 0.19 printed it once it had them."""
    pieces = 51 * ((model.layers + 1) * H100.piece + model.layers * each.pieces * H100.kernel)
    whole = 51 * model.layers * each.whole * H100.kernel
    held = pool_bytes(512, 3 * model.inner // tp, 2) + 512 * split_bytes(model.heads, model.width, tp)
    return (H100.first + 76 * MIB + held + pieces + whole) / GIB


DENSE = kernels("llama", experts=False, latents=False)
EXPERTS = kernels("qwen3_moe", experts=True, latents=False)
LATENTS = kernels("deepseek_v2", experts=True, latents=True, newer=False)


@pytest.mark.parametrize(
    ("model", "tp", "each", "printed"),
    [
        # Llama-3.1-8B on one, two and four H100s, and over two and four stages; Qwen2.5-7B and -72B,
        # Qwen3-8B, phi-4, Gemma 2 2B, Qwen3-30B-A3B, Mixtral, Kimi-VL-A3B on one and two, DeepSeek-V2-Lite
        # (github.com/llm-d-incubation/llm-d-planner/pull/205).
        (Model(32, 32, 128, 14_336), 1, DENSE, 0.91),
        (Model(32, 32, 128, 14_336), 2, DENSE, 0.76),
        (Model(32, 32, 128, 14_336), 4, DENSE, 0.67),
        (Model(16, 32, 128, 14_336), 1, DENSE, 0.65),
        (Model(8, 32, 128, 14_336), 1, DENSE, 0.51),
        (Model(28, 28, 128, 18_944), 1, DENSE, 0.87),
        (Model(28, 28, 128, 18_944), 4, DENSE, 0.64),
        (Model(80, 64, 128, 29_568), 2, DENSE, 1.61),
        (Model(36, 32, 128, 12_288), 1, DENSE, 0.96),
        (Model(40, 40, 128, 17_920), 1, DENSE, 1.07),
        (Model(26, 8, 256, 9216), 1, DENSE, 0.71),
        (Model(48, 32, 128, 0), 1, EXPERTS, 1.41),
        (Model(32, 32, 128, 0), 2, EXPERTS, 0.93),
        (Model(27, 16, 512, 11_264), 1, LATENTS, 1.50),
        (Model(27, 16, 512, 11_264), 2, LATENTS, 1.26),
        (Model(27, 16, 512, 10_944), 1, LATENTS, 1.57),
    ],
)
def test_start_ups_on_h100_printed_as_much(model: Model, tp: int, each: Kernels, printed: float) -> None:
    """Within 60 MiB, by the driver's part of all: the first, 84 KiB a piece and 10.6 KiB a kernel."""
    assert abs(_actual(model, tp, each) - printed) < 60 / 1024


@pytest.mark.parametrize(
    ("layers", "inner", "printed"),
    [(28, 18_944, 0.62), (64, 17_408, 1.22)],
)
def test_off_hopper_two_start_ups_printed_as_much(layers: int, inner: int, printed: float) -> None:
    """Qwen2.5-7B with 0.21, and Qwen3.6-27B with 0.26 on A100 of 40 GB, both with 256 sequences."""
    held = Held(pool=pool_bytes(512, 3 * inner, 2))
    estimate = graphs_bytes(layers, captured(Asked(256, 2048)), DENSE, held, v2=False, driver=OTHERS)
    assert abs(estimate / GIB - printed) < 0.02


def test_a_kernel_is_ten_kibibytes_and_a_half() -> None:
    assert H100.piece == 84 * 1024
    assert 10.5 * 1024 < H100.kernel < 10.7 * 1024
