"""Families with latent attention: DeepSeek from V2 on, and those that follow it."""

from kvplan.attention import Kind
from kvplan.attention.latent import MLA, Compressed
from kvplan.attention.recurrent import KDA
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import column, gated_mlp, rms_norm, row, whole
from kvplan.importers.parameters.decoder import Block, Counter, Decoder, Shape, flag
from kvplan.importers.parameters.ends import Ends
from kvplan.importers.parameters.mixers import by_kind, kda, latent, softmax, unexpected
from kvplan.importers.parameters.mixtures import after_dense, routed
from kvplan.importers.parameters.mlps import gated

# DeepSeek-V2 can be told to use plain multi-head attention: `use_mla` of DeepSeek-VL2's tiny model.
_MIXER = by_kind({MLA: latent()}, softmax(bias=flag("attention_bias")))


def _v2_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return V2's mixture, or V3's where `topk_method` says that a bias per expert steers it."""
    steered = fields.has("topk_method") and fields.take_text("topk_method") == "noaux_tc"
    return after_dense(router_bias=steered)(fields, hidden, block)


_V2 = Decoder(mixer=_MIXER, mlp=_v2_mlp)
_V3 = Decoder(mixer=_MIXER, mlp=after_dense(router_bias=True))


def _longcat_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return LongCat's two dense MLPs and its mixture, some of whose experts hold nothing."""
    mixture = routed(
        hidden,
        fields.take_count("n_routed_experts"),
        fields.take_count("expert_ffn_hidden_size"),
        zero_experts=fields.take_optional_whole("zero_expert_num") or 0,
        router_bias=True,
    )
    return gated_mlp(hidden, fields.take_count("ffn_hidden_size")) * 2 + mixture


def compressed(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    """
    Return DeepSeek-V4's attention: latent queries, one entry per token, a grouped output, sinks.

    Entry, compressor and indexer are whole on every rank: vLLM 0.33, models/deepseek_v4/attention.py.
    """
    if not isinstance(kind, Compressed):
        raise unexpected(kind)
    width, queries = kind.head_dim, kind.heads * kind.head_dim
    q_lora_rank, o_lora_rank = kind.needed("q_lora_rank", "o_lora_rank")
    return (
        whole(hidden, q_lora_rank)
        + rms_norm(q_lora_rank)
        + column(q_lora_rank, queries)
        + whole(hidden, width)
        + rms_norm(width)
        + Parameters(sharded=kind.heads)
        + column(queries // kind.o_groups, kind.o_groups * o_lora_rank)
        + row(kind.o_groups * o_lora_rank, hidden)
        + _compressor(kind, hidden)
    )


def _compressor(kind: Compressed, hidden: int) -> Parameters:
    """Return what pools `ratio` tokens into one entry, and the indexer's own pool and queries."""
    if kind.ratio is None or kind.overlap is None:
        return NONE
    pooled = _pool(hidden, kind.head_dim, kind.overlap, kind.ratio)
    if kind.indexer is None:
        return pooled
    heads, width = kind.indexer.needed("heads", "head_dim")
    (q_lora_rank,) = kind.needed("q_lora_rank")
    queries = whole(q_lora_rank, heads * width) + whole(hidden, heads)
    return pooled + _pool(hidden, width, kind.overlap, kind.ratio) + queries


def _pool(hidden: int, width: int, overlap: int, ratio: int) -> Parameters:
    """Return a key and a gate matrix, a bias per place in the pool, and the norm of an entry."""
    return whole(hidden, 2 * overlap * width) + whole(ratio, overlap * width) + rms_norm(width)


def deepseek_v4(fields: Fields, shape: Shape, ends: Ends) -> Parameters:
    """
    Return DeepSeek-V4, whose residual stream is `hc_mult` streams that each layer mixes.

    The mixing matrices (arXiv 2409.19606) are whole on every rank. In the first `num_hash_layers`
    a table of token ids, which is no weight and is not counted, takes the place of the router's bias.
    """
    streams = fields.take_count("hc_mult")
    mixed = (2 + streams) * streams
    mixing = Parameters(replicated=mixed * (streams * shape.hidden + 1) + 3) * (2 * len(shape.layers))
    head = Parameters(replicated=streams * (streams * shape.hidden + 1) + 1)
    return _V4(fields, shape, ends) + mixing + head


def _v4_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    width = fields.take_count("moe_intermediate_size")
    return routed(
        hidden,
        fields.take_count("n_routed_experts"),
        width,
        shared_width=fields.take_whole("n_shared_experts") * width,
        router_bias=block.number >= fields.take_whole("num_hash_layers"),
    )


_V4 = Decoder(mixer=compressed, mlp=_v4_mlp)

LATENT: dict[str, Counter] = {
    "deepseek_v2": _V2,
    "deepseek_v3": _V3,
    "kimi_k2": _V3,
    "deepseek_v32": _V3,
    "glm_moe_dsa": _V3,
    "glm4_moe_lite": _V3,
    "sarvam_mla": _V3,
    "mistral4": _V2,
    "minicpm3": Decoder(mixer=latent(), mlp=gated()),
    "deepseek_v4": deepseek_v4,
    "deepseek_ref": deepseek_v4,
    "longcat_flash": Decoder(mixer=latent(), mlp=_longcat_mlp, norms=4),
    "kimi_linear": Decoder(
        mixer=by_kind({KDA: kda}, latent()),
        mlp=after_dense(router_bias=True, shared=("num_shared_experts",)),
    ),
}
"""The counter of each model_type."""
