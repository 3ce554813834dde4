"""
The buffers of DeepEP, by which ranks exchange the tokens of experts that are dealt out.

Source: csrc/legacy/config.hpp, csrc/legacy/buffer.hpp and csrc/kernels/legacy/compiled.cuh of
github.com/deepseek-ai/DeepEP at dd758ca. They are not torch's memory.
"""

from kvplan.units import MIB, ceil_div

WORKSPACE_BYTES = 32 * MIB
"""LEGACY_NUM_WORKSPACE_BYTES, of each rank."""

_ALIGNED_BYTES = 128
_CHANNELS = 128
_WORD_BYTES = 4
_HEADER_BYTES = 16
_ELEMENT_BYTES = 2


def low_latency_bytes(tokens: int, hidden: int, experts: int) -> int:
    """
    Return the buffer of a rank for the low-latency kernels, which any rank may fill (LowLatencyLayout).

    A rank sends up to *tokens* at once, each *hidden* wide, to *experts* of all ranks. There are two of each
    buffer, one for each of two steps: what is sent, what each expert receives, and flags.
    """
    scales = hidden // _CHANNELS
    dispatched = _HEADER_BYTES + max(hidden * _ELEMENT_BYTES, hidden + scales * _WORD_BYTES)
    combined = (scales * 2 + hidden) * _ELEMENT_BYTES
    sent = max(tokens * dispatched, experts * tokens * combined)
    received = experts * tokens * max(dispatched, combined)
    flags = ceil_div(experts * _WORD_BYTES, _ALIGNED_BYTES) * _ALIGNED_BYTES
    # The hint that engines ask for has one alignment more than it needs (get_low_latency_rdma_size_hint).
    return (2 * (sent + received + flags) // _ALIGNED_BYTES + 1) * _ALIGNED_BYTES
