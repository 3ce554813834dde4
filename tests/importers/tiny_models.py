"""
Small models of transformers' own classes: what each class keeps, and how many parameters it has.

The sizes are given by name to whatever class has a field so called; `tiny_changes` has what a class
needs beside them. All are built with random weights, and no file is read.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from kvplan.engines.transformers.caches import kept, traits_of
from kvplan.importers.config import Imported, import_values
from kvplan.validate.cachewalk import walk
from kvplan.validate.hf_models import cache_of, quiet, stage_of
from tests.importers.parameters.real_classes import _elements as elements
from tests.importers.parameters.real_classes import installed
from tests.importers.tiny_changes import CHANGES, TYPES, WITHOUT

LENGTHS = (5, 21)
"""Two prompts: below the window of 8, and above it."""

SIZES: dict[str, Any] = {
    "attention_heads": 4,
    "bos_token_id": 1,
    "d_model": 64,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "decoder_layers": 2,
    "dense_intermediate_size": 48,
    "dff": 48,
    "emb_dim": 64,
    "embed_dim": 64,
    "embedding_size": 64,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "encoder_layers": 2,
    "eos_token_id": 2,
    "ffn_dim": 48,
    "head_dim": 16,
    "hidden_size": 64,
    "index_head_dim": 16,
    "index_n_heads": 2,
    "index_topk": 8,
    "intermediate_size": 48,
    "kv_channels": 16,
    "kv_lora_rank": 24,
    "max_position_embeddings": 128,
    "moe_intermediate_size": 24,
    "moe_num_experts": 4,
    "moe_topk": 2,
    "n_ctx": 128,
    "n_embd": 64,
    "n_group": 1,
    "n_head": 4,
    "n_heads": 4,
    "n_layer": 4,
    "n_layers": 4,
    "n_positions": 128,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_attention_heads": 4,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "num_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "num_layers": 4,
    "num_local_experts": 4,
    "num_shared_experts": 1,
    "pad_token_id": 0,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "rotary_dim": 8,
    "shared_expert_intermediate_size": 24,
    "shared_intermediate_size": 24,
    "sliding_window": 8,
    "topk_group": 1,
    "v_head_dim": 10,
    "vocab_size": 211,
}


CLASSES = {
    "blip_text_model": "blip.modeling_blip_text.BlipTextLMHeadModel",
    "chameleon": "chameleon.modeling_chameleon.ChameleonForConditionalGeneration",
    "cosmos3_edge_text": "cosmos3_edge.modeling_cosmos3_edge.Cosmos3EdgeTextModel",
    "deepseek_ocr2_text": "deepseek_ocr2.modeling_deepseek_ocr2.DeepseekOcr2TextModel",
    "diffusion_gemma_text": "diffusion_gemma.modeling_diffusion_gemma.DiffusionGemmaEncoderTextModel",
    "evolla": "evolla.modeling_evolla.EvollaModel",
    "glm5_next_text": "glm5_next.modeling_glm5_next.Glm5NextTextModel",
    "hy_v4_vl_text": "hy_v4_vl.modeling_hy_v4_vl.HYV4VLTextModel",
    "idefics": "idefics.modeling_idefics.IdeficsModel",
    "kosmos_2_text_model": "kosmos2.modeling_kosmos2.Kosmos2TextForCausalLM",
    "kosmos_2_5_text_model": "kosmos2_5.modeling_kosmos2_5.Kosmos2_5TextForCausalLM",
    "mistral_large4_text": "mistral_large4.modeling_mistral_large4.MistralLarge4TextModel",
    "muse_glimmer_text": "muse_glimmer.modeling_muse_glimmer.MuseGlimmerTextModel",
    "muse_spark_text": "muse_spark.modeling_muse_spark.MuseSparkTextModel",
}
"""Text models that no automatic choice of transformers makes, below its `models`."""


def has(model_type: str) -> bool:
    """Tell whether the installed transformers has the type."""
    return model_type in installed("transformers").CONFIG_MAPPING


def tiny(model_type: str) -> Any:
    """Return a small config of a class of transformers."""
    cls = installed("transformers").CONFIG_MAPPING[model_type]
    default = json.loads(cls().to_json_string(use_diff=False))
    values = {name: value for name, value in SIZES.items() if name in default}
    if set(default.get("layer_types") or []) & set(TYPES):
        values["layer_types"] = TYPES
    if default.get("mlp_layer_types"):
        values["mlp_layer_types"] = [default["mlp_layer_types"][0], *["sparse"] * 3]
    values |= CHANGES.get(model_type, {})
    return cls(**{name: value for name, value in values.items() if name not in WITHOUT.get(model_type, ())})


def imported(config: Any) -> Imported:
    """Return what kvplan reads of the file that the class writes of itself."""
    values: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    values |= {"dtype": "bfloat16", "architectures": values.get("architectures") or ["TinyForCausalLM"]}
    return import_values(values, file="config.json", name="tiny")


def predicted(found: Imported, *, encoder: bool) -> list[int]:
    """Return the bytes that the class keeps of one sequence of each length, by kvplan."""
    traits = traits_of(found.model_type, 1)
    return [
        kept(stage_of(found.spec, length if encoder else None), tokens=length, batch=1, tp=1, traits=traits)
        for length in LENGTHS
    ]


def built(config: Any, *, head: bool = True) -> Any:
    """Return the model of a config, an encoder without the *head* of a task."""
    torch, transformers = installed("torch"), installed("transformers")
    auto = transformers.AutoModelForCausalLM if head else transformers.AutoModel
    if config.is_encoder_decoder:
        auto = transformers.AutoModelForSeq2SeqLM
    with quiet():
        if place := CLASSES.get(config.model_type):
            module, _, name = place.rpartition(".")
            found = getattr(import_module(f"transformers.models.{module}"), name)
            return found._from_config(config, dtype=torch.bfloat16).eval()
        return auto.from_config(config, dtype=torch.bfloat16).eval()


def measured(model: Any) -> list[int]:
    """Return the bytes of the tensors that the model returns as its cache, for each length."""
    torch, sizes = installed("torch"), []
    torch.set_num_threads(1)
    for length in LENGTHS:
        tokens = torch.full((1, length), 7)
        given: Mapping[str, Any] = {"input_ids": tokens, "use_cache": True}
        if model.config.is_encoder_decoder:
            # They cache by default, and some pass what they are told on to their encoder, too.
            given = {"input_ids": tokens, "decoder_input_ids": tokens}
        with quiet():
            cache = cache_of(model(**given))
        sizes.append(0 if cache is None else walk(cache).data_bytes)
    return sizes


def parameters(model: Any) -> int:
    """Return the elements of a model's parameters and saved buffers."""
    return elements(model)
