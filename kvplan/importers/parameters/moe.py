"""Families whose layers hold a mixture of experts, some of them after a few dense layers."""

from kvplan.attention import Kind
from kvplan.attention.grouped import GQA
from kvplan.attention.uncached import Shared
from kvplan.attention.windowed import Sliding
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import column, gated_mlp, layer_norm, rms_norm, whole
from kvplan.importers.parameters.decoder import Block, Decoder, Mlp, flag, inner, never, stated
from kvplan.importers.parameters.mixers import heads_of, sinks, softmax, with_extra
from kvplan.importers.parameters.mixtures import (
    EXPERTS,
    after_dense,
    count_at,
    is_marked,
    qwen_moe,
    routed,
    said_sparse,
    simple,
)

_BIAS = flag("attention_bias")


def _gpt_oss_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    number, width = fields.take_count(*EXPERTS), fields.take_count("intermediate_size")
    return routed(hidden, number, width, router_bias="plain", bias=True)


def _dbrx_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    ffn = inner(fields, "ffn_config")
    return routed(hidden, ffn.take_count("moe_num_experts"), ffn.take_count("ffn_hidden_size"))


def _llama4_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return Llama 4's mixture in every `interleave_moe_layer_step`-th layer, else a dense MLP."""
    sparse = fields.take_optional_wholes("moe_layers")
    step = fields.take_optional_count("interleave_moe_layer_step") or 1
    if (block.number in sparse) if sparse is not None else (block.number + 1) % step == 0:
        width = fields.take_count("intermediate_size")
        return routed(hidden, fields.take_count("num_local_experts"), width, shared_width=width)
    return gated_mlp(hidden, fields.take_count("intermediate_size_mlp"))


def _phimoe_head(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    bias = fields.take_bool("lm_head_bias")
    return Parameters(sharded=fields.take_count("vocab_size")) if bias else NONE


def _ernie_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return ERNIE's mixture between its first and its last sparse layer, every few layers."""
    first = fields.take_optional_whole("moe_layer_start_index") or 0
    last = fields.take("moe_layer_end_index") if "moe_layer_end_index" in fields else -1
    every = fields.take_optional_count("moe_layer_interval") or 1
    layers = fields.take_count("num_hidden_layers")
    end = last if isinstance(last, int) and last >= 0 else layers - 1
    bias = fields.take_bool("use_bias", absent=False)
    if not first <= block.number <= end or (block.number + 1) % every:
        return gated_mlp(hidden, fields.take_count("intermediate_size"), bias=bias)
    width = fields.take_count("moe_intermediate_size")
    shared = (fields.take_optional_whole("moe_num_shared_experts") or 0) * width
    number = fields.take_count("moe_num_experts")
    return routed(hidden, number, width, shared_width=shared, router_bias=True, bias=bias)


def _minicpm_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return MiniCPM's MLP, or its mixture where the file says how many experts a token meets."""
    width = fields.take_count("intermediate_size")
    if not fields.has("num_experts", "num_experts_per_tok"):
        return gated_mlp(hidden, width)
    return routed(hidden, fields.take_count("num_experts"), width)


def granite_mlp(*, shared: bool) -> Mlp:
    """Return Granite's mixture, beside an MLP where one is *shared*; that MLP may be all there is."""

    def count(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
        number = fields.take_whole("num_local_experts")
        width = fields.take_count("shared_intermediate_size") if shared else 0
        if not number:
            return gated_mlp(hidden, width)
        return routed(hidden, number, fields.take_count("intermediate_size"), shared_width=width)

    return count


def _minimax_m3_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return MiniMax-M3's mixture, or its wider MLP in the layers where `moe_layer_freq` has 0."""
    if not is_marked(fields, block.number):
        return gated_mlp(hidden, fields.take_count("dense_intermediate_size"))
    width = fields.take_count("moe_intermediate_size", "intermediate_size")
    shared = fields.take_whole("shared_intermediate_size")
    return routed(hidden, fields.take_count(*EXPERTS), width, shared_width=shared, router_bias=True)


def _block_selector(kind: Kind, hidden: int) -> Parameters:
    """Return MiniMax-M3's indexer: queries, one key, and a norm of each, whole on every rank."""
    if not isinstance(kind, GQA) or kind.indexer is None:
        return NONE
    heads, width = kind.indexer.needed("heads", "head_dim")
    return whole(hidden, (heads + 1) * width) + rms_norm(2 * width)


def _step_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return Step-3.7's mixture, after its first dense layers or in those that are named."""
    width = fields.take_count("moe_intermediate_size")
    if not _is_step_sparse(fields, block.number):
        return gated_mlp(hidden, fields.take_count("intermediate_size"))
    number = fields.take_count("num_experts", "moe_num_experts")
    bias = fields.take_bool("use_moe_router_bias")
    shared = fields.take_count("share_expert_dim", "share_expert_dims")
    return routed(hidden, number, width, shared_width=shared, router_bias=bias)


def _is_step_sparse(fields: Fields, number: int) -> bool:
    said = said_sparse(fields, number)
    if said is not None:
        return said
    if fields.has("moe_layers_enum"):
        listed = fields.take_text("moe_layers_enum")
        return str(number) in [part.strip() for part in listed.split(",")]
    return number >= fields.take_whole("first_k_dense_replace")


def _head_gate(kind: Kind, hidden: int) -> Parameters:
    """Return a gate of one number per head."""
    heads = heads_of(kind)
    return column(hidden, heads.heads) if heads else NONE


def _sliding_sinks(kind: Kind, hidden: int) -> Parameters:
    """Return MiMo-V2's learned sinks, which the sliding layers alone have."""
    return sinks(kind, hidden) if isinstance(kind, Sliding) else NONE


def _hunyuan_mixer(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return Hunyuan's attention; layers that read another's keys have a norm for them all the same."""
    norms = flag("use_qk_norm", absent=True)
    extra = rms_norm(*kind.needed("head_dim")) if isinstance(kind, Shared) and norms(fields) else NONE
    return softmax(bias=_BIAS, qk_norm="head", qk_norm_if=norms)(fields, kind, hidden) + extra


def _hunyuan_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    """Return Hunyuan's mixture, whose numbers may be given per layer, and the MLP beside it."""
    width = count_at(
        fields, "moe_intermediate_size" if fields.has("moe_intermediate_size") else "intermediate_size", block
    )
    shared = count_at(fields, "num_shared_expert", block) if fields.has("num_shared_expert") else 1
    return routed(hidden, count_at(fields, "num_experts", block), width, shared_width=shared * width)


def _mimo_v2_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:
    if not is_marked(fields, block.number):
        return gated_mlp(hidden, fields.take_count("intermediate_size"))
    width = fields.take_count("moe_intermediate_size")
    shared = (fields.take_optional_whole("n_shared_experts") or 0) * width
    return routed(hidden, fields.take_count(*EXPERTS), width, shared_width=shared, router_bias=True)


_QWEN3_MOE = Decoder(mixer=softmax(bias=_BIAS, qk_norm="head"), mlp=qwen_moe(shared=False))
_LLAMA4 = Decoder(mixer=softmax(bias=_BIAS), mlp=_llama4_mlp)
_DEEPSEEK = Decoder(mixer=softmax(bias=_BIAS), mlp=after_dense(router_bias=False))
_GLM4_MOE = Decoder(
    mixer=softmax(bias=_BIAS, output_bias=never, qk_norm="head", qk_norm_if=flag("use_qk_norm")),
    mlp=after_dense(router_bias=True),
)
_GRANITE = Decoder(mixer=softmax(bias=_BIAS), mlp=granite_mlp(shared=False))
_MINIMAX_M3 = Decoder(mixer=with_extra(softmax(qk_norm="head"), _block_selector), mlp=_minimax_m3_mlp)
_STEP = Decoder(mixer=with_extra(softmax(bias=_BIAS, qk_norm="head"), _head_gate), mlp=_step_mlp)

_HUNYUAN = Decoder(
    mixer=_hunyuan_mixer,
    mlp=_hunyuan_mlp,
)

MOE = {
    "mixtral": Decoder(mixer=softmax(), mlp=simple("intermediate_size")),
    "minicpm": Decoder(mixer=softmax(bias=_BIAS), mlp=_minicpm_mlp),
    "qwen2_moe": Decoder(
        mixer=softmax(bias=flag("qkv_bias", absent=True), output_bias=never),
        mlp=qwen_moe(shared=True),
    ),
    "qwen3_moe": _QWEN3_MOE,
    "qwen3_vl_moe_text": _QWEN3_MOE,
    "phimoe": Decoder(
        mixer=softmax(bias=stated("attention_bias")),
        mlp=simple("intermediate_size"),
        norm=layer_norm,
        beside=_phimoe_head,
    ),
    "gpt_oss": Decoder(
        mixer=with_extra(softmax(bias=flag("attention_bias", absent=True)), sinks),
        mlp=_gpt_oss_mlp,
    ),
    "dbrx": Decoder(mixer=softmax(), mlp=_dbrx_mlp),
    "olmoe": Decoder(mixer=softmax(bias=_BIAS, qk_norm="width"), mlp=simple("intermediate_size")),
    "deepseek": _DEEPSEEK,
    "glm4_moe": _GLM4_MOE,
    "glm4v_moe_text": _GLM4_MOE,
    "sarvam_moe": _GLM4_MOE,
    "dots1": Decoder(mixer=softmax(bias=_BIAS, qk_norm="head"), mlp=after_dense(router_bias=True)),
    "minimax_m2": Decoder(
        mixer=softmax(qk_norm="divided", qk_norm_if=flag("use_qk_norm", absent=True)),
        mlp=simple("intermediate_size", router_bias=True),
    ),
    "minimax_m3": _MINIMAX_M3,
    "minimax_m3_vl": _MINIMAX_M3,
    "minimax_m3_vl_text": _MINIMAX_M3,
    "llama4": _LLAMA4,
    "llama4_text": _LLAMA4,
    "granitemoe": _GRANITE,
    "granitemoeshared": Decoder(mixer=softmax(bias=_BIAS), mlp=granite_mlp(shared=True)),
    "ernie4_5_moe": Decoder(mixer=softmax(bias=flag("use_bias")), mlp=_ernie_mlp),
    "hunyuan": _HUNYUAN,
    "hunyuan_v1_moe": _HUNYUAN,
    "qwen3_omni_moe_text": _QWEN3_MOE,
    "step3p5": _STEP,
    "step3p7": _STEP,
    "mimo_v2_flash": Decoder(
        mixer=with_extra(softmax(bias=_BIAS, output_bias=never), _sliding_sinks), mlp=_mimo_v2_mlp
    ),
}
"""The counter of each model_type."""
