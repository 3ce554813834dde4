"""
Attention whose inputs or outputs pass short convolutions: ZAYA and Inkling.

Each convolution keeps its last inputs beside the layer's keys and values. A layer that is run several
times (Inkling 2 with loops) keeps all of it once for each time.
"""

from typing import NamedTuple

from kvplan.importers.families.common import (
    Facts,
    Frame,
    Reading,
    by_types,
    frame,
    sliding,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
)
from kvplan.importers.families.looped import Kinds, looped
from kvplan.importers.fields import Fields

_WORDS = {"hybrid": "global", "hybrid_sliding": "local"}


class _Shape(NamedTuple):
    heads: int
    groups: int
    head_dim: int

    @property
    def width(self) -> int:
        """The elements of a token's keys, which are as many as its values'."""
        return self.groups * self.head_dim


def zaya(fields: Fields, dtype: str) -> Reading:
    """
    Read ZayaConfig: queries and keys pass two convolutions, and half of each value is the last token's.

    Source: modeling_zaya.py of transformers 5.24, ZayaCCAProjection: a convolution of each `cca_time`,
    so that as many tokens wait as one of both lengths together; and one row of half the values.
    """
    base = frame(fields)
    heads = take_heads(fields)
    shape = _Shape(heads, take_groups(fields, heads), take_head_dim(fields))
    times = [fields.take_count(name, to="conv_kernel") for name in ("cca_time0", "cca_time1")]
    fields.skip("router_hidden_size", "lm_head_bias")
    fields.state("conv_dtype", "the model's dtype: modeling_zaya.py of transformers 5.24")
    # A convolution of one token of each waits for nothing.
    waiting = _conv(heads * shape.head_dim + shape.width, sum(times) - 1, dtype)
    convs = (*((waiting,) if sum(times) > len(times) else ()), _conv(shape.width // 2, 2, dtype))
    layers = by_types(fields, base.layers, _WORDS)
    kinds: Kinds = {"global": (softmax(*shape), *convs)}
    if "local" in layers:
        kinds["local"] = (sliding(*shape, fields.take_count("sliding_window", to="window")), *convs)
    fields.skip("sliding_window")
    return base.mixed(layers, kinds)


def inkling(fields: Fields, dtype: str) -> Reading:
    """
    Read InklingTextConfig and Inkling2TextConfig: four convolutions in each layer, all in float32.

    They follow the keys, the values, the attention and the MLP (modeling_inkling.py and
    modeling_inkling2.py of transformers 5.24). Sliding layers have heads of their own.
    """
    del dtype
    base = frame(fields, context=("max_position_embeddings", "model_max_length"))
    fields.skip(*_INKLING)
    return base.mixed(_inkling_layers(fields, base), _inkling_kinds(fields, base))


def inkling2_loop(fields: Fields, dtype: str) -> Reading:
    """
    Read Inkling2LoopTextConfig: some layers are run several times, with a cache for each time.

    Source: modeling_inkling2_loop.py of transformers 5.24, Inkling2LoopTextModel.
    """
    del dtype
    base = frame(fields, context=("max_position_embeddings", "model_max_length"))
    fields.skip(*_INKLING, "loop_gate_rank")
    names, kinds = _inkling_layers(fields, base), _inkling_kinds(fields, base)
    start = fields.take_count("loop_layer_index_start", to="layers")
    end = fields.take_count("loop_layer_index_end", to="layers")
    if not start < end <= base.layers:
        raise fields.error("loop_layer_index_end", f"found {end}; expected {start + 1} to {base.layers}")
    return looped(fields, base, names, kinds, (start, end, fields.take_count("loop_num_passes", to="loops")))


_INKLING = (
    "chain_hidden_post_norm",
    "d_rel",
    "log_scaling_alpha",
    "log_scaling_n_floor",
    "logits_mup_width_multiplier",
    "mlp_gate_softcap",
    "mlp_up_softcap",
    "mtp_hidden_states_first",
    "mtp_local_layer_ids",
    "n_layers_per_attn_res_block",
    "number_of_conv_states",
    "qk_l2_clip_threshold",
    "rel_extent",
    "rel_l2_clip_threshold",
    "rms_norm_eps_moe_gate",
    "shared_expert_sink",
    "unpadded_vocab_size",
)
"""Fields of biases, scales, routers and drafts, of which a token keeps nothing."""


def _inkling_layers(fields: Fields, base: Frame) -> list[str]:
    """Take the types of the layers, or the numbers of those that slide."""
    if fields.has("layer_types"):
        fields.skip("local_layer_ids")
        return by_types(fields, base.layers, _WORDS)
    local = set(fields.take_wholes("local_layer_ids", to="layers"))
    if local and max(local) >= base.layers:
        raise fields.error("local_layer_ids", f"{max(local)} is not below {base.layers} layers")
    return ["local" if number in local else "global" for number in range(base.layers)]


def _inkling_kinds(fields: Fields, base: Frame) -> Kinds:
    heads, own = take_heads(fields), take_heads(fields, "swa_num_attention_heads")
    shape = _Shape(heads, take_groups(fields, heads), take_head_dim(fields))
    local = _Shape(
        own,
        take_groups(fields, own, "swa_num_key_value_heads", to="local.groups"),
        fields.take_count("swa_head_dim", to="local.head_dim"),
    )
    window = fields.take_count("sliding_window_size", "sliding_window", to="window")
    kernel = fields.take_count("conv_kernel_size", "sconv_kernel_size", to="conv_kernel")
    fields.state("conv_dtype", "float32: modeling_inkling.py of transformers 5.24")
    return {
        "global": (softmax(*shape), *_four(shape, base.hidden, kernel)),
        "local": (sliding(*local, window), *_four(local, base.hidden, kernel)),
    }


def _four(shape: _Shape, hidden: int, kernel: int) -> tuple[Facts, ...]:
    return tuple(_conv(width, kernel, "fp32") for width in (shape.width, shape.width, hidden, hidden))


def _conv(channels: int, kernel: int, dtype: str) -> Facts:
    return {"kind": "short_conv", "channels": channels, "conv_kernel": kernel, "conv_dtype": dtype}
