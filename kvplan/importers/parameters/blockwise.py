"""Families whose layers differ one by one, or share a block: Nemotron's searched models and Zamba."""

from fractions import Fraction

from kvplan.attention import Kind
from kvplan.attention.grouped import MHA
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import column, gated_mlp, rms_norm, row, whole
from kvplan.importers.parameters.decoder import (
    MAX_FACTOR,
    Block,
    Decoder,
    Shape,
    flag,
    inner,
    inner_list,
    no_mlp,
)
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import mamba2, softmax

_NAS = Decoder(mixer=softmax(bias=flag("attention_bias")), mlp=no_mlp, norms=0)


def nemotron_nas(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return a model whose `block_configs` say of each layer what attention and MLP it has, if any.

    A part that is left out takes its norm with it; one that is replaced is a square matrix. Source:
    modeling_decilm.py of nvidia/Llama-3_3-Nemotron-Super-49B-v1.
    """
    hidden = shape.hidden
    total = _NAS.outside_layers(fields, hidden, ends)
    blocks = inner_list(fields, "block_configs")
    if len(blocks) != len(shape.layers):
        raise fields.error("block_configs", f"lists {len(blocks)} layers; expected {len(shape.layers)}")
    for number, (config, kinds) in enumerate(zip(blocks, shape.layers, strict=True)):
        attention, ffn = inner(config, "attention"), inner(config, "ffn")
        if _is_kept(attention):
            total += _NAS.layer(fields, hidden, Block(number, kinds))
        if _is_kept(ffn):
            total += _searched_mlp(ffn, hidden)
        total += _norm_and_stand_in(attention, hidden) + _norm_and_stand_in(ffn, hidden)
    return total


def _is_kept(part: Fields) -> bool:
    return not part.take_bool("no_op") and not part.take_bool("replace_with_linear")


def _norm_and_stand_in(part: Fields, hidden: int) -> Parameters:
    if part.take_bool("no_op"):
        return NONE
    return rms_norm(hidden) + (column(hidden, hidden) if part.take_bool("replace_with_linear") else NONE)


def _searched_mlp(ffn: Fields, hidden: int) -> Parameters:
    """Return an MLP whose width is `ffn_mult` times two thirds of the model's, in steps of 256."""
    times = ffn.take("ffn_mult")
    if isinstance(times, bool) or not isinstance(times, int | float) or not 0 < times <= MAX_FACTOR:
        raise ffn.error("ffn_mult", f"found {times!r}; expected a number up to {MAX_FACTOR}")
    width = int(2 * Fraction(times) * hidden / 3)
    return gated_mlp(hidden, -(-width // 256) * 256)


_ZAMBA2 = Decoder(
    mixer=mamba2(bias=flag("add_bias_linear"), conv_bias=flag("use_conv_bias", absent=True)),
    mlp=no_mlp,
    norms=1,
)


def zamba2(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return Zamba2: Mamba-2 layers, and a few attention blocks that several layers use in turn.

    A block reads the hidden state and the embedding side by side. Each use has a matrix of its own
    behind the block, and low-rank adapters in its MLP and, where told, in its queries, keys and values.
    Source: Zamba2ForCausalLM of transformers 5.23; the split is vLLM 0.33's, zamba2.py.
    """
    hidden = shape.hidden
    uses = [kind for kinds in shape.layers for kind in kinds if isinstance(kind, MHA)]
    plain = Shape(hidden=hidden, layers=tuple(_without_attention(kinds) for kinds in shape.layers))
    blocks = min(fields.take_optional_count("num_mem_blocks") or 1, len(uses))
    width, rank = fields.take_count("intermediate_size"), fields.take_optional_count("adapter_rank") or 128
    each = whole(hidden, hidden) + column(hidden, rank) + column(rank, 2 * width)
    if fields.take_bool("use_shared_attention_adapter", absent=False):
        each += (column(2 * hidden, rank) + column(rank, 2 * hidden)) * 3
    shared = _shared_block(fields, uses, hidden, width)
    return _ZAMBA2(fields, plain, ends) + shared * blocks + each * len(uses)


def _shared_block(fields: Fields, uses: list[MHA], hidden: int, width: int) -> Parameters:
    """Return one shared block: attention on twice the model's width, an MLP, and their norms."""
    if not uses:
        return NONE
    inner_width = uses[0].heads * uses[0].head_dim
    attention = column(2 * hidden, 3 * inner_width) + row(inner_width, hidden)
    bias = fields.take_bool("add_bias_linear", absent=False)
    return attention + gated_mlp(hidden, width, bias=bias) + rms_norm(3 * hidden)


def _without_attention(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    return tuple(kind for kind in kinds if not isinstance(kind, MHA))


BLOCKWISE = {"nemotron-nas": nemotron_nas, "zamba2": zamba2}
"""The counter of each model_type."""
