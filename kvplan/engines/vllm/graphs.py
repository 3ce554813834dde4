"""What vLLM sets aside for CUDA graphs."""

from kvplan.units import GIB, MIB

MOST_TOKENS = 512
"""The largest batch that is captured unless told: _set_cudagraph_sizes in config/vllm.py of 0.19 to 0.32."""

MOST_ON_BLACKWELL = 1024
"""The same on data-centre Blackwell since 0.28: a compute capability of 10."""

_COARSE = 256
"""From here up only each 16th batch is captured."""

_FIRST_BYTES = 200 * MIB
_POOL_BYTES = 140 * MIB
_LAYER_BYTES = 18 * GIB // 1000
_CAPTURED = 102
"""
The first captures, the pool, and what a layer adds: a line through 15 start-ups of dense models on one
H100 with 1024 sequences, which capture 51 batches in each of two modes; its largest error is 14 %.
"""


_KERNEL_BYTES = 12 * 1024
"""
What a driver holds for a captured kernel: with 0.2 GiB for the first, and the pool, eight start-ups on H100
are within 0.15 GiB, from Qwen3-8B's 11 kernels in a layer to the 27 of DeepSeek-V2-Lite.
"""

_OF_EXPERTS, _OF_LATENTS, _OF_MXFP4 = 5, 12, 17
"""
Kernels that a layer has beyond a dense one's 10, counted in graphs that 0.19 captured where nothing ran.

Qwen3-30B has 16 and DeepSeek-V2-Lite 27; gpt-oss had 37, and has 26 in 0.33.
"""


def more_kernels(architecture: str | None, *, experts: bool, latents: bool) -> int:
    """Return the kernels of a layer beyond those of a dense one."""
    if architecture == "gpt_oss":
        return _OF_MXFP4
    return _OF_EXPERTS * experts + _OF_LATENTS * latents


def captured(
    sequences: int, tokens: int, most: int | None = None, *, drafts: int = 0, usual: int = MOST_TOKENS
) -> int:
    """
    Return the graphs in both modes: piecewise ones up to *most* tokens, whole ones up to the sequences.

    These decode a token and its *drafts* in each. *most* is by default what twice so many take, or the
    *usual*.
    """
    decoded = sequences * (1 + drafts)
    largest = min(most or min(2 * decoded, usual), tokens)
    return _sizes(largest) + max(0, _sizes(min(largest, decoded)) - _sizes(drafts))


def _sizes(largest: int) -> int:
    """Return how many batches are captured: 1, 2, 4, each 8th below 256, then each 16th."""
    small = len([size for size in (1, 2, 4, *range(8, _COARSE, 8)) if size <= largest])
    return small + max(0, largest - _COARSE + 16) // 16


def graphs_bytes(layers: int, graphs: int, more: int = 0) -> int:
    """
    Return the estimate for so many graphs of a rank's layers (profile_cudagraph_memory).

    Each layer has so many *more* kernels than a dense one.
    """
    if not graphs:
        return 0
    dense = (_POOL_BYTES + layers * _LAYER_BYTES) * graphs // _CAPTURED
    return _FIRST_BYTES + dense + layers * graphs * more * _KERNEL_BYTES
