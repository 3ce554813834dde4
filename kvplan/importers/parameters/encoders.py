"""Families with an encoder: BERT, encoder-decoders, and Llama with cross-attention to images."""

from kvplan.attention import Kind
from kvplan.attention.uncached import Cross
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.attention import grouped
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import (
    column,
    gated_mlp,
    layer_norm,
    plain_mlp,
    rms_norm,
    row,
    whole,
)
from kvplan.importers.parameters.decoder import Block, Counter, Decoder, Shape, always
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import by_kind, heads_of, softmax, unexpected
from kvplan.importers.parameters.mlps import gated, plain


def _bert_mixer(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    heads = heads_of(kind)
    if heads is None:
        raise unexpected(kind)
    return grouped(hidden, heads.heads, heads.heads, heads.head_dim, qkv_bias=True, output_bias=True)


_BERT = Decoder(mixer=_bert_mixer, mlp=plain(bias=always), norm=layer_norm, final_norm=False)


def bert(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """Return BertModel: three embeddings and their norm, the layers, and the pooler; no task's head."""
    hidden = shape.hidden
    rows = fields.take_count("max_position_embeddings") + fields.take_count("type_vocab_size")
    pooler = whole(hidden, hidden, bias=True)
    return (
        _layers(_BERT, fields, shape)
        + ends.weights(hidden)
        + whole(rows, hidden)
        + layer_norm(hidden)
        + pooler
    )


def _bert_generation(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """Return BertGenerationEncoder: BERT without the kinds of segments and the pooler."""
    hidden = shape.hidden
    positions = whole(fields.take_count("max_position_embeddings"), hidden)
    return _layers(_BERT, fields, shape) + ends.weights(hidden) + positions + layer_norm(hidden)


def whisper(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return Whisper: two convolutions, the encoder, and a decoder whose layers attend twice.

    Keys have no bias. The encoder's positions are saved with the weights, though they are sines.
    Source: WhisperForConditionalGeneration of transformers 5.23.
    """
    hidden = shape.hidden
    width = fields.take_count("encoder_ffn_dim")
    encoder_layer = _whisper_attention(hidden) + plain_mlp(hidden, width, bias=True) + layer_norm(hidden) * 2
    rows = fields.take_count("max_source_positions") + fields.take_count("max_target_positions")
    convolutions = whole(3 * fields.take_count("num_mel_bins"), hidden, bias=True)
    convolutions += whole(3 * hidden, hidden, bias=True)
    return (
        convolutions
        + encoder_layer * fields.take_count("encoder_layers")
        + _layers(_WHISPER, fields, shape)
        + ends.weights(hidden)
        + whole(rows, hidden)
        + layer_norm(hidden) * 2
    )


def _whisper_attention(hidden: int) -> Parameters:
    """Return four square matrices, of which that of the keys has no bias."""
    return column(hidden, hidden, bias=True) * 2 + column(hidden, hidden) + row(hidden, hidden, bias=True)


def _whisper_mixer(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    return _whisper_attention(hidden) + layer_norm(hidden)


_WHISPER = Decoder(mixer=_whisper_mixer, mlp=plain("decoder_ffn_dim", bias=always), norm=layer_norm, norms=1)


def bart(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return BART: one embedding for both sides, learned positions and a norm of each, two stacks.

    Two positions are kept beside the longest input. Source: BartForConditionalGeneration of
    transformers 5.23, whose `final_logits_bias` is saved with the weights but is no parameter.
    """
    hidden = shape.hidden
    positions = whole(fields.take_count("max_position_embeddings") + 2, hidden)
    encoder_heads = fields.take_count("encoder_attention_heads")
    encoder_layer = (
        grouped(
            hidden, encoder_heads, encoder_heads, hidden // encoder_heads, qkv_bias=True, output_bias=True
        )
        + plain_mlp(hidden, fields.take_count("encoder_ffn_dim"), bias=True)
        + layer_norm(hidden) * 2
    )
    return (
        encoder_layer * fields.take_count("encoder_layers")
        + _layers(_BART, fields, shape)
        + ends.weights(hidden)
        + (positions + layer_norm(hidden)) * 2
    )


def _bart_mixer(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    return softmax(bias=always)(fields, kind, hidden) + layer_norm(hidden)


_BART = Decoder(mixer=_bart_mixer, mlp=plain("decoder_ffn_dim", bias=always), norm=layer_norm, norms=1)


def t5(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return T5: two stacks without biases, each with one table of relative positions per head.

    Source: T5ForConditionalGeneration of transformers 5.23; its MLP has a gate if `feed_forward_proj`
    begins with `gated`.
    """
    hidden, heads = shape.hidden, fields.take_count("num_heads")
    attention = grouped(hidden, heads, heads, fields.take_count("d_kv"))
    encoder_layer = attention + _t5_mlp(fields, hidden, Block(0, ())) + rms_norm(hidden) * 2
    buckets = Parameters(sharded=(fields.take_optional_count("relative_attention_num_buckets") or 32) * heads)
    return (
        encoder_layer * fields.take_count("num_layers")
        + _layers(_T5, fields, shape)
        + ends.weights(hidden)
        + (buckets + rms_norm(hidden)) * 2
    )


def _t5_mixer(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    return softmax()(fields, kind, hidden) + rms_norm(hidden)


def _t5_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    activation = fields.take_optional_text("feed_forward_proj") or "relu"
    mlp = gated_mlp if activation.startswith("gated") else plain_mlp
    return mlp(hidden, fields.take_count("d_ff"))


_T5 = Decoder(mixer=_t5_mixer, mlp=_t5_mlp, norms=1)


def _mllama_cross(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return cross-attention to an image: normed queries and keys, and a gate on each branch."""
    return softmax(qk_norm="head")(fields, kind, hidden) + Parameters(replicated=2)


def _image_token(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    """Return the eight rows that the embedding has beyond the head: MllamaTextModel, transformers 5.23."""
    return Parameters(sharded=8 * hidden)


_MLLAMA = Decoder(mixer=by_kind({Cross: _mllama_cross}, softmax()), mlp=gated(), beside=_image_token)


def _layers(decoder: Decoder, fields: Fields, shape: Shape) -> Parameters:
    """Return the layers alone of a stack."""
    blocks = (Block(number, kinds) for number, kinds in enumerate(shape.layers))
    return sum((decoder.layer(fields, shape.hidden, block) for block in blocks), NONE)


ENCODERS: dict[str, Counter] = {
    "bert": bert,
    "bert-generation": _bert_generation,
    "roberta": bert,
    "xlm-roberta": bert,
    "whisper": whisper,
    "bart": bart,
    "t5": t5,
    "mllama": _MLLAMA,
    "mllama_text_model": _MLLAMA,
}
"""The counter of each model_type."""
