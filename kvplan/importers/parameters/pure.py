"""Families without softmax attention: Mamba, RWKV, gated linear attention."""

from collections.abc import Callable

from kvplan.attention import Kind
from kvplan.attention.recurrent import GLA
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.attention import grouped
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.parameters.blocks import column, gated_mlp, layer_norm, rms_norm, row, whole
from kvplan.importers.parameters.decoder import (
    Block,
    Counter,
    Decoder,
    Mixer,
    Shape,
    always,
    flag,
    never,
    no_mlp,
)
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import by_kind, mamba, mamba2, softmax, unexpected
from kvplan.importers.parameters.mlps import gated

_BIAS, _CONV_BIAS = flag("use_bias"), flag("use_conv_bias", absent=True)
_MAMBA = Decoder(
    mixer=mamba(bias=_BIAS, conv_bias=_CONV_BIAS),
    mlp=no_mlp,
    norms=1,
)


def _gla_mixer(*, gate: bool, bias: bool, kv_heads: Callable[[Fields], int | None]) -> Mixer:
    """
    Return gated linear attention: grouped keys and values, a low-rank forget gate, a norm per head.

    Source: fla/layers/gla.py of flash-linear-attention; the forget gate's second matrix has a bias.
    An output *gate* is as wide as the values unless the file turns it off; *kv_heads* reads how many
    there are, None for as many as heads.
    """

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        if not isinstance(kind, GLA):
            raise unexpected(kind)
        groups = kv_heads(fields) or kind.heads
        gated_output = gate and _has_output_gate(fields)
        projections = grouped(
            hidden,
            kind.heads,
            groups,
            kind.qk_head_dim,
            kind.v_head_dim,
            qkv_bias=bias,
            output_gate=kind.heads * kind.v_head_dim if gated_output else 0,
        )
        (gate_rank,) = kind.needed("gate_rank")
        forget = whole(hidden, gate_rank) + column(gate_rank, groups * kind.qk_head_dim, bias=True)
        return projections + forget + rms_norm(kind.v_head_dim)

    return count


def _gla_kv_heads(fields: Fields) -> int | None:
    """
    Return the KV heads, which GLA 340M's and 1.3B's files leave out, as many as heads.

    They leave out `use_output_gate`, too; a file with the one has the other.
    """
    if "use_output_gate" in fields and not fields.has("num_kv_heads"):
        raise fields.error("num_kv_heads", "found nothing; expected the number of KV heads")
    return fields.take_optional_count("num_kv_heads")


def _has_output_gate(fields: Fields) -> bool:
    return fields.take_bool("use_output_gate") if fields.has("num_kv_heads") else True


def _swa_kv_heads(fields: Fields) -> int | None:
    return fields.take_count("num_key_value_heads")


def _gla_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return the MLP, two thirds of `hidden_ratio` times as wide, in steps of 256, where a null says so."""
    if fields.take("intermediate_size") is not None:
        return gated_mlp(hidden, fields.take_count("intermediate_size"))
    width = hidden * fields.take_count("hidden_ratio") * 2 // 3
    return gated_mlp(hidden, -(-width // 256) * 256)


def rwkv4(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return RWKV-4: time mixing of four matrices and five vectors, channel mixing of three matrices.

    The first layer has a norm of the embedding. Source: RwkvForCausalLM of transformers 5.23. vLLM
    has no RWKV: the split follows the channels.
    """
    hidden = shape.hidden
    inner = fields.take_optional_count("attention_hidden_size") or hidden
    width = fields.take_optional_count("intermediate_size") or 4 * hidden
    mixing = column(hidden, 3 * inner) + row(inner, hidden)
    vectors = Parameters(sharded=2 * inner, replicated=3 * hidden)
    layer = mixing + vectors + _channel_mixing(hidden, width) + layer_norm(hidden) * 2
    return layer * len(shape.layers) + ends.weights(hidden) + layer_norm(hidden) * 2


def rwkv5(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return RWKV-5.2: five matrices of time mixing, a norm of the heads' outputs, channel mixing.

    Its output matrix is its own whatever `tie_word_embeddings` says. Source: modeling_rwkv5.py of
    RWKV/rwkv-5-world-3b; the width of its channel mixing is 3.5 times the model's, in steps of 32.
    """
    hidden = shape.hidden
    inner = fields.take_optional_count("attention_hidden_size") or hidden
    width = fields.take_optional_count("intermediate_size") or hidden * 7 // 2 // 32 * 32
    mixing = column(hidden, 4 * inner) + row(inner, hidden)
    vectors = Parameters(sharded=2 * inner, replicated=4 * hidden) + layer_norm(inner)
    layer = mixing + vectors + _channel_mixing(hidden, width) + layer_norm(hidden) * 2
    return layer * len(shape.layers) + ends.weights(hidden) + layer_norm(hidden) * 2


def _channel_mixing(hidden: int, width: int) -> Parameters:
    """Return RWKV-4's and 5's channel mixing: key, value, receptance and two mixing vectors."""
    return column(hidden, width) + row(width, hidden) + column(hidden, hidden) + rms_norm(2 * hidden)


_GLA = Decoder(mixer=_gla_mixer(gate=True, bias=False, kv_heads=_gla_kv_heads), mlp=_gla_mlp)

PURE: dict[str, Counter] = {
    "mamba": _MAMBA,
    "ov_mamba": _MAMBA,
    "falcon_mamba": _MAMBA,
    "mamba2": Decoder(mixer=mamba2(bias=_BIAS, conv_bias=_CONV_BIAS), mlp=no_mlp, norms=1),
    "rwkv": rwkv4,
    "rwkv5": rwkv5,
    "gla": _GLA,
    "gla_swa": Decoder(
        mixer=by_kind(
            {GLA: _gla_mixer(gate=False, bias=True, kv_heads=_swa_kv_heads)},
            softmax(bias=always, output_bias=never),
        ),
        mlp=gated(),
    ),
}
"""The counter of each model_type."""
