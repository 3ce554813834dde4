"""
Experts in MXFP4 as vLLM's kernels hold them once they are loaded.

Sources: mxfp4_round_up_hidden_size_and_intermediate_size, convert_gpt_oss_weight_to_mxfp4_moe_kernel_format
(both layers/fused_moe/oracle/mxfp4.py), _swizzle_mxfp4 in layers/quantization/utils/mxfp4_utils.py and
tensor_details/layout_details/hopper_scale.py of triton_kernels, in 0.14.1, 0.24, 0.26, 0.28 and 0.33; the
layout of 0.19.1 pads values, too, which is not counted.
"""

from typing import NamedTuple

from kvplan.units import ceil_div

_GROUP = 32
"""The weights of 4 bits that share a scale of 8 bits."""

_FP32_BYTES = 4
_SCALE_ROWS = 256
"""A tile of scales on Hopper: 2 x 8 warps x 2 x 8 rows."""

_OLD_GROUPS, _GROUPS = 2, 4
"""The scales of a row are padded to so many: the tile's own two, and since 0.26 what _swizzle_mxfp4 adds."""


class Expert(NamedTuple):
    """A rank's part of an expert: its inner `width`, of a model `hidden` wide, biases in `element_bytes`."""

    width: int
    hidden: int
    element_bytes: int


def on_hopper(expert: Expert, *, keeps_scales: bool) -> int:
    """
    Return the bytes of an expert with Triton's kernels, those of Hopper.

    Inner widths are whole 64, biases become float32, and scales lie in padded tiles. Releases that keep the
    scales as they were loaded, up to 0.25, do so beside these.
    """
    width, hidden = _up(expert.width, 64), expert.hidden
    groups = _OLD_GROUPS if keeps_scales else _GROUPS
    scales = sum(
        _up(rows, _SCALE_ROWS) * _up(inner // _GROUP, groups)
        for rows, inner in ((2 * width, hidden), (hidden, width))
    )
    loaded = 3 * width * hidden // _GROUP if keeps_scales else 0
    return 3 * width * hidden // 2 + scales + loaded + (2 * width + hidden) * _FP32_BYTES


def elsewhere(expert: Expert) -> int:
    """Return the bytes with Marlin's and TensorRT-LLM's kernels: widths of whole 128 inside, 256 outside."""
    width, hidden = _up(expert.width, 128), _up(expert.hidden, 256)
    # 17 bytes for 32 weights: 4 bits each, and a scale for a group.
    return 3 * width * hidden * 17 // _GROUP + (2 * width + hidden) * expert.element_bytes


def _up(size: int, whole: int) -> int:
    return ceil_div(size, whole) * whole
