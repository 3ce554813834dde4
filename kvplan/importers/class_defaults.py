"""
What transformers' classes take for fields that a file leaves out, as the engines that read by them do.

Files that transformers saves have every field of their class; people, and other programs, take some out.
Before version 5 it also wrote a text model inside another without what equals the defaults of its class
(configuration_utils.py, recursive_diff_dict), be it the model's sizes: a file of its own must have these.
Values: the config classes of transformers 5.23; the sizes are equal since 4.41.
"""

from collections.abc import Mapping
from functools import lru_cache

from kvplan.importers.class_layers import default_layers
from kvplan.importers.class_widths import WIDTHS
from kvplan.importers.strict_json import Json
from kvplan.records import record


@record
class ClassDefaults:
    """The defaults of a model type's class, and for each field the other spellings that stand in for it."""

    model_type: str
    values: Mapping[str, Json]
    instead: Mapping[str, tuple[str, ...]]


_SIZE_NAMES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_SIZES: dict[str, tuple[int, int, int, int, int]] = {
    "llama": (4096, 11008, 32, 32, 32000),
    "granite": (4096, 11008, 32, 32, 32000),
    "mistral": (4096, 14336, 32, 32, 32000),
    "mixtral": (4096, 14336, 32, 32, 32000),
    "gemma": (3072, 24576, 28, 16, 256000),
    "gemma2": (2304, 9216, 26, 8, 256000),
    "gemma3_text": (2304, 9216, 26, 8, 262208),
    "qwen2": (4096, 22016, 32, 32, 151936),
    "qwen3": (4096, 22016, 32, 32, 151936),
    "phi": (2048, 8192, 24, 32, 51200),
    "phi3": (3072, 8192, 32, 32, 32064),
}
"""The sizes of text models that wrappers' releases leave out."""

_FIELDS: dict[str, dict[int | bool | None, str]] = {
    "num_key_value_heads": {
        2: (
            "ernie4_5 gemma3n_text glm glm4 glm4v_text internlm3 muse_glimmer_text paddleocr_vl_text "
            "qwen3_5_moe_text qwen3_next starcoder2 zaya"
        ),
        4: (
            "diffusion_gemma_text ernie4_5_moe ernie4_5_vl_moe_text flint gemma2 gemma3_text "
            "gemma4_text gemma4_unified_text granite_docling_text granite_swa kolibri1 lfm3 mellum "
            "mimo_v2_flash minimax_m3_vl_text qwen2_5_omni_text qwen3_moe "
            "qwen3_omni_moe_text smollm3 vaultgemma"
        ),
        5: "bitnet",
        8: (
            "bamba beam cosmos3_edge_text cwm emu3_text_model evolla falcon_h1 glm4_moe "
            "glm4v_moe_text glm_ocr_text gpt_oss hy_v3 inkling2_text inkling_text iquestcoder jamba "
            "laguna lfm2 lfm2_moe llama4_text minimax minimax_m2 ministral mistral mixtral "
            "mllama_text_model molmo2_text nemotron_h phi4_multimodal phimoe qwen2_5_vl_text "
            "qwen2_vl_text seed_oss solar_open step3p5"
        ),
        16: "gemma muse_spark_text qwen2_moe qwen3_vl_moe_text zamba",
        20: "glm4_moe_lite helium",
        32: "chameleon dots1 exaone4 exaone_moe qwen2 qwen3 qwen3_vl_text stablelm",
        None: (
            "afmoe apertus arcee aria_text cohere cohere2 cohere2_moe cohere_compass_text "
            "deepseek_ocr2_text diffllama doge flex_olmo granite granite4_vision_text granitemoe "
            "granitemoe_swa granitemoeshared hunyuan_v1_dense hunyuan_v1_moe "
            "hunyuan_vl_text hyperclovax jais2 nanochat nemotron olmo olmo2 olmo3 olmo_hybrid "
            "olmoe phi phi3"
        ),
    },
    "head_dim": {
        64: "gpt_oss muse_spark_text",
        128: (
            "afmoe beam cohere2_moe cosmos3_edge_text cwm ernie4_5 flint glm glm4 helium hrm_text "
            "hy_v3 inkling2_text inkling_text internlm3 iquestcoder kolibri1 laguna lfm3 llama4_text "
            "mellum minimax_m2 minimax_m3_vl_text molmo2_text muse_glimmer_text nemotron_h "
            "paddleocr_vl_text qwen3 qwen3_vl_text seed_oss solar_open step3p5 zaya"
        ),
        192: "mimo_v2_flash",
        256: (
            "diffusion_gemma_text gemma gemma2 gemma3_text gemma3n_text gemma4_text "
            "gemma4_unified_text qwen3_5_moe_text qwen3_5_text qwen3_next vaultgemma"
        ),
        512: "deepseek_v4",
        None: (
            "exaone4 falcon_h1 hunyuan_v1_dense hunyuan_v1_moe hyperclovax minimax qwen3_moe "
            "qwen3_vl_moe_text"
        ),
    },
    "sliding_window": {
        64: "modernbert-decoder",
        128: "deepseek_v4 gpt_oss granite_swa granitemoe_swa",
        129: "mimo_v2_flash",
        256: "lfm3",
        512: "beam diffusion_gemma_text gemma3n_text gemma4_text laguna",
        513: "flint kolibri1",
        1024: "afmoe gemma4_unified_text mellum",
        2048: "muse_glimmer_text muse_spark_text",
        4096: (
            "cohere2 cohere2_moe cohere_compass_text dots1 exaone4 exaone_moe gemma2 gemma3_text "
            "ministral mistral olmo3 qwen2 qwen2_5_vl_text qwen2_moe qwen2_vl_text qwen3 qwen3_moe "
            "vaultgemma"
        ),
        8192: "cwm",
        32768: "qwen2_5_omni_text",
        None: (
            "doge minimax ministral3 mixtral nemotron_h phi3 phi4_multimodal phimoe "
            "qwen3_omni_moe_text qwen3_vl_moe_text smollm3 starcoder2 step3p5 zaya"
        ),
    },
    "max_position_embeddings": {
        128: "blenderbot",
        512: (
            "albert bert bert-generation blenderbot-small blip_text_model camembert data2vec-text "
            "distilbert electra ernie megatron-bert rembert roberta roberta-prelayernorm roc_bert "
            "xlm-roberta xmod"
        ),
        514: "xlm-roberta-xl",
        1024: "biogpt m2m_100 marian mbart mvp nllb-moe pegasus plbart",
        1536: "roformer",
        2048: (
            "aria_text bitnet deepseek_ocr2_text deepseek_v2 diffllama doge dots1 exaone4 exaone_moe "
            "gpt_neo gpt_neox gpt_neox_japanese granite granite4_vision_text granitemoe "
            "granitemoe_swa granitemoeshared hrm_text hunyuan_v1_dense "
            "hunyuan_v1_moe hunyuan_vl_text hyperclovax kosmos_2_text_model llama nanochat olmo olmo2 "
            "olmo3 opt phi xglm"
        ),
        4096: (
            "arcee big_bird bigbird_pegasus chameleon deepseek_v3 flex_olmo helium jetmoe "
            "kosmos_2_5_text_model nemotron nemotron_h olmoe phi3 stablelm starcoder2 zamba zamba2"
        ),
        8192: (
            "beam cohere cohere2 cohere2_moe cohere_compass_text evolla falcon_h1 gemma gemma2 "
            "granite_swa jais2 modernbert-decoder vaultgemma"
        ),
        9216: "emu3_text_model",
        16384: "afmoe pegasus_x persimmon",
        32768: (
            "axk1 gemma3n_text glm4v_text granite_docling_text internlm3 minicpm3 qwen2 "
            "qwen2_5_omni_text qwen2_5_vl_text qwen2_moe qwen2_vl_text qwen3 qwen3_5_moe_text "
            "qwen3_5_text qwen3_moe qwen3_next qwen3_omni_moe_text smollm3"
        ),
        36864: "molmo2_text",
        65536: "apertus glm4v_moe_text olmo_hybrid",
        128000: "lfm2 lfm2_moe lfm3 qwen3_vl_moe_text qwen3_vl_text step3p5",
        131072: (
            "axk2 cosmos3_edge_text cwm diffusion_gemma_text ernie4_5 ernie4_5_moe "
            "ernie4_5_vl_moe_text gemma3_text gemma4_text glm glm4 glm4_moe glm_ocr_text gpt_oss "
            "hy_v3 inkling_text iquestcoder laguna llama4_text longcat_flash mellum mimo_v2_flash "
            "minimax ministral mistral mixtral mllama_text_model muse_glimmer_text paddleocr_vl_text "
            "phi4_multimodal phimoe solar_open youtu zaya"
        ),
        163840: "deepseek_v32",
        196608: "minimax_m2",
        202752: "glm4_moe_lite glm_moe_dsa",
        262144: "bamba flint gemma4_unified_text hy_v4 jamba kolibri1 ministral3",
        524288: "dots3_note_text minimax_m3_vl_text seed_oss",
        1048576: "deepseek_v4 glm5_next_text inkling2_text mistral4 mistral_large4_text muse_spark_text",
    },
    "use_sliding_window": {
        False: "qwen2 qwen2_5_omni_text qwen2_5_vl_text qwen2_moe qwen2_vl_text qwen3 qwen3_moe smollm3",
    },
    "max_window_layers": {
        28: "qwen2 qwen2_5_omni_text qwen2_moe qwen3",
        62: "dots1",
        80: "qwen2_5_vl_text qwen2_vl_text",
    },
    "attention_chunk_size": {8192: "llama4_text"},
    "sliding_window_pattern": {4: "cohere2", 6: "gemma3_text"},
}
"""
For each field its values, and the model types whose classes have each; None is what null means to them.

Not here are fields for which an engine that serves the type has a class of its own with another default, as
SGLang 0.5.23 has for Granite 4's and Qwen3.5's KV heads.
"""

_INSTEAD = {
    "head_dim": ("attention_head_dim", "kv_channels"),
    "layer_types": (
        "layers_block_type",
        "full_attn_idxs",
        "full_attention_interval",
        "sliding_window_pattern",
        "_sliding_window_pattern",
        "layer_switch",
        "no_rope_layers",
        "attn_type_list",
        "hybrid_override_pattern",
    ),
    "max_position_embeddings": (
        "n_positions",
        "n_ctx",
        "max_seq_len",
        "max_seq_length",
        "max_sequence_length",
        "seq_length",
        "model_max_length",
        "max_target_positions",
    ),
    "num_key_value_heads": ("num_attention_groups", "num_kv_heads", "multi_query_group_num"),
    "sliding_window": ("sliding_window_size", "attention_window_size"),
    "sliding_window_pattern": ("_sliding_window_pattern", "layer_switch", "layer_types"),
}

_SAME = {
    "gemma3": "gemma3_text",
    "kimi_k2": "deepseek_v3",
    "gemma4": "gemma4_text",
    "llama4": "llama4_text",
    "phi3_v": "phi3",
    "qwen2_vl": "qwen2_vl_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
}
"""Names that wrappers leave their text model, or a flat file, which says none of its own."""


def defaults_of(model_type: str, given: Mapping[str, Json], *, nested: bool) -> ClassDefaults:
    """
    Return the defaults of a model type's class, none where kvplan has read none.

    The sizes are among them where the model is *nested* in another's file; *given* are the file's fields, of
    which some classes make the types of their layers.
    """
    own = _SAME.get(model_type, model_type)
    sizes = dict(zip(_SIZE_NAMES, _SIZES[own], strict=True)) if nested and own in _SIZES else {}
    values: dict[str, Json] = {**sizes, **_of_fields().get(own, {}), **WIDTHS.get(own, {})}
    layers = default_layers(own, {**values, **given})
    if layers is not None:
        values["layer_types"] = list(layers)
    return ClassDefaults(model_type=model_type, values=values, instead=_INSTEAD)


@lru_cache(maxsize=1)
def _of_fields() -> Mapping[str, Mapping[str, int | bool | None]]:
    """Return the fields of each model type."""
    found: dict[str, dict[str, int | bool | None]] = {}
    for name, values in _FIELDS.items():
        for value, types in values.items():
            for each in types.split():
                found.setdefault(each, {})[name] = value
    return found
