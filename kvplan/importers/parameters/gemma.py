"""Gemma 3n and Gemma 4: layers that share caches, embeddings per layer, experts beside an MLP."""

from kvplan.attention import Kind
from kvplan.attention.uncached import Shared
from kvplan.attention.windowed import Sliding
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.attention import grouped
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import column, gated_mlp, rms_norm, row, whole
from kvplan.importers.parameters.decoder import Block, Decoder, flag
from kvplan.importers.parameters.mixers import heads_of, softmax
from kvplan.importers.parameters.mixtures import count_at, routed

_BIAS = flag("attention_bias")


def _gemma4_mixer(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return Gemma 4's attention, whose global layers may use their keys as values."""
    heads = heads_of(kind)
    same = not isinstance(kind, Sliding) and fields.take_bool("attention_k_eq_v")
    if heads is None or not same:
        return softmax(bias=_BIAS, qk_norm="head")(fields, kind, hidden)
    bias = _BIAS(fields)
    return grouped(
        hidden,
        heads.heads,
        heads.groups,
        heads.head_dim,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm="head",
        value_matrix=False,
    )


def _gemma4_dense(fields: Fields, hidden: int, block: Block) -> Parameters:
    """
    Return Gemma 4's MLP, the input of each layer, and a scale: all that a unified model of 5.24 has.

    Layers that read another's cache may have an MLP of twice the width.
    """
    shared = any(isinstance(kind, Shared) for kind in block.kinds)
    double = shared and fields.take_bool("use_double_wide_mlp", absent=False)
    mlp = gated_mlp(hidden, fields.take_count("intermediate_size") * (2 if double else 1))
    return mlp + Parameters(replicated=1) + _layer_input(fields, hidden)


def _gemma4_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """
    Return Gemma 4's MLP and the experts beside it.

    Experts bring three norms and, with their router, a scale per input and one per expert:
    Gemma4TextDecoderLayer, transformers 5.23.
    """
    dense = _gemma4_dense(fields, hidden, block)
    if not fields.take_bool("enable_moe_block"):
        return dense
    number = fields.take_count("num_experts")
    mixture = routed(hidden, number, fields.take_count("moe_intermediate_size")) + rms_norm(hidden + number)
    return dense + mixture + rms_norm(hidden) * 3


def _layer_input(fields: Fields, hidden: int) -> Parameters:
    """
    Return what brings a token's own vector into a layer: a gate, a projection and a norm.

    Both matrices are whole on every rank: vLLM 0.33, model_executor/models/gemma3n.py.
    """
    width = fields.take_optional_whole("hidden_size_per_layer_input") or 0
    return whole(hidden, width) + whole(width, hidden) + rms_norm(hidden) if width else NONE


def _layer_embeddings(fields: Fields, hidden: int) -> Parameters:
    """Return the table of a vector per token and layer, and the projection that is added to it."""
    width = fields.take_optional_whole("hidden_size_per_layer_input") or 0
    if not width:
        return NONE
    columns = width * fields.take_count("num_hidden_layers")
    # 262144 is the config class's own value, which published files leave out: transformers 5.23.
    vocabulary = fields.take_optional_count("vocab_size_per_layer_input") or 262144
    return column(vocabulary, columns) + column(hidden, columns) + rms_norm(width)


def _gemma3n_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """
    Return Gemma 3n's MLP, AltUp, LAuReL, and the input of each layer.

    AltUp's small matrices are whole on every rank, LAuReL's are divided: vLLM 0.33, gemma3n.py.
    Source: Gemma3nTextDecoderLayer of transformers 5.23; AltUp is arXiv 2301.13310, LAuReL 2411.07501.
    """
    width = count_at(fields, "intermediate_size", block)
    streams, rank = fields.take_count("altup_num_inputs"), fields.take_count("laurel_rank")
    altup = whole(streams, streams * (streams + 1)) + whole(hidden, streams) + rms_norm(hidden) * 2
    laurel = column(hidden, rank) + row(rank, hidden) + rms_norm(hidden)
    return gated_mlp(hidden, width) + altup + laurel + _layer_input(fields, hidden)


def _gemma3n_extra(fields: Fields, hidden: int) -> Parameters:
    """Return the embeddings per layer and the matrices into and out of AltUp's other streams."""
    others = fields.take_count("altup_num_inputs") - 1
    return _layer_embeddings(fields, hidden) + column(hidden, hidden) * (2 * others)


_GEMMA4 = Decoder(mixer=_gemma4_mixer, mlp=_gemma4_mlp, norms=4, beside=_layer_embeddings)
_GEMMA3N = Decoder(
    mixer=softmax(bias=_BIAS, qk_norm="head"), mlp=_gemma3n_mlp, norms=4, beside=_gemma3n_extra
)

GEMMA = {
    "gemma3n_text": _GEMMA3N,
    "gemma4": _GEMMA4,
    "gemma4_text": _GEMMA4,
    "gemma4_unified_text": Decoder(mixer=_gemma4_mixer, mlp=_gemma4_dense, norms=4),
}
"""The counter of each model_type."""
