"""
What vLLM's classes hold of a layer's weights beside what the release stores, each rank for itself.

Sources are files of vLLM 0.33; each rule is held against the parameters of its classes.
"""

import math

from kvplan.attention.grouped import GQA, MQA
from kvplan.attention.latent import MLA
from kvplan.engines.base import HeldLayer
from kvplan.engines.vllm import mxfp4
from kvplan.engines.vllm.backends import HOPPER, major_of
from kvplan.engines.vllm.versions import VllmRules
from kvplan.engines.weight_blocks import LEAST_REFINED
from kvplan.specs.parts import Amount, Measure, is_quantised
from kvplan.specs.weight_blocks import WeightBlocks
from kvplan.units import ceil_div

_FP32_BYTES = 4

_WIDE_ROUTERS = frozenset({"glm4_moe", "mimo_v2", "mimo_v2_flash", "minimax_m2"})
"""Classes whose router is in float32: params_dtype in models/glm4_moe.py, mimo_v2.py and minimax_m2.py."""

_MXFP4_EXPERTS = frozenset({"gpt_oss"})
"""Architectures whose releases store experts in MXFP4, with biases: models/gpt_oss.py."""

_WHOLE = 128

_ROUNDED = frozenset({"deepseek_v4", "kimi_k3"})
"""Architectures whose experts are in MXFP4 without biases, in widths of whole 128 for NVIDIA's kernels."""

_PADS = frozenset({"deepseek_v4"})
"""
Classes that round the width of shared experts up to whole 128 on each rank, and route by a token's id.

Source: DeepseekV4MLP and DeepseekV4MoE in models/deepseek_v4/nvidia/model.py.
"""

_COPIES_KEYS = frozenset({"gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"})
"""Classes that give each layer a matrix of values, be there one in the release or not."""

ENDS_EVERYWHERE = frozenset(
    {"cohere", "cohere2", "gemma", "gemma2", "gemma3_text", "gpt_oss", "mixtral", "qwen3_moe"}
)
"""
Classes that have embedding, last norm and head on every pipeline stage: their files in models/.

Those of Gemma and Cohere have no PPMissingLayer in 0.19.1, 0.24, 0.28 and 0.33; Gemma 2's and Cohere's have
no head but the embedding.
"""


def added(held: HeldLayer, rules: VllmRules) -> int:
    """Return the bytes that a rank holds of a layer beyond its share of what the release stores."""
    of_classes = _router(held) + _rounded(held) - _narrow_table(held)
    of_mixers = _values(held) + _indexer(held) + absorbed(held)
    return of_classes + of_mixers + _scales(held) + _kernels(held, rules)


def divided(blocks: WeightBlocks | None, architecture: str | None) -> WeightBlocks | None:
    """Return the blocks of weights, without the inputs that a class rounds up to whole blocks itself."""
    if blocks is None or architecture not in _PADS:
        return blocks
    # Beside the shared experts' there are those of the output projection, which are wider.
    return blocks.model_copy(update={"inputs": (max(blocks.inputs),)})


def absorbed(held: HeldLayer) -> int:
    """
    Return the two matrices by which MLA decodes in its latent, where the one of both is quantised.

    They are made of it when the weights are loaded, in the model's dtype, and it stays: split_kv_b_proj in
    layers/attention/mla_attention.py. Of one that is not quantised they are views.
    """
    sizes = [_up_projection(kind) for kind in held.kinds if isinstance(kind, MLA)]
    if not is_quantised(held.parts.attention, held.element_bytes):
        return 0
    return sum(ceil_div(size * held.element_bytes, held.shares.attention) for size in sizes)


def _up_projection(kind: MLA) -> int:
    d_nope, v_head_dim = kind.needed("d_nope", "v_head_dim", by="vLLM's copy of its up-projection")
    return kind.d_c * kind.heads * (d_nope + v_head_dim)


def _router(held: HeldLayer) -> int:
    if held.options.architecture not in _WIDE_ROUTERS or not held.parts.router:
        return 0
    parameters = Measure(None).of(held.parts.router)
    stored = Measure(held.element_bytes).of(held.parts.router)
    # The bias is in float32 in either.
    return max(0, parameters * _FP32_BYTES - stored)


def _rounded(held: HeldLayer) -> int:
    """Return what experts of whole 128 take more; a shared one that is padded is as wide as the others."""
    layer = held.parts
    if held.options.architecture not in _ROUNDED or not layer.width:
        return 0
    routed = _padding(layer.expert, layer.width, held.shares.expert, held.element_bytes)
    experts = held.shares.on_rank(layer.experts) * routed
    if held.options.architecture not in _PADS:
        return experts
    return experts + _padding(layer.shared, layer.width, held.shares.shared, held.element_bytes)


def _padding(amount: Amount, width: int, ranks: int, element_bytes: int) -> int:
    """Return by how much a rank's part of matrices is more in whole 128 of their width."""
    stored = Measure(element_bytes).of(amount)
    return stored * ceil_div(ceil_div(width, ranks), _WHOLE) * _WHOLE // width - ceil_div(stored, ranks)


def _narrow_table(held: HeldLayer) -> int:
    """Return by how much a table of experts by token, of eight bytes each in the release, is less in four."""
    layer = held.parts
    if held.options.architecture not in _PADS or not layer.experts:
        return 0
    more = Measure(held.element_bytes).of(layer.router) - Measure(None).of(layer.router) * held.element_bytes
    # Else it is a bias in float32, one for each expert.
    return more // 2 if more > layer.experts * _FP32_BYTES else 0


def _values(held: HeldLayer) -> int:
    """
    Return a matrix of values that the release does not store, as its keys are the values, too.

    The class fills it from that of the keys: load_weights in models/gemma4.py.
    """
    if held.options.architecture not in _COPIES_KEYS:
        return 0
    divided, whole = held.parts.attention, held.parts.whole
    parameters, beside = Measure(None).of(divided), Measure(None).of(whole)
    size = 0
    for kind in held.kinds:
        matrix = held.hidden * kind.head_dim if isinstance(kind, GQA | MQA) else 0
        # One KV head is whole on each rank, and among what is.
        if isinstance(kind, GQA) and parameters == matrix * (2 * kind.heads + kind.groups):
            size += _as_stored(divided, matrix * kind.groups, held)
        if isinstance(kind, MQA) and matrix <= beside < 2 * matrix:
            size += _as_stored(divided, matrix, held) * held.shares.attention
    return ceil_div(size, held.shares.attention)


def _as_stored(like: Amount, parameters: int, held: HeldLayer) -> int:
    """Return the bytes of so many parameters that are stored as those of another amount."""
    return ceil_div(parameters * Measure(held.element_bytes).of(like), Measure(None).of(like))


def _indexer(held: HeldLayer) -> int:
    """
    Return what sparse MLA's indexer takes more: its key's norm in float32, its matrix in the model's dtype.

    That is fused with the weights of its heads, which are not quantised: wk_weights_proj in
    models/deepseek_v2.py.
    """
    widths = [
        kind.indexer.needed("head_dim")[0] for kind in held.kinds if isinstance(kind, MLA) and kind.indexer
    ]
    norms = sum(2 * width * (_FP32_BYTES - held.element_bytes) for width in widths)
    blocks = held.options.weight_blocks
    if blocks is None or not is_quantised(held.parts.whole, held.element_bytes):
        return norms
    stored = [
        held.hidden * width
        + _FP32_BYTES * ceil_div(held.hidden, blocks.columns) * ceil_div(width, blocks.rows)
        for width in widths
    ]
    wide = [held.hidden * width * held.element_bytes for width in widths]
    return norms + sum(wide) - sum(stored)


def _scales(held: HeldLayer) -> int:
    """Return the scales that are repeated where a rank's part of an expert is no whole blocks."""
    layer, blocks = held.parts, held.options.weight_blocks
    if blocks is None or not blocks.experts or not layer.experts or not layer.width:
        return 0
    blocks, width = blocks.of_experts(), layer.width // held.shares.expert
    if width % blocks.rows == 0 and width % blocks.columns == 0:
        return 0
    side = math.gcd(blocks.rows, blocks.columns, width)
    if side < LEAST_REFINED:
        return 0
    scales = Measure(held.element_bytes).of(layer.expert) - Measure(None).of(layer.expert)
    times = blocks.rows * blocks.columns // side**2 - 1
    return held.shares.on_rank(layer.experts) * ceil_div(scales * times, held.shares.expert)


def _kernels(held: HeldLayer, rules: VllmRules) -> int:
    """Return what MXFP4 experts take more in the form of their kernels; their output's bias is whole."""
    layer = held.parts
    if held.options.architecture not in _MXFP4_EXPERTS or not is_quantised(layer.expert, held.element_bytes):
        return 0
    expert = mxfp4.Expert(
        width=ceil_div(layer.width, held.shares.expert), hidden=held.hidden, element_bytes=held.element_bytes
    )
    if major_of(held.options.card) == HOPPER:
        size = mxfp4.on_hopper(expert, keeps_scales=rules.keeps_mxfp4_scales)
    else:
        size = mxfp4.elsewhere(expert)
    stored = Measure(held.element_bytes).of(layer.expert)
    return held.shares.on_rank(layer.experts) * (size - ceil_div(stored, held.shares.expert))
