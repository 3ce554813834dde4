"""Families after GPT-2: an MLP of two matrices, biases, norms with biases, learned positions."""

from kvplan.attention import Kind
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import column, layer_norm, rms_norm, row
from kvplan.importers.parameters.decoder import Beside, Block, Counter, Decoder, Shape, always, flag, never
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import heads_of, softmax, with_extra
from kvplan.importers.parameters.mlps import plain


def _positions(*names: str) -> Beside:
    """Return learned positions, whole on every rank: vLLM 0.33 has a plain embedding for them, gpt2.py."""
    return lambda fields, hidden: Parameters(replicated=fields.take_count(*names) * hidden)


def _head_bias(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    return Parameters(sharded=fields.take_count("vocab_size"))


def _embedding_norm(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    return layer_norm(hidden)


def _falcon(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return Falcon's attention and its second norm, which not every variant has."""
    norms = fields.take_optional_count("num_ln_in_parallel_attn")
    if norms is None:
        norms = 2 if fields.take_bool("new_decoder_architecture", absent=False) else 1
    if not fields.take_bool("parallel_attn", absent=True):
        norms = 2
    return softmax(bias=flag("bias"))(fields, kind, hidden) + layer_norm(hidden) * (norms - 1)


def _phi(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return Phi's attention, with a norm of queries and keys that has a bias."""
    heads = heads_of(kind)
    norms = heads is not None and fields.take_bool("qk_layernorm", absent=False)
    return softmax(bias=always)(fields, kind, hidden) + (
        layer_norm(2 * heads.head_dim) if heads and norms else NONE
    )


def _persimmon(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return Persimmon's attention, which norms queries and keys unless told otherwise."""
    heads = heads_of(kind)
    norms = heads is not None and fields.take_bool("qk_layernorm", absent=True)
    return softmax(bias=always)(fields, kind, hidden) + (
        layer_norm(2 * heads.head_dim) if heads and norms else NONE
    )


def _mpt_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    if not fields.take_bool("no_bias", absent=True):
        raise fields.error("no_bias", "found false; expected true, as every published MPT has it")
    return column(hidden, hidden * _expansion(fields)) + row(hidden * _expansion(fields), hidden)


def _expansion(fields: Fields) -> int:
    return fields.take_optional_count("expansion_ratio") or 4


def opt(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return OPT, whose embedding may be narrower than the model, with a matrix in and one out.

    Two positions are kept beside the longest context: transformers 5.23, OPTLearnedPositionalEmbedding.
    """
    hidden = shape.hidden
    width = fields.take_optional_count("word_embed_proj_dim") or hidden
    positions = fields.take_count("max_position_embeddings") + 2
    before = fields.take_bool("do_layer_norm_before", absent=True)
    removed = fields.take_bool("_remove_final_layer_norm", absent=False)
    layers = sum(
        (_OPT.layer(fields, hidden, Block(number, kinds)) for number, kinds in enumerate(shape.layers)), NONE
    )
    outside = _OPT.outside_layers(fields, width, ends) + Parameters(replicated=positions * hidden)
    resized = Parameters(replicated=2 * width * hidden) if width != hidden else NONE
    return layers + outside + resized + (layer_norm(hidden) if before and not removed else NONE)


_OPT_BIAS = flag("enable_bias", absent=True)
_OPT = Decoder(
    mixer=softmax(bias=_OPT_BIAS),
    mlp=plain("ffn_dim", bias=_OPT_BIAS),
    norm=layer_norm,
    final_norm=False,
)
_GPT2 = Decoder(
    mixer=softmax(bias=always),
    mlp=plain("n_inner", "intermediate_size", bias=always, times=4),
    norm=layer_norm,
    beside=_positions("n_positions", "max_position_embeddings"),
)
_GPTJ = Decoder(
    mixer=softmax(),
    mlp=plain("n_inner", bias=always, times=4),
    norm=layer_norm,
    norms=1,
    beside=_head_bias,
)
_PHI = Decoder(
    mixer=_phi,
    mlp=plain("intermediate_size", "n_inner", bias=always, times=4),
    norm=layer_norm,
    norms=1,
    beside=_head_bias,
)

CLASSIC: dict[str, Counter] = {
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "gpt_neo": Decoder(
        mixer=softmax(output_bias=always),
        mlp=plain("intermediate_size", bias=always, times=4),
        norm=layer_norm,
        beside=_positions("max_position_embeddings"),
    ),
    "gpt_neox": Decoder(
        mixer=softmax(bias=flag("attention_bias", absent=True)),
        mlp=plain(bias=always),
        norm=layer_norm,
    ),
    "gptj": _GPTJ,
    "codegen": _GPTJ,
    "phi": _PHI,
    "phi-msft": _PHI,
    "opt": opt,
    "bloom": Decoder(
        mixer=softmax(bias=always),
        mlp=plain("n_inner", bias=always, times=4),
        norm=layer_norm,
        beside=_embedding_norm,
    ),
    "falcon": Decoder(
        mixer=_falcon,
        mlp=plain("ffn_hidden_size", bias=flag("bias"), times=4),
        norm=layer_norm,
        norms=1,
    ),
    "mpt": Decoder(mixer=softmax(), mlp=_mpt_mlp, norm=rms_norm),
    "starcoder2": Decoder(
        mixer=softmax(bias=flag("use_bias", absent=True)),
        mlp=plain(bias=flag("use_bias", absent=True)),
        norm=layer_norm,
    ),
    "nemotron": Decoder(
        mixer=softmax(bias=flag("attention_bias")),
        mlp=plain(bias=flag("mlp_bias")),
        norm=layer_norm,
    ),
    "persimmon": Decoder(mixer=_persimmon, mlp=plain(bias=always), norm=layer_norm),
    "apertus": Decoder(
        mixer=with_extra(
            softmax(bias=flag("attention_bias"), qk_norm="head"),
            # The activation's two learned and two fixed numbers, all of them saved: xIELU.
            lambda kind, hidden: Parameters(replicated=4),  # noqa: ARG005 - the signature of an extra
        ),
        mlp=plain(bias=never),
    ),
}
"""The counter of each model_type."""
