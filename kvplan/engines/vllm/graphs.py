"""
What vLLM sets aside for CUDA graphs, by what its estimate captures (profile_cudagraph_memory).

Up to 0.28, and with the older runner, two graphs of each mode are captured, and the second stands for all
that follow. Since 0.29 Model Runner V2 captures all graphs between attention kernels, and two whole ones.
Before it captures the second of these torch empties its cache of what the warm-up took, so that it seems to
take less than nothing: the others count with a MiB each, and what the warm-up took counts once more.
"""

from typing import NamedTuple

from kvplan.engines.vllm.captures import Captured
from kvplan.units import MIB, ceil_div


class Driver(NamedTuple):
    """
    What a driver holds: for the first graph, for each graph of a piece, and for each kernel in any of them.

    A least-squares fit to 33 start-ups of 0.19 on H100 that printed what their graphs took, all else that
    they take being derived; half are within 30 MiB (github.com/llm-d-incubation/llm-d-planner/pull/205).
    """

    first: int = 45 * MIB
    piece: int = 84 * 1024
    kernel: int = 10_850


H100 = Driver()

OTHERS = Driver(first=58 * MIB, piece=109 * 1024, kernel=14_100)
"""
1.3 times as much: what two start-ups off Hopper printed, 0.62 GiB for Qwen2.5-7B with 0.21 on a card of 24 GB
and 1.22 for Qwen3.6-27B with 0.26 on A100 (stored public files of start-ups).
"""


class Kernels(NamedTuple):
    """The kernels of a layer in a graph of its `pieces`, without attention, and in a `whole` one."""

    pieces: int
    whole: int


_DENSE = Kernels(9, 12)
_EXPERTS = Kernels(14, 17)
_LATENTS = Kernels(19, 24)
_FP8_LATENTS = Kernels(25, 30)
_OLD_LATENTS = Kernels(26, 28)
_OLD_MXFP4 = Kernels(19, 22)
"""
Counted in graphs that were captured where nothing ran: of Llama-3.1-8B, Qwen3-30B-A3B, DeepSeek-V2-Lite and
Kimi-K2 by 0.33, of DeepSeek-V2-Lite, 27 in the mean of both, by 0.19, and of gpt-oss, 20, by 0.26. By 0.33
gpt-oss has those of other experts.
"""


def kernels(
    architecture: str | None, *, experts: bool, latents: bool, plain: bool = True, newer: bool = True
) -> Kernels:
    """Return the kernels of a layer in *newer* releases or older ones, with *plain* weights or others."""
    if architecture == "gpt_oss" and not newer:
        return _OLD_MXFP4
    if latents and newer:
        return _LATENTS if plain else _FP8_LATENTS
    if latents:
        return _OLD_LATENTS
    return _EXPERTS if experts else _DENSE


class Held(NamedTuple):
    """
    What graphs hold of torch's memory: the `pool` of what pieces make, and `split_bytes` of one token.

    These are FlashAttention 3's partial outputs, which only whole graphs hold, and a warm-up so many
    `copies`: where small tensors take a part of the first, it is no longer whole for the next layer. So it
    was in mixtures, Qwen3-30B-A3B and three layers of Kimi-K2, not in DeepSeek-V2-Lite.
    """

    pool: int = 0
    split_bytes: int = 0
    copies: int = 1


_INPUTS = 76 * MIB
"""Segments of the inputs, of the capturing stream's cuBLAS, and the first of the pool: 22, 32, 22 MiB."""

_SEGMENT = 20 * MIB
"""What torch's allocator takes at once for anything of 1 to 10 MiB (c10/core/AllocatorConfig.h)."""


def pool_bytes(tokens: int, inner: int, element_bytes: int) -> int:
    """Return the pool of the pieces' largest graph: *inner* numbers of a token in an MLP, and small ones."""
    return _SEGMENT + tokens * inner * element_bytes


def graphs_bytes(  # noqa: PLR0913 - what is captured, by whom
    layers: int, graphs: Captured, each: Kernels, held: Held, *, v2: bool, driver: Driver = H100
) -> int:
    """Return the estimate for graphs of a rank's layers by one of the runners."""
    if not graphs.most:
        return 0
    piece = (layers + 1) * driver.piece + layers * each.pieces * driver.kernel if graphs.pieces else 0
    whole = layers * each.whole * driver.kernel if graphs.whole else 0
    split = graphs.largest * held.split_bytes
    if not v2:
        # Both modes share a pool, of which the larger share counts.
        most = max(_SEGMENT + held.pool + piece, split + whole)
        return driver.first + most + _after_first(graphs.pieces, piece) + _after_first(graphs.whole, whole)
    partial = graphs.following * held.split_bytes * held.copies
    # What an MLP takes lies where partial outputs were, if there are any.
    warmed = max(held.pool, partial + _SEGMENT) if graphs.following else 0
    sampled = min(graphs.whole, 2) * whole + _after_first(graphs.whole, MIB)
    return driver.first + _INPUTS + held.pool + graphs.pieces * piece + split + warmed + sampled


def _after_first(graphs: int, one: int) -> int:
    return max(0, graphs - 1) * max(MIB, one)


_SPLITS = 32
_FLOAT_BYTES = 4


def split_bytes(heads: int, width: int, ranks: int) -> int:
    """
    Return FlashAttention 3's partial outputs of one token on a rank: 32 of each head, in float32.

    Source: flash_attn_max_num_splits_for_cuda_graph in config/attention.py, and
    v1/attention/backends/flash_attn.py and mla/flashattn_mla.py, alike in 0.19.1 and 0.33.
    """
    return _SPLITS * ceil_div(heads, ranks) * width * _FLOAT_BYTES
