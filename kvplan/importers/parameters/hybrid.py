"""Families that mix attention with recurrent layers."""

from kvplan.attention import Kind
from kvplan.attention.recurrent import GatedDeltaNet, Lightning
from kvplan.attention.ssm import RGLRU, Mamba, Mamba2, ShortConv
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import (
    column,
    experts,
    gated_mlp,
    plain_mlp,
    rms_norm,
    router,
    row,
    whole,
)
from kvplan.importers.parameters.decoder import MAX_FACTOR, Block, Decoder, always, flag, never
from kvplan.importers.parameters.mixers import (
    by_kind,
    gated_delta_net,
    lightning,
    mamba,
    mamba2,
    rg_lru,
    short_conv,
    softmax,
    unexpected,
)
from kvplan.importers.parameters.mixtures import qwen_moe, routed, simple
from kvplan.importers.parameters.mlps import gated
from kvplan.importers.parameters.moe import granite_mlp
from kvplan.importers.parameters.recurrent import convolution

_BIAS = flag("attention_bias")
_CONV_BIAS = flag("mamba_conv_bias", "use_conv_bias", absent=True)
_MAMBA_BIAS = flag("mamba_proj_bias")


def _jamba_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return Jamba's mixture in one layer of each `expert_layer_period`, else its MLP."""
    width, number = fields.take_count("intermediate_size"), fields.take_count("num_experts")
    period, offset = fields.take_count("expert_layer_period"), fields.take_whole("expert_layer_offset")
    if number == 1 or block.number % period != offset:
        return gated_mlp(hidden, width)
    return routed(hidden, number, width)


def _nemotron_h_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return what a layer without a mixer is: an MLP (`-`) or a mixture (`E`), neither with a gate."""
    letters = _nemotron_h_letters(fields)
    if block.number >= len(letters):
        raise fields.error("hybrid_override_pattern", f"found {len(letters)} layers; expected one more")
    letter = letters[block.number]
    bias = fields.take_bool("mlp_bias", absent=False)
    if letter == "-":
        return plain_mlp(hidden, fields.take_count("intermediate_size"), bias=bias)
    return _nemotron_h_mixture(fields, hidden, bias=bias) if letter == "E" else NONE


def _nemotron_h_letters(fields: Fields) -> list[str]:
    if fields.has("hybrid_override_pattern"):
        return list(fields.take_text("hybrid_override_pattern"))
    letters = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
    return [letters.get(name, name) for name in fields.take_texts("layers_block_type", "layer_types")]


def _nemotron_h_mixture(fields: Fields, hidden: int, *, bias: bool) -> Parameters:
    """
    Return Nemotron-H's mixture, whose experts may work in a narrower space, `moe_latent_size`.

    The two matrices into and out of that space are whole on every rank: vLLM 0.33, nemotron_h.py.
    """
    number, width = fields.take_count("n_routed_experts"), fields.take_count("moe_intermediate_size")
    latent = _latent_size(fields)
    shared = plain_mlp(hidden, fields.take_count("moe_shared_expert_intermediate_size"), bias=bias)
    resized = NONE
    if latent is not None:
        resized = whole(hidden, latent, bias=bias) + whole(latent, hidden, bias=bias)
    each = plain_mlp(latent or hidden, width)
    return router(hidden, number, bias=True) + experts(number, each) + shared + resized


def _latent_size(fields: Fields) -> int | None:
    """
    Return the width of the experts' space, None where it is the model's.

    Nemotron 3 Nano's files are older than the field; those with draft layers, which came with it, have it.
    """
    if not fields.has("num_nextn_predict_layers") and "moe_latent_size" not in fields:
        return None
    value = fields.take("moe_latent_size")
    return None if value is None else fields.take_count("moe_latent_size")


def _lfm2_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """
    Return LFM2's MLP, whose width is two thirds of the field's where `block_auto_adjust_ff_dim` says so.

    Lfm2MLP of transformers 5.23. Later layers of LFM2-MoE have a mixture in its place.
    """
    if fields.has("num_experts") and block.number >= fields.take_whole("num_dense_layers"):
        number, inner = fields.take_count("num_experts"), fields.take_count("moe_intermediate_size")
        bias = fields.take_bool("use_expert_bias", absent=True)
        return routed(hidden, number, inner, router_bias=bias)
    width = fields.take_count("intermediate_size", "block_ff_dim")
    if not fields.has("num_experts") and fields.take_bool("block_auto_adjust_ff_dim", absent=True):
        width = _adjusted(fields, 2 * width // 3)
    return gated_mlp(hidden, width)


def _adjusted(fields: Fields, width: int) -> int:
    """Return a width times a factor, rounded up to the next multiple of `block_multiple_of`."""
    factor = fields.take("block_ffn_dim_multiplier") if fields.has("block_ffn_dim_multiplier") else 1
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= MAX_FACTOR:
        raise fields.error(
            "block_ffn_dim_multiplier", f"found {factor!r}; expected a number up to {MAX_FACTOR}"
        )
    multiple = fields.take_optional_count("block_multiple_of") or 256
    return -(-int(factor * width) // multiple) * multiple


def _recurrent_gemma_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return Griffin's MLP: intermediate_size is the width of gate and up together."""
    return gated_mlp(hidden, fields.take_count("intermediate_size") // 2, bias=True)


def _plamo_mamba(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """
    Return PLaMo 2's Mamba: steps, decays and skips are per head, and step size, B and C are normed.

    Source: modeling_plamo.py of pfnet/plamo-2-1b, class Mamba, whose convolution has no bias.
    """
    if not isinstance(kind, Mamba):
        raise unexpected(kind)
    (dt_rank,) = kind.needed("dt_rank")
    heads, selection = fields.take_count("mamba_num_heads"), dt_rank + 2 * kind.d_state
    return (
        column(hidden, 2 * kind.d_inner)
        + convolution(kind.d_inner, kind.conv_kernel, bias=False)
        + row(kind.d_inner, selection)
        + rms_norm(selection)
        + column(dt_rank, heads)
        + Parameters(sharded=3 * heads)
        + row(kind.d_inner, hidden)
    )


_QWEN_MIXER = by_kind({GatedDeltaNet: gated_delta_net}, softmax(bias=_BIAS, qk_norm="head"))
_QWEN3_5 = Decoder(mixer=_QWEN_MIXER, mlp=gated())
_QWEN3_5_MOE = Decoder(mixer=_QWEN_MIXER, mlp=qwen_moe(shared=True))
_MINIMAX = Decoder(mixer=by_kind({Lightning: lightning}, softmax()), mlp=simple("intermediate_size"))
_MAMBA2 = mamba2(bias=_MAMBA_BIAS, conv_bias=_CONV_BIAS)
_LFM2 = Decoder(mixer=by_kind({ShortConv: short_conv}, softmax(qk_norm="head")), mlp=_lfm2_mlp)

HYBRID = {
    "jamba": Decoder(
        mixer=by_kind(
            {Mamba: mamba(bias=_MAMBA_BIAS, conv_bias=_CONV_BIAS, selection_norms=True)}, softmax()
        ),
        mlp=_jamba_mlp,
    ),
    "bamba": Decoder(mixer=by_kind({Mamba2: _MAMBA2}, softmax(bias=_BIAS)), mlp=gated(bias=flag("mlp_bias"))),
    "falcon_h1": Decoder(
        mixer=by_kind(
            {
                Mamba2: mamba2(
                    bias=_MAMBA_BIAS,
                    output_bias=flag("projectors_bias"),
                    conv_bias=_CONV_BIAS,
                    gated_norm=flag("mamba_rms_norm"),
                )
            },
            softmax(bias=_BIAS),
        ),
        mlp=gated(bias=flag("mlp_bias")),
    ),
    "granitemoehybrid": Decoder(
        mixer=by_kind({Mamba2: _MAMBA2}, softmax(bias=_BIAS)), mlp=granite_mlp(shared=True)
    ),
    "nemotron_h": Decoder(
        mixer=by_kind({Mamba2: mamba2(bias=flag("use_bias"), conv_bias=_CONV_BIAS)}, softmax()),
        mlp=_nemotron_h_mlp,
        norms=1,
    ),
    "recurrent_gemma": Decoder(
        mixer=by_kind({RGLRU: rg_lru}, softmax(bias=_BIAS, output_bias=always)),
        mlp=_recurrent_gemma_mlp,
    ),
    "qwen3_next": _QWEN3_5_MOE,
    "qwen3_5": _QWEN3_5,
    "qwen3_5_text": _QWEN3_5,
    "qwen3_5_moe": _QWEN3_5_MOE,
    "qwen3_5_moe_text": _QWEN3_5_MOE,
    "olmo_hybrid": Decoder(
        mixer=by_kind({GatedDeltaNet: gated_delta_net}, softmax(bias=_BIAS, qk_norm="width")),
        mlp=gated(),
    ),
    "minimax": _MINIMAX,
    "minimax_text_01": _MINIMAX,
    "minimax_m1": _MINIMAX,
    "lfm2": _LFM2,
    "lfm2_moe": _LFM2,
    "plamo2": Decoder(
        mixer=by_kind({Mamba: _plamo_mamba}, softmax(bias=never, qk_norm="width")),
        mlp=gated(),
        norms=4,
    ),
}
"""The counter of each model_type."""
