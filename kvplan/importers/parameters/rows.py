"""
Families whose readers are rows: their layers are put together of the parts that others have.

Source: the modeling file of each name in transformers 5.23.
"""

from kvplan.attention import Kind
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import (
    column,
    fixed_norm,
    gated_mlp,
    layer_norm,
    rms_norm,
    whole,
)
from kvplan.importers.parameters.decoder import (
    Block,
    Counter,
    Decoder,
    Mixer,
    Mlp,
    Shape,
    always,
    flag,
)
from kvplan.importers.parameters.encoders import bart, bert, t5
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import heads_of, latent, sinks, softmax, with_extra
from kvplan.importers.parameters.mixtures import (
    EXPERTS,
    is_sparse,
    routed,
    said_sparse,
    simple,
)
from kvplan.importers.parameters.mlps import gated, plain

_BIAS = flag("attention_bias")
_MLP_BIAS = flag("mlp_bias")
_WIDTH = "moe_intermediate_size"


def _mixture(
    *, width: str = _WIDTH, shared: str = "", shared_width: str = "", router_bias: bool = False
) -> Mlp:
    """
    Return a mixture in the layers that `mlp_layer_types` has as sparse, or in all.

    *shared* is the field of the number of experts that every token meets, as wide as the others, and
    *shared_width* that of the width of a single one.
    """

    def count(fields: Fields, hidden: int, block: Block) -> Parameters:
        if said_sparse(fields, block.number) is False:
            return gated_mlp(hidden, fields.take_count("intermediate_size"))
        inner, number = fields.take_count(width), fields.take_count(*EXPERTS)
        beside = (fields.take_optional_whole(shared) or 0) * inner if shared else 0
        beside += fields.take_optional_whole(shared_width) or 0 if shared_width else 0
        return routed(hidden, number, inner, shared_width=beside, router_bias=router_bias)

    return count


def _gated(mixer: Mixer, *, bias: bool = False) -> Mixer:
    """Return a mixer with a gate as wide as its output, and a number beside it for each head if *bias*."""

    def gate(kind: Kind, hidden: int) -> Parameters:
        heads = heads_of(kind)
        if heads is None:
            return NONE
        extra = Parameters(sharded=heads.heads, vectors=heads.heads) if bias else NONE
        return column(hidden, heads.heads * heads.v_head_dim) + extra

    return with_extra(mixer, gate)


def _lambdas(kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - the signature of an extra
    """Return the four vectors from which DiffLlama learns what it subtracts."""
    heads = heads_of(kind)
    return rms_norm(4 * heads.head_dim) if heads else NONE


def _hyperclovax(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return HyperCLOVA X's attention, and a norm after each branch if the file says so."""
    after = rms_norm(2 * hidden) if fields.take_bool("use_post_norm", absent=False) else NONE
    return softmax(bias=_BIAS)(fields, kind, hidden) + after


def _afmoe_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return the mixture after the first dense layers."""
    if block.number < (fields.take_optional_whole("num_dense_layers") or 0):
        return gated_mlp(hidden, fields.take_count("intermediate_size"))
    return _mixture(shared="num_shared_experts", router_bias=True)(fields, hidden, block)


def _flint_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return Qwen's mixture, whose shared expert has no gate here."""
    if not is_sparse(fields, block.number):
        return gated_mlp(hidden, fields.take_count("intermediate_size"))
    return _mixture(shared_width="shared_expert_intermediate_size")(fields, hidden, block)


def _cohere_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return Cohere's mixture, and in its first layers an MLP of a width of its own."""
    if said_sparse(fields, block.number) is False:
        width = fields.take_optional_count("prefix_dense_intermediate_size")
        return gated_mlp(hidden, width or fields.take_count("intermediate_size"))
    return _mixture(width="intermediate_size", shared="num_shared_experts")(fields, hidden, block)


def _axk1_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return DeepSeek-V3's mixture and the norm after it, or a dense MLP without one."""
    norm = NONE if said_sparse(fields, block.number) is False else rms_norm(hidden)
    return _mixture(shared="n_shared_experts", router_bias=True)(fields, hidden, block) + norm


def _head_bias(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    rows = fields.take_count("vocab_size")
    return Parameters(sharded=rows, vectors=rows)


def _last_bias(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    """Return the bias of the last layer's output, which the other layers do without."""
    return rms_norm(hidden)


def _two_more_positions(fields: Fields, hidden: int) -> Parameters:
    """Return learned positions, two beside the longest context, as OPT has them."""
    return whole(fields.take_count("max_position_embeddings") + 2, hidden)


def _modernbert(fields: Fields, hidden: int) -> Parameters:
    """Return the norm of the embedding, the head's dense layer, and what the first layer lacks: its norm."""
    if fields.take_bool("norm_bias", absent=False):
        raise fields.error("norm_bias", "found true; kvplan counts norms without biases here")
    vocabulary = fields.take_count("vocab_size") if fields.take_bool("decoder_bias", absent=True) else 0
    dense = whole(hidden, hidden, bias=fields.take_bool("classifier_bias", absent=False))
    return rms_norm(hidden) + dense + Parameters(sharded=vocabulary, vectors=vocabulary)


def _mbart(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """Return mBART: BART, and a norm after each stack."""
    return bart(fields, shape, ends) + layer_norm(shape.hidden) * 2


_HEAD_NORMS = softmax(bias=_BIAS, qk_norm="head")
_CLASSIC_BIAS = softmax(bias=always)

ROW_COUNTERS: dict[str, Counter] = {
    "afmoe": Decoder(mixer=_gated(_HEAD_NORMS), mlp=_afmoe_mlp, norms=4),
    "aria_text": Decoder(
        mixer=softmax(bias=_BIAS), mlp=_mixture(width="intermediate_size", shared="moe_num_shared_experts")
    ),
    "axk1": Decoder(mixer=latent(), mlp=_axk1_mlp),
    "beam": Decoder(mixer=_gated(_HEAD_NORMS, bias=True), mlp=_mixture(router_bias=True), norms=4),
    "big_bird": bert,
    "biogpt": Decoder(
        mixer=_CLASSIC_BIAS, mlp=plain(bias=always), norm=layer_norm, beside=_two_more_positions
    ),
    "camembert": bert,
    "cohere2_moe": Decoder(mixer=softmax(bias=_BIAS), mlp=_cohere_mlp, norms=1),
    "cohere_compass_text": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(), norms=1),
    "ctrl": Decoder(mixer=_CLASSIC_BIAS, mlp=plain("dff", bias=always), norm=layer_norm, beside=_head_bias),
    "cwm": Decoder(mixer=softmax(), mlp=gated(bias=_MLP_BIAS)),
    "data2vec-text": bert,
    "diffllama": Decoder(mixer=with_extra(softmax(bias=_BIAS), _lambdas), mlp=gated()),
    "emu3_text_model": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(bias=_MLP_BIAS)),
    "ernie": bert,
    "exaone_moe": Decoder(
        mixer=softmax(qk_norm="head"), mlp=_mixture(shared="num_shared_experts", router_bias=True)
    ),
    "flex_olmo": Decoder(mixer=softmax(bias=_BIAS, qk_norm="width"), mlp=simple("intermediate_size")),
    "flint": Decoder(mixer=with_extra(_HEAD_NORMS, sinks), mlp=_flint_mlp),
    "gpt_neox_japanese": Decoder(
        mixer=softmax(),
        mlp=plain("intermediate_size", times=4),
        norm=layer_norm,
        beside=_last_bias,
    ),
    "granite_swa": Decoder(mixer=with_extra(softmax(bias=_BIAS), sinks), mlp=gated(bias=_MLP_BIAS)),
    "granitemoe_swa": Decoder(
        mixer=with_extra(softmax(bias=_BIAS), sinks),
        mlp=_mixture(width="intermediate_size", shared_width="shared_intermediate_size"),
    ),
    "hy_v3": Decoder(mixer=_HEAD_NORMS, mlp=_mixture(shared="num_shared_experts", router_bias=True)),
    "hyperclovax": Decoder(mixer=_hyperclovax, mlp=gated(bias=_MLP_BIAS)),
    "iquestcoder": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(bias=_MLP_BIAS)),
    "jais2": Decoder(
        mixer=softmax(bias=flag("attention_bias", absent=True)),
        mlp=plain(bias=flag("mlp_bias", absent=True)),
        norm=layer_norm,
    ),
    "kolibri1": Decoder(
        mixer=_HEAD_NORMS,
        mlp=_mixture(shared_width="shared_expert_intermediate_size", router_bias=True),
        norms=4,
    ),
    "mbart": _mbart,
    "megatron-bert": bert,
    "mellum": Decoder(mixer=_HEAD_NORMS, mlp=_mixture()),
    "modernbert-decoder": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(bias=_MLP_BIAS), beside=_modernbert),
    "mt5": t5,
    "mvp": bart,
    "nanochat": Decoder(mixer=softmax(bias=_BIAS), mlp=plain(), norm=fixed_norm),
    "phi4_multimodal": Decoder(mixer=softmax(), mlp=gated()),
    "plbart": bart,
    "solar_open": Decoder(
        mixer=softmax(bias=_BIAS), mlp=_mixture(shared="n_shared_experts", router_bias=True)
    ),
    "xglm": Decoder(mixer=_CLASSIC_BIAS, mlp=plain("ffn_dim", bias=always), norm=layer_norm),
    "youtu": Decoder(mixer=latent(), mlp=gated()),
}
"""The counter of each model_type."""
