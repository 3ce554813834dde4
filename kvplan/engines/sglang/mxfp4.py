"""
Experts in MXFP4 as SGLang holds them once they are loaded, and what torch's allocator keeps beside them.

Sources: Mxfp4MoEMethod.create_weights and process_weights_after_loading in layers/quantization/mxfp4.py of
SGLang 0.5.23; hopper_value.py and hopper_scale.py in tensor_details/layout_details of triton_kernels 3.8,
which it chooses for gpt-oss on other cards than Blackwell, where FlashInfer's kernels run.
"""

from fractions import Fraction
from typing import NamedTuple

from kvplan.gpus import Card
from kvplan.units import MIB, ceil_div

CLASSES = frozenset({"gpt_oss"})
"""Architectures whose releases store experts in MXFP4, with biases: models/gpt_oss.py."""

MOST_AMISS = Fraction(45, 1000)
"""
How far start-ups of tests/rehearsed/sglang.jsonl that load a release are from this, as a part of its weights.

Their allocator kept scales in what a second matrix leaves over, or in segments of their own: -4.4 to 4.3 %.
"""

_GROUP = 32
"""The weights of 4 bits that share a scale of 8 bits."""

_FP32_BYTES = 4
_WHOLE = 64
"""Inner widths of Triton's kernels are whole so many (triton_kernels_padding_alignment)."""

_ROWS = 256
"""Rows of a tile on Hopper, of values and of scales of 8 warps."""

_GROUPS = 4
"""Scales of a row, padded to a load of 128 weights (_pad_hopper_mxfp4_scale)."""

_SEGMENT = 2 * MIB
"""What torch's allocator asks a device for is whole so many, above 10 MiB (c10/core/AllocatorConfig.h)."""

_HOPPER, _BLACKWELL = 9, 10
_BLACKWELL_INNER, _BLACKWELL_HIDDEN = 128, 256


class Experts(NamedTuple):
    """A rank's part of a layer's `number` of experts, each `width` wide inside, of a model `hidden` wide."""

    number: int
    width: int
    hidden: int


def held_bytes(experts: Experts, card: Card | None) -> int:
    """Return the bytes of a layer's experts in the form of a card's kernels, Hopper's where none is known."""
    major = _HOPPER if card is None or card.capability is None else card.capability[0]
    if major == _HOPPER:
        return _on_hopper(experts) + _unused(experts)
    if major >= _BLACKWELL:
        inner, hidden = _up(experts.width, _BLACKWELL_INNER), _up(experts.hidden, _BLACKWELL_HIDDEN)
    else:
        inner, hidden = _up(experts.width, _WHOLE), experts.hidden
    scales = 3 * inner * hidden // _GROUP
    return experts.number * (3 * inner * hidden // 2 + scales + (2 * inner + hidden) * _FP32_BYTES)


def _on_hopper(experts: Experts) -> int:
    """Return values and scales in padded tiles, beside the scales that were loaded, and biases in float32."""
    inner, hidden = _up(experts.width, _WHOLE), experts.hidden
    loaded = 3 * inner * hidden // _GROUP
    scales = sum(
        _up(rows, _ROWS) * _up(columns // _GROUP, _GROUPS)
        for rows, columns in ((2 * inner, hidden), (hidden, inner))
    )
    biases = (2 * inner + hidden) * _FP32_BYTES
    first, second = _values(experts)
    return first + second + experts.number * (scales + loaded + biases)


def _values(experts: Experts) -> tuple[int, int]:
    """Return the values of the first matrix, gates and inputs together, and of the second, in their tiles."""
    inner, hidden = _up(experts.width, _WHOLE), experts.hidden
    first, second = (
        experts.number * _up(columns // 2, _WHOLE) * _up(rows, _ROWS)
        for rows, columns in ((2 * inner, hidden), (hidden, inner))
    )
    return first, second


def _unused(experts: Experts) -> int:
    """
    Return what a layer's second matrix leaves of the segment that it is in.

    While the first is laid out anew, the allocator gets segments as large as it for what is made on the way:
    1.03 GiB each of gpt-oss-120b, on a real H100, too (github.com/NVIDIA/TensorRT-LLM/pull/16125). The second
    then is put into one of these, as they are free, and the rest is too small for the next layer's.
    """
    first, second = _values(experts)
    return _up(first, _SEGMENT) - second


def _up(size: int, whole: int) -> int:
    return ceil_div(size, whole) * whole
