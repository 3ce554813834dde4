"""Families of decoders with one MLP in every layer, after Llama."""

from kvplan.attention import Kind
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import fixed_norm, gated_mlp, layer_norm, rms_norm
from kvplan.importers.parameters.decoder import Block, Decoder, always, flag, never, stated
from kvplan.importers.parameters.mixers import heads_of, softmax
from kvplan.importers.parameters.mlps import gated, plain

_BIAS = flag("attention_bias")


_LLAMA = Decoder(mixer=softmax(bias=_BIAS), mlp=gated(bias=flag("mlp_bias")))
"""Llama, whose biases are off unless the file turns them on."""

_PLAIN = Decoder(mixer=softmax(), mlp=gated())
"""Mistral: no bias anywhere, two norms."""

_QWEN2 = Decoder(mixer=softmax(bias=always, output_bias=never), mlp=gated())
_QWEN3 = Decoder(mixer=softmax(bias=_BIAS, qk_norm="head"), mlp=gated())
_GEMMA = Decoder(mixer=softmax(bias=_BIAS), mlp=gated())
_GEMMA2 = Decoder(mixer=softmax(bias=_BIAS), mlp=gated(), norms=4)
_GEMMA3 = Decoder(mixer=softmax(bias=_BIAS, qk_norm="head"), mlp=gated(), norms=4)
_OLMO2 = Decoder(mixer=softmax(bias=_BIAS, qk_norm="width"), mlp=gated())
_INTERNLM = Decoder(mixer=softmax(bias=stated("bias")), mlp=gated())


def _bitnet(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return BitNet's attention, with a norm before its output and one before the MLP's: arXiv 2504.12285."""
    heads = heads_of(kind)
    before_output = rms_norm(heads.heads * heads.v_head_dim) if heads else NONE
    before_down = rms_norm(fields.take_count("intermediate_size"))
    return softmax(bias=_BIAS)(fields, kind, hidden) + before_output + before_down


def _stablelm_norms(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Add the norm before the MLP, which only the variant of parallel branches lacks."""
    mixer = softmax(
        bias=stated("use_qkv_bias"), output_bias=never, qk_norm="width", qk_norm_if=flag("qk_layernorm")
    )
    parallel = fields.take_bool("use_parallel_residual", absent=False)
    return mixer(fields, kind, hidden) + (NONE if parallel else layer_norm(hidden))


def _qwen1_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return the first Qwen's MLP: intermediate_size is the width of gate and up together."""
    return gated_mlp(hidden, fields.take_count("intermediate_size", "ffn_hidden_size") // 2)


_GLM4V = Decoder(mixer=softmax(bias=always, output_bias=never), mlp=gated(), norms=4)

DENSE = {
    "llama": _LLAMA,
    "mistral": _PLAIN,
    "ministral": _PLAIN,
    "ministral3": _PLAIN,
    "qwen2": _QWEN2,
    "qwen2_vl": _QWEN2,
    "qwen2_vl_text": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen2_5_vl_text": _QWEN2,
    "mimo": _QWEN2,
    "qwen3": _QWEN3,
    "qwen3_asr_text": _QWEN3,
    "qwen3_vl_text": _QWEN3,
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "vaultgemma": _GEMMA,
    "gemma3": _GEMMA3,
    "gemma3_text": _GEMMA3,
    "granite": _LLAMA,
    "smollm3": _LLAMA,
    "arcee": Decoder(mixer=softmax(bias=_BIAS), mlp=plain(bias=flag("mlp_bias"))),
    "helium": _LLAMA,
    "olmo": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(), norm=fixed_norm),
    "olmo2": _OLMO2,
    "olmo3": _OLMO2,
    "phi3": _PLAIN,
    "phi3_v": _PLAIN,
    "cohere": Decoder(
        mixer=softmax(bias=_BIAS, qk_norm="width", qk_norm_if=flag("use_qk_norm")),
        mlp=gated(),
        norms=1,
    ),
    "cohere2": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(), norms=1),
    "exaone": Decoder(mixer=softmax(), mlp=gated()),
    "exaone4": Decoder(mixer=softmax(qk_norm="head"), mlp=gated()),
    "stablelm": Decoder(mixer=_stablelm_norms, mlp=gated(), norm=layer_norm, norms=1),
    "seed_oss": Decoder(
        mixer=softmax(bias=flag("attention_bias", absent=True), output_bias=flag("attention_out_bias")),
        mlp=gated(bias=flag("mlp_bias")),
    ),
    "ernie4_5": Decoder(mixer=softmax(bias=flag("use_bias")), mlp=gated(bias=flag("use_bias"))),
    "hunyuan_v1_dense": Decoder(
        mixer=softmax(bias=_BIAS, qk_norm="head", qk_norm_if=flag("use_qk_norm", absent=True)),
        mlp=gated(),
    ),
    "glm": Decoder(mixer=softmax(bias=flag("attention_bias", absent=True), output_bias=never), mlp=gated()),
    "glm4": Decoder(
        mixer=softmax(bias=flag("attention_bias", absent=True), output_bias=never),
        mlp=gated(),
        norms=4,
    ),
    "glm4v": _GLM4V,
    "glm4v_text": _GLM4V,
    "bitnet": Decoder(mixer=_bitnet, mlp=gated()),
    "chatglm": Decoder(
        mixer=softmax(bias=stated("add_qkv_bias"), output_bias=flag("add_bias_linear")),
        mlp=gated("ffn_hidden_size", bias=flag("add_bias_linear")),
    ),
    "baichuan": _PLAIN,
    "xverse": _PLAIN,
    "internlm": _INTERNLM,
    "internlm2": _INTERNLM,
    "internlm3": Decoder(
        mixer=softmax(bias=flag("qkv_bias"), output_bias=flag("bias")),
        mlp=gated(bias=flag("bias")),
    ),
    "orion": Decoder(mixer=softmax(bias=_BIAS), mlp=gated(), norm=layer_norm),
    "qwen": Decoder(mixer=softmax(bias=always, output_bias=never), mlp=_qwen1_mlp),
}
"""The counter of each model_type."""
