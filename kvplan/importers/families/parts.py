"""Decoders that are one of several parts of a file, beside encoders of text, sound or images."""

from kvplan.importers.families.common import (
    Frame,
    Reading,
    divided_head_dim,
    expect,
    frame,
    optional_head_dim,
    sliding,
    softmax,
    take_groups,
    take_heads,
)
from kvplan.importers.families.encoders import cross_attention
from kvplan.importers.fields import Fields

_TROCR_IMAGE = 578
"""Positions of TrOCR's encoders: 384 x 384 in patches of 16, and the two tokens of DeiT (BEiT has one)."""

_BLIP_IMAGE = 577
"""Positions of BLIP's image encoder, as BlipVisionConfig has it: 384 x 384 in patches of 16, and a class."""

_T5_TEXT = 512, "T5's pre-training, arXiv 1910.10683, section 3.1.1, as text_encoder has no n_positions"
"""Tokens of a text, where the file does not say, and their source."""

_DEPTH = "Beside it the depth decoder keeps a token for each codebook, within one step and no longer."
_TWICE = "Guidance (guidance_scale above 1, as published) runs each sequence twice: plan for twice as many."


def trocr(fields: Fields, dtype: str) -> Reading:
    """Read TrOCRConfig, the decoder beside an image encoder of which its own file says nothing."""
    del dtype
    base = frame(fields, hidden=("d_model",), layers=("decoder_layers",))
    heads = take_heads(fields, "decoder_attention_heads")
    head_dim = divided_head_dim(fields, base.hidden, heads, ("d_model", "decoder_attention_heads"))
    fields.skip("num_hidden_layers", "cross_attention_hidden_size", "is_decoder", "add_cross_attention")
    fields.skip("layernorm_embedding", "use_learned_position_embeddings")
    fields.state("encoder_tokens", f"{_TROCR_IMAGE}: an image of 384 x 384 in patches of 16")
    cross = cross_attention(heads, heads, head_dim, _TROCR_IMAGE)
    return base.same("decoder", softmax(heads, heads, head_dim), cross)


def blip(fields: Fields, dtype: str) -> Reading:
    """Read BlipTextConfig, beside an image encoder of which its part of the file says nothing."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    head_dim = divided_head_dim(fields, base.hidden, heads)
    fields.skip("encoder_hidden_size", "is_decoder", "label_smoothing", "projection_dim")
    fields.state("encoder_tokens", f"{_BLIP_IMAGE}: an image of 384 x 384 in patches of 16")
    cross = cross_attention(heads, heads, head_dim, _BLIP_IMAGE)
    return base.same("decoder", softmax(heads, heads, head_dim), cross)


def musicgen(fields: Fields, dtype: str) -> Reading:
    """Read MusicgenConfig, whose decoder attends to a text and has one row for all codebooks of a frame."""
    del dtype
    base, heads, head_dim = _musicgen(fields)
    tokens, origin = _text_tokens(fields)
    fields.state("encoder_tokens", origin)
    cross = cross_attention(heads, heads, head_dim, tokens)
    return base.same("decoder", softmax(heads, heads, head_dim), cross, notes=[_TWICE])


def musicgen_melody(fields: Fields, dtype: str) -> Reading:
    """
    Read MusicgenMelodyConfig, whose decoder has melody and text before its own tokens.

    Their keys and values are kept as any others: modeling_musicgen_melody.py of transformers 5.24.
    """
    del dtype
    base, heads, head_dim = _musicgen(fields)
    tokens, origin = _text_tokens(fields)
    melody = fields.take_count("chroma_length", to="prefix_tokens")
    fields.skip("num_chroma")
    fields.state("prefix_tokens", f"chroma_length + {origin}")
    kind = {**softmax(heads, heads, head_dim), "prefix_tokens": melody + tokens}
    return base.same("decoder", kind, notes=[_TWICE])


def _musicgen(fields: Fields) -> tuple[Frame, int, int]:
    """Take the decoder's dimensions: its frame, heads and head size."""
    decoder = fields.nested("decoder")
    base = frame(decoder)
    heads = take_heads(decoder)
    decoder.skip("add_cross_attention", "audio_channels", "cross_attention_hidden_size", "is_decoder")
    decoder.skip("ffn_dim", "num_codebooks")
    fields.skip("audio_encoder", "is_encoder_decoder")
    return base, heads, divided_head_dim(decoder, base.hidden, heads)


def _text_tokens(fields: Fields) -> tuple[int, str]:
    """Return the longest text of the T5 encoder, and where it is from."""
    encoder = fields.nested("text_encoder")
    encoder.skip(*(name for name in encoder.values if name != "n_positions"))
    given = encoder.take_optional_count("n_positions")
    return _T5_TEXT if given is None else (given, "n_positions of text_encoder")


def moshi(fields: Fields, dtype: str) -> Reading:
    """
    Read MoshiConfig, whose main decoder has a window in each layer.

    The depth decoder begins anew at each step, and keeps a row for each codebook while that lasts.
    """
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = optional_head_dim(fields, base.hidden, heads)
    window = fields.take_count("sliding_window", to="window")
    fields.skip(
        "audio_encoder_config", "audio_vocab_size", "depth_decoder_config", "num_codebooks", "ffn_dim"
    )
    expect(fields, "layer_types", (None,), why="every layer has the window")
    return base.same("local", sliding(heads, groups, head_dim, window), notes=[_DEPTH])
