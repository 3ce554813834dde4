"""
Families with parts that no other has: Apertus 1.5, CPM-Ant, Dory, Lara 4 Mini and Yuan 2.

Source: the modeling file of each name in transformers 5.24, and of Yuan in its repository.
"""

from dataclasses import replace

from kvplan.attention import Kind
from kvplan.attention.recurrent import GatedDeltaNet
from kvplan.attention.ssm import ShortConv
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.parameters.blocks import column, gated_mlp, rms_norm, whole
from kvplan.importers.parameters.classic import CLASSIC
from kvplan.importers.parameters.decoder import Block, Counter, Decoder, Shape, flag
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import (
    by_kind,
    gated_delta_net,
    heads_of,
    softmax,
    unexpected,
    with_extra,
)
from kvplan.importers.parameters.mixtures import EXPERTS, routed
from kvplan.importers.parameters.mlps import gated

_BIAS = flag("attention_bias")


def _apertus(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """Return Apertus, whose head may lack the rows of images and sounds."""
    rows = fields.take_optional_count("output_vocab_size")
    if rows is None:
        return CLASSIC["apertus"](fields, shape, ends)
    if ends.tied:
        raise fields.error("output_vocab_size", "found it beside a head that is the embedding")
    body = CLASSIC["apertus"](fields, shape, replace(ends, tied=None))
    return body + Parameters(sharded=rows * shape.hidden)


def _lara_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return Qwen's mixture in every layer, whose shared expert has no gate."""
    width = fields.take_count("moe_intermediate_size")
    shared = fields.take_count("shared_expert_intermediate_size")
    return routed(hidden, fields.take_count(*EXPERTS), width, shared_width=shared)


def _cpmant_beside(fields: Fields, hidden: int) -> Parameters:
    """Return the prompts, the kinds of segments, and the table of relative positions per head."""
    segments = fields.take_count("segment_types")
    prompts = fields.take_count("prompt_types") * fields.take_count("prompt_length")
    table = segments**2 + fields.take_count("position_bias_num_buckets")
    positions = Parameters(sharded=table * fields.take_count("num_attention_heads"))
    return whole(prompts + segments, hidden) + positions


def _dory_extra(kind: Kind, hidden: int) -> Parameters:
    """Return the gate as wide as the output, and a scale of each query and of each gate."""
    heads = heads_of(kind)
    if heads is None:
        raise unexpected(kind)
    width = heads.heads * heads.head_dim
    return column(hidden, width) + Parameters(sharded=2 * width, vectors=2 * width)


def _dory_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return a gated MLP with a scale of each gate and of each input."""
    width = fields.take_count("intermediate_size")
    scales = Parameters(sharded=2 * width, vectors=2 * width)
    return gated_mlp(hidden, width, bias=flag("mlp_bias")(fields)) + scales


def _dory_scales(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    """Return the scale of each token's logit."""
    rows = fields.take_count("vocab_size")
    return Parameters(sharded=rows, vectors=rows)


# Each of the two norms' places holds a rate as wide as the model in their stead.
_DORY = Decoder(
    mixer=with_extra(softmax(bias=_BIAS), _dory_extra),
    mlp=_dory_mlp,
    norm=rms_norm,
    final_norm=False,
    beside=_dory_scales,
)


def _dory(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """Return Dory, whose layers have their weights once however often they are run."""
    return _DORY(fields, replace(shape, layers=tuple(kinds[:1] for kinds in shape.layers)), ends)


def _yuan_filter(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    """
    Return two convolutions of width 2, over half as many channels between them, and a norm.

    Source: LocalizedFiltering in megatron/model/yuan_hf_model.py, github.com/IEIT-Yuan/Yuan-2.0 at 2f59b3f.
    """
    inner = hidden // 2
    return whole(2 * hidden, inner, bias=True) + whole(2 * inner, hidden, bias=True) + rms_norm(hidden)


SINGLES: dict[str, Counter] = {
    "apertus1p5_text": _apertus,
    "cpmant": Decoder(mixer=softmax(), mlp=gated("dim_ff"), beside=_cpmant_beside),
    "dory": _dory,
    "lara_mini": Decoder(
        mixer=by_kind({GatedDeltaNet: gated_delta_net}, softmax(bias=_BIAS, qk_norm="head")), mlp=_lara_mlp
    ),
    "yuan": Decoder(mixer=by_kind({ShortConv: _yuan_filter}, softmax()), mlp=gated()),
}
"""The counter of each model_type."""
