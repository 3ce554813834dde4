"""Encoders, which keep nothing, and decoders with cross-attention to one."""

from kvplan.importers.families.common import (
    LOCAL_OR_GLOBAL,
    Facts,
    Frame,
    Reading,
    by_types,
    divided_head_dim,
    expect,
    frame,
    optional_head_dim,
    sliding,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
    trained_on,
)
from kvplan.importers.fields import Fields

_MLLAMA_IMAGE = 6404
"""Positions of one image of 4 tiles: 4 x (1600 patches + 1), Llama 3.2 Vision."""


def bert(fields: Fields, dtype: str) -> Reading:
    """Read BertConfig: every token sees all others at once, so nothing is kept."""
    del dtype
    base = frame(fields)
    expect(fields, "is_decoder", (False, None), why="a decoder would keep a cache")
    heads = take_heads(fields)
    head_dim = divided_head_dim(fields, base.hidden, heads)
    return base.same("encoder", {"kind": "none", "heads": heads, "head_dim": head_dim})


def whisper(fields: Fields, dtype: str) -> Reading:
    """Read WhisperConfig: the decoder attends to 1500 encoder positions of a 30 s window."""
    del dtype
    base = frame(fields, hidden=("d_model",), layers=("decoder_layers",), context=("max_target_positions",))
    positions = fields.take_count("max_source_positions", to="encoder_tokens")
    fields.skip("num_hidden_layers")
    return _decoder(fields, base, positions)


def bart(fields: Fields, dtype: str) -> Reading:
    """Read BartConfig, whose encoder input is as long as its output."""
    del dtype
    base = frame(fields, hidden=("d_model",), layers=("decoder_layers",))
    fields.state("encoder_tokens", "max_position_embeddings")
    fields.skip("num_hidden_layers")
    return _decoder(fields, base, base.max_context)


def _decoder(fields: Fields, base: Frame, positions: int) -> Reading:
    expect(fields, "is_encoder_decoder", (True,), why="the decoder attends to an encoder")
    heads = take_heads(fields, "decoder_attention_heads")
    head_dim = divided_head_dim(fields, base.hidden, heads, ("d_model", "decoder_attention_heads"))
    return base.same(
        "decoder", softmax(heads, heads, head_dim), cross_attention(heads, heads, head_dim, positions)
    )


def t5(fields: Fields, dtype: str) -> Reading:
    """Read T5Config: relative positions, so the pre-training length of both sides is the context."""
    del dtype
    return _t5(fields, 512, "T5, arXiv 1910.10683, section 3.1.1")


def longt5(fields: Fields, dtype: str) -> Reading:
    """Read LongT5Config, whose encoder alone has local or pooled attention; its decoder is T5's."""
    del dtype
    fields.skip("encoder_attention_type", "global_block_size", "local_radius")
    return _t5(fields, 4096, "LongT5, arXiv 2112.07916, section 4.1")


def switch_transformers(fields: Fields, dtype: str) -> Reading:
    """Read SwitchTransformersConfig: T5, some of whose MLPs are mixtures."""
    del dtype
    fields.skip("num_sparse_decoder_layers", "num_sparse_encoder_layers", "dense_act_fn")
    fields.skip("add_router_probs", "add_cross_attention", "decoder_sparse_step", "encoder_sparse_step")
    return _t5(fields, 512, "Switch Transformers, arXiv 2101.03961, section 2.4")


def _t5(fields: Fields, tokens: int, source: str) -> Reading:
    base = frame(
        fields,
        hidden=("d_model",),
        layers=("num_decoder_layers",) if "num_decoder_layers" in fields else ("num_layers",),
        context=trained_on(fields, tokens, source, "n_positions"),
    )
    fields.skip("num_layers", "relative_attention_num_buckets", "relative_attention_max_distance")
    expect(fields, "is_encoder_decoder", (True,), why="the decoder attends to an encoder")
    heads, head_dim = take_heads(fields, "num_heads"), fields.take_count("d_kv", to="head_dim")
    fields.state("encoder_tokens", "as max_context")
    cross = cross_attention(heads, heads, head_dim, base.max_context)
    return base.same("decoder", softmax(heads, heads, head_dim), cross)


def t5gemma(fields: Fields, dtype: str) -> Reading:
    """Read T5GemmaConfig and T5Gemma2Config: a decoder with windows that attends to an encoder."""
    del dtype
    expect(fields, "is_encoder_decoder", (True,), why="the decoder attends to an encoder")
    decoder = fields.nested("decoder")
    base = frame(decoder)
    heads = take_heads(decoder)
    shape = (heads, take_groups(decoder, heads), take_head_dim(decoder))
    tokens = _encoder_context(fields)
    cross = cross_attention(*shape, tokens)
    kinds = {
        "local": (sliding(*shape, decoder.take_count("sliding_window", to="window")), cross),
        "global": (softmax(*shape), cross),
    }
    decoder.skip("cross_attention_hidden_size", "is_decoder", "sliding_window_pattern")
    return base.mixed(by_types(decoder, base.layers, LOCAL_OR_GLOBAL), kinds)


def _encoder_context(fields: Fields) -> int:
    """Return the longest input of the encoder, which may hold its text part inside."""
    encoder: object = fields.take("encoder", to="encoder_tokens")
    if isinstance(encoder, dict) and isinstance(encoder.get("text_config"), dict):
        encoder = encoder["text_config"]
    longest = encoder.get("max_position_embeddings") if isinstance(encoder, dict) else None
    if type(longest) is not int or longest < 1:
        raise fields.error("encoder", "expected an object that holds max_position_embeddings")
    return longest


def mllama(fields: Fields, dtype: str) -> Reading:
    """Read MllamaTextConfig: the layers of `cross_attention_layers` attend to the image alone."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = optional_head_dim(fields, base.hidden, heads)
    indices = set(fields.take_wholes("cross_attention_layers", to="layers"))
    if indices and max(indices) >= base.layers:
        raise fields.error("cross_attention_layers", f"{max(indices)} is not below {base.layers} layers")
    fields.state("encoder_tokens", f"{_MLLAMA_IMAGE}: an image of 4 tiles, each of 1600 patches and a class")
    layers = ["cross" if index in indices else "self" for index in range(base.layers)]
    kinds = {
        "self": softmax(heads, groups, head_dim),
        "cross": cross_attention(heads, groups, head_dim, _MLLAMA_IMAGE),
    }
    return base.mixed(layers, kinds)


def cross_attention(heads: int, groups: int, head_dim: int, positions: int) -> Facts:
    """Return attention to *positions* tokens of an encoder."""
    return {
        "kind": "cross",
        "heads": heads,
        "groups": groups,
        "head_dim": head_dim,
        "encoder_tokens": positions,
    }
