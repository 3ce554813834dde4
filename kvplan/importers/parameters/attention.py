"""Attention with a growing cache, counted from its dimensions: softmax, latent, indexers."""

from typing import Literal

from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import column, kept, rms_norm, row, whole

QkNorm = Literal["none", "head", "width", "divided"]
"""
A norm of queries and keys: none, one weight per element of a head (Qwen3), or one per element of
all heads side by side, whole on every rank (OLMo 2, Cohere) or divided (MiniMax-M2; vLLM 0.33).
"""


def grouped(  # noqa: PLR0913 - each is one fact of the layer
    hidden: int,
    heads: int,
    groups: int,
    head_dim: int,
    v_head_dim: int | None = None,
    *,
    qkv_bias: bool = False,
    output_bias: bool = False,
    output_gate: int = 0,
    qk_norm: QkNorm = "none",
    value_matrix: bool = True,
) -> Parameters:
    """
    Return the projections of multi-head, grouped-query or multi-query attention, biases and norms.

    *output_gate* is the width of a gate on the output, 0 for none. Without a *value_matrix* the keys
    are the values too. A single KV head is held by every rank.
    """
    values = v_head_dim or head_dim
    queries = column(hidden, heads * head_dim + output_gate, bias=qkv_bias)
    keys_and_values = (head_dim + values) if value_matrix else head_dim
    spread = column if groups > 1 else whole
    return (
        queries
        + spread(hidden, groups * keys_and_values, bias=qkv_bias)
        + row(heads * values, hidden, bias=output_bias)
        + _qk_norm(qk_norm, heads, groups, head_dim)
    )


def queries_only(  # noqa: PLR0913 - each is one fact of the layer
    hidden: int,
    heads: int,
    head_dim: int,
    v_head_dim: int | None = None,
    *,
    bias: bool = False,
    q_norm: bool = False,
) -> Parameters:
    """Return the projections of a layer that reads another layer's keys and values."""
    output = row(heads * (v_head_dim or head_dim), hidden, bias=bias)
    return column(hidden, heads * head_dim, bias=bias) + output + (rms_norm(head_dim) if q_norm else NONE)


def _qk_norm(style: QkNorm, heads: int, groups: int, head_dim: int) -> Parameters:
    match style:
        case "none":
            return NONE
        case "head":
            return rms_norm(2 * head_dim)
        case "width":
            return rms_norm((heads + groups) * head_dim)
        case "divided":
            return Parameters(sharded=(heads + groups) * head_dim)


def latent(  # noqa: PLR0913 - each is one fact of the layer
    hidden: int,
    heads: int,
    *,
    d_c: int,
    d_rope: int,
    d_nope: int,
    v_head_dim: int,
    q_lora_rank: int | None,
    bias: bool = False,
    latent_norms: bool = True,
) -> Parameters:
    """
    Return multi-head latent attention: the paths down to the latents, their norms, and up again.

    The down-projections are whole on every rank: vLLM 0.33, model_executor/models/deepseek_v2.py.
    *bias* is that of the down-projections and of the output. Source: arXiv 2405.04434, section 2.1.
    """
    queries = heads * (d_nope + d_rope)
    if q_lora_rank is None:
        query_path = column(hidden, queries)
    else:
        query_path = whole(hidden, q_lora_rank, bias=bias) + column(q_lora_rank, queries)
    norms = rms_norm(d_c + (q_lora_rank or 0)) if latent_norms else NONE
    down = whole(hidden, d_c + d_rope, bias=bias)
    up = column(d_c, heads * (d_nope + v_head_dim))
    return query_path + down + norms + up + row(heads * v_head_dim, hidden, bias=bias)


def latent_indexer(hidden: int, heads: int, head_dim: int, q_lora_rank: int) -> Parameters:
    """
    Return DeepSeek-V3.2's indexer: queries from the latent, one key, its norm, a weight per head.

    Every rank holds it whole: vLLM 0.33, model_executor/models/deepseek_v2.py, class Indexer.
    """
    matrices = whole(q_lora_rank, heads * head_dim) + whole(hidden, head_dim) + kept(hidden, heads)
    return matrices + rms_norm(2 * head_dim)
