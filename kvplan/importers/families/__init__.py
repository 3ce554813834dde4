"""
The readers of config.json: for each `model_type`, what its files mean.

A reader takes the fields that it knows and returns a Reading. To add a model type, name its reader
here, or write one beside those of its shape. A module is imported when a file needs it.
"""

from collections.abc import Callable
from importlib import import_module

from kvplan.importers.families.common import Reading
from kvplan.importers.families.rows import ROWS, read_row
from kvplan.importers.fields import Fields

Reader = Callable[[Fields, str], Reading]
"""Reads the text model's fields; the second argument is its dtype as states name it: `bf16`."""

MODEL_TYPES: dict[str, str] = {
    # Heads, KV heads and a head size, the same in every layer.
    "llama": "dense.llama",
    "internlm3": "dense.llama",
    # Of LLaVA's own code, whose files are a text model's with names of an image encoder beside.
    "llava": "dense.llama",
    "llava_llama": "dense.llama",
    "bunny-phi": "dense.grouped",
    "qwen3_vl_text": "dense.grouped_with_head_dim",
    "qwen3_vl_moe_text": "dense.grouped_with_null_head_dim",
    "qwen3_asr_text": "dense.grouped_with_head_dim",
    "qwen3_omni_moe_text": "dense.grouped_with_head_dim",
    "gemma": "dense.grouped_with_head_dim",
    "hunyuan": "dense.hunyuan",
    "hunyuan_v1_dense": "dense.hunyuan",
    "hunyuan_v1_moe": "dense.hunyuan",
    "seed_oss": "dense.grouped_with_head_dim",
    "glm": "dense.grouped_with_null_head_dim",
    "glm4": "dense.grouped_with_head_dim",
    "glm4_moe": "dense.grouped_with_null_head_dim",
    "sarvam_moe": "dense.grouped_with_head_dim",
    "glm4v_moe_text": "dense.grouped_with_null_head_dim",
    "ernie4_5": "dense.grouped_with_null_head_dim",
    "helium": "dense.grouped_with_head_dim",
    "cohere": "windows.all_full",
    "granite": "windows.all_full",
    "bitnet": "dense.grouped",
    "glm4v": "dense.grouped",
    "glm4v_text": "dense.grouped",
    "granitemoe": "dense.grouped",
    "granitemoeshared": "dense.grouped",
    "internlm2": "dense.grouped",
    "minicpm": "dense.grouped",
    "olmo": "dense.grouped",
    "olmo2": "windows.all_full",
    "olmoe": "dense.grouped",
    "orion": "dense.orion",
    "stablelm": "dense.grouped",
    "deepseek": "dense.grouped",
    "ernie4_5_moe": "dense.grouped",
    "nemotron": "dense.grouped",
    "arcee": "dense.grouped",
    "apertus": "dense.grouped",
    "apertus1p5_text": "dense.apertus1p5",
    "phi": "dense.grouped",
    "jetmoe": "dense.jetmoe",
    "cpmant": "dense.cpmant",
    "smollm3": "windows.all_full",
    "dots1": "qwen.dots1",
    "exaone": "dense.exaone",
    "baichuan": "dense.ungrouped",
    "internlm": "dense.ungrouped",
    "xverse": "dense.ungrouped",
    "yuan": "dense.yuan",
    "gpt_neox": "dense.ungrouped",
    "opt": "dense.ungrouped",
    "bloom": "dense.bloom",
    "gpt2": "dense.gpt2",
    "gpt_bigcode": "dense.gpt_bigcode",
    "gptj": "dense.gptj",
    "phi-msft": "dense.phi_msft",
    "qwen": "dense.qwen",
    "chatglm": "dense.chatglm",
    "falcon": "dense.falcon",
    "mpt": "dense.mpt",
    "dbrx": "dense.dbrx",
    "minimax_m2": "dense.minimax_m2",
    "nemotron-nas": "nas.nemotron_nas",
    # Windows, in all layers or in some.
    "mistral": "windows.mistral",
    "mixtral": "windows.mixtral",
    "ministral3": "windows.mistral_with_head_dim",
    "phi3": "windows.phi3",
    "phi3_v": "windows.phi3",
    "phi4_multimodal": "windows.phi3",
    "phimoe": "windows.phi3",
    "starcoder2": "windows.mixtral",
    "qwen2": "qwen.qwen2",
    "qwen2_moe": "qwen.qwen2_moe",
    "qwen2_vl": "qwen.qwen2",
    "qwen2_vl_text": "qwen.qwen2",
    "qwen2_5_vl": "qwen.qwen2",
    "qwen2_5_vl_text": "qwen.qwen2",
    "qwen2_5_omni_text": "qwen.qwen2",
    "qwen3": "qwen.qwen3",
    "qwen3_moe": "qwen.qwen3_moe",
    "mimo": "qwen.qwen3",
    "gemma2": "gemma.gemma2",
    "vaultgemma": "gemma.gemma2",
    "gemma3": "gemma.gemma3",
    "gemma3_text": "gemma.gemma3",
    "gemma3n_text": "gemma.gemma3n",
    "gemma4": "gemma.gemma4",
    "gemma4_text": "gemma.gemma4",
    "gemma4_unified_text": "gemma.gemma4",
    "diffusion_gemma_text": "gemma.diffusion_gemma",
    "gpt_oss": "typed.typed",
    "laguna": "typed.laguna",
    "dory": "looped.dory",
    "exaone4": "typed.exaone4",
    "olmo3": "typed.typed_without_head_dim",
    "cohere2": "typed.cohere2",
    "mimo_v2_flash": "typed.mimo_v2_flash",
    "step3p5": "typed.step3",
    "step3p7": "typed.step3p7",
    "llama4": "typed.llama4",
    "llama4_text": "typed.llama4",
    # Latents, and sparse indexers.
    "deepseek_v2": "latent.deepseek_v2",
    "deepseek_v3": "latent.deepseek_v3",
    "kimi_k2": "latent.deepseek_v3",
    "youtu": "latent.deepseek_v3",
    "axk1": "latent.deepseek_v3",
    "axk2": "latent.axk2",
    "hy_v4": "latent.hy_v4",
    "hy_v4_vl_text": "latent.hy_v4",
    "mistral_large4_text": "latent.mistral_large4",
    "dots3_note_text": "latent.dots3_note",
    "bailing_hybrid": "latent.bailing_hybrid",
    "glm4_moe_lite": "latent.deepseek_v3",
    "sarvam_mla": "latent.deepseek_v3",
    "minicpm3": "latent.minicpm3",
    "mistral4": "latent.deepseek_v3",
    "longcat_flash": "latent.longcat_flash",
    "deepseek_v32": "latent.deepseek_v32",
    "glm_moe_dsa": "latent.glm_moe_dsa",
    "deepseek_v4": "compressed.deepseek_v4",
    "deepseek_ref": "compressed.deepseek_v4",
    "deepseek_v41_text": "compressed.deepseek_v41",
    "kimi_linear": "latent.kimi_linear",
    "glm5_next_text": "latent.glm5_next",
    "minimax_m3": "sparse.minimax_m3",
    "minimax_m3_vl": "sparse.minimax_m3",
    "minimax_m3_vl_text": "sparse.minimax_m3",
    # States in place of a cache, alone or between attention layers.
    "mamba": "states.mamba",
    "ov_mamba": "states.mamba",
    "falcon_mamba": "states.falcon_mamba",
    "mamba2": "states.mamba2",
    "rwkv": "states.rwkv4",
    "rwkv5": "states.rwkv5",
    "rwkv6": "states.rwkv6",
    "rwkv7": "states.rwkv7",
    "xlstm": "states.xlstm",
    "gla": "states.gla",
    "gla_swa": "hybrid.spikingbrain",
    "jamba": "hybrid.jamba",
    "bamba": "hybrid.bamba",
    "granitemoehybrid": "hybrid.granite",
    "falcon_h1": "hybrid.falcon_h1",
    "nemotron_h": "nemotron.nemotron_h",
    "plamo2": "hybrid.plamo2",
    "recurrent_gemma": "hybrid.recurrent_gemma",
    "phi4flash": "hybrid.phi4flash",
    "zamba": "zamba.zamba",
    "zamba2": "zamba.zamba2",
    "lfm2": "hybrid.lfm2",
    "lfm2_moe": "hybrid.lfm2",
    "lfm3": "hybrid.lfm3",
    "zaya": "convolved.zaya",
    "inkling_text": "convolved.inkling",
    "inkling2_text": "convolved.inkling",
    "inkling2_loop_text": "convolved.inkling2_loop",
    "minimax": "linear.minimax",
    "minimax_m1": "linear.minimax_m1",
    "minimax_text_01": "linear.minimax_m1",
    "olmo_hybrid": "linear.olmo_hybrid",
    "lara_mini": "linear.lara_mini",
    "qwen3_next": "linear.qwen3_next",
    "qwen3_5": "linear.qwen3_5",
    "qwen3_5_text": "linear.qwen3_5",
    "qwen3_5_moe": "linear.qwen3_5",
    "qwen3_5_moe_text": "linear.qwen3_5",
    # Encoders, and decoders that attend to one.
    "bert": "encoders.bert",
    "roberta": "encoders.bert",
    "xlm-roberta": "encoders.bert",
    "whisper": "encoders.whisper",
    "bart": "encoders.bart",
    "t5": "encoders.t5",
    "mt5": "encoders.t5",
    "umt5": "encoders.t5",
    "longt5": "encoders.longt5",
    "switch_transformers": "encoders.switch_transformers",
    "t5gemma": "encoders.t5gemma",
    "t5gemma2": "encoders.t5gemma",
    "mllama": "encoders.mllama",
    "trocr": "parts.trocr",
    "blip_text_model": "parts.blip",
    "musicgen": "parts.musicgen",
    "musicgen_melody": "parts.musicgen_melody",
    "moshi": "parts.moshi",
    "mllama_text_model": "encoders.mllama",
}

_WRAPPERS = """
apertus1p5 aria audioflamingo3 aya_vision blip blip-2 cohere2_vision cohere_compass cosmos3_edge
cosmos3_omni deepseek_ocr2 deepseek_v41 deepseek_vl deepseek_vl_hybrid deepseek_vl_v2 diffusion_gemma
dots3_note emu3 ernie4_5_vl_moe exaone4_5 fast_vlm florence2 fuyu gemma3 gemma3n gemma4
gemma4_assistant gemma4_unified gemma4_unified_assistant glm46v glm4v glm4v_moe glm5_next glm_ocr
glmasr glmga got_ocr2 granite4_vision granite_docling granite_speech granite_speech_plus hunyuan_vl
hy_v4_vl hyperclovax_vision_v2 idefics2 idefics3 inkling2 inkling2_loop inkling_mm_model instructblip
instructblipvideo internvl internvl_chat janus kimi_k25 kimi_k3 kimi_vl kosmos-2 kosmos-2.5 lfm2_vl
lfm3_vl lighton_ocr llama4 llava llava_next llava_next_video llava_onevision maira2 minicpm_ocr
minicpmv4_6 minicpmv4_7 minimax_m3_vl ministral3 mistral3 mistral_large4 mllama molmo2
moss_transcribe_diarize multi_modality muse_glimmer muse_spark musicflamingo nemo_speechlm
nemotron_h_omni omniasr ovis2 paddleocr_vl paligemma perception_lm pp_chart2table qianfan_ocr
qwen2_5_omni_thinker qwen2_5_vl qwen2_audio qwen2_vl qwen3_5 qwen3_5_moe qwen3_asr
qwen3_omni_moe_thinker qwen3_vl qwen3_vl_moe shieldgemma2 smolvlm step3p7 vibevoice_asr video_llama_3
video_llava vipllava voxtral
"""

WRAPPERS = frozenset(_WRAPPERS.split())
"""Model types that put a text model, nested in their config, behind encoders that cache nothing."""

_ASSISTANT = (
    "backbone_hidden_size",
    "centroid_intermediate_top_k",
    "num_centroids",
    "use_ordered_embeddings",
)
_QUERIES = ("num_query_tokens", "use_decoder_only_language_model")
_SPEECH = ("encoder_config", "window_size")

BESIDE_TEXT: dict[str, tuple[str, ...]] = {
    "blip": ("image_text_hidden_size",),
    "blip-2": _QUERIES,
    "diffusion_gemma": ("canvas_length",),
    "gemma4_assistant": _ASSISTANT,
    "gemma4_unified_assistant": _ASSISTANT,
    "granite_speech": _SPEECH,
    "granite_speech_plus": (*_SPEECH, "cat_hidden_layers"),
    "instructblip": _QUERIES,
    "instructblipvideo": _QUERIES,
    "kosmos-2": ("latent_query_num",),
    "kosmos-2.5": ("latent_query_num",),
    # The rotation of sounds, before the text model.
    "musicflamingo": ("head_dim", "max_position_embeddings"),
    "nemo_speechlm": ("word_timestamp_config",),
    "ovis2": ("hidden_size",),
}
"""
Fields of a wrapper of its own, which say nothing of what its text model keeps: the modeling file of its
name in transformers 5.24.
"""


REFUSED = {
    "encoder-decoder": "two models of any type",
    "qwen4_exp": "keeps token ids and positions beside its states, in whole numbers of 8 bytes",
    "qwen4_exp_text": "keeps token ids and positions beside its states, in whole numbers of 8 bytes",
    "vision-encoder-decoder": "two models of any type",
    **dict.fromkeys(("pix2struct", "udop"), "its file does not say how long a text may be"),
    **dict.fromkeys(
        ("seamless_m4t", "seamless_m4t_v2"), "has decoders of text and of sounds, and each task runs its own"
    ),
    "pp_formulanet": "how many positions of an image it attends to is in no field of its own",
    "pi0": "steers a robot and writes no text",
    **dict.fromkeys(
        ("unlimited_ocr", "unlimited_ocr_text"), "keeps all of a prompt, and a window of what it writes to it"
    ),
    "voxtral_realtime": "its encoder keeps a cache of its own, as it hears the sound bit by bit",
    "voxtral_realtime_text": "the encoder beside it keeps a cache of its own",
    "blt": "how often it caches depends on the text",
    "reformer": "keeps hashes of buckets",
    "xlnet": "keeps hidden states of earlier segments",
}
"""Model types of transformers that no reader is for, and why."""


def model_types() -> tuple[str, ...]:
    """Return every model type that has a reader."""
    return (*MODEL_TYPES, *ROWS)


ARCHITECTURES = {
    "BloomForCausalLM": "bloom",
    "DeepseekV2ForCausalLM": "deepseek_v2",
    "FalconForCausalLM": "falcon",
    "GPT2LMHeadModel": "gpt2",
    "GPTNeoXForCausalLM": "gpt_neox",
    "Gemma2ForCausalLM": "gemma2",
    "GemmaForCausalLM": "gemma",
    "LlamaForCausalLM": "llama",
    "MambaForCausalLM": "mamba",
    "MiniCPM3ForCausalLM": "minicpm3",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "OPTForCausalLM": "opt",
    "Phi3ForCausalLM": "phi3",
    "QWenLMHeadModel": "qwen",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
}
"""The model type of files that name their class alone, and whose class belongs to one type."""


def reader(model_type: str) -> Reader | None:
    """Return the reader of a model type, or None if there is none."""
    place = MODEL_TYPES.get(model_type)
    if place is None:
        return read_row(model_type)
    module, _, name = place.partition(".")
    found: Reader = getattr(import_module(f"{__name__}.{module}"), name)
    return found
