"""Parameters of the real model classes, built by transformers without memory, on the meta device."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

SAVED_BUFFERS = ("e_score_correction_bias", "expert_bias", "layer_scalar", "act_fn.beta", "act_fn.eps")
"""Buffers that checkpoints hold and kvplan counts; the others (decays, token tables) can be computed."""

_OTHER_TOWERS = re.compile("visual|vision|multi_modal_projector|embed_audio|audio_tower")

_TOWER = re.compile("visual|vision|multi_modal_projector|mm_projector")

_WRAPPERS = {
    "glm4v_moe_text": "glm4v_moe",
    "glm4v_text": "glm4v",
    "qwen3_omni_moe_text": "qwen3_omni_moe_thinker",
    "step3p7": "step3p7",
}
"""Text models that transformers builds inside another alone."""

_NAMED = {
    "mllama_text_model": "MllamaForCausalLM",
    "mistral4": "Mistral4ForCausalLM",
    "qwen3_omni_moe_thinker": "Qwen3OmniMoeThinkerForConditionalGeneration",
    "whisper": "WhisperForConditionalGeneration",
}
"""Classes that transformers has no automatic choice for, or another one."""


def installed(name: str) -> Any:
    """Return a module of the `validate` extra, or skip the test."""
    return pytest.importorskip(name, reason=f"{name} is not installed: kvplan[validate]")


def real_parameters(config: Mapping[str, Any]) -> int:
    """Return the elements of all unique parameters and saved buffers of the text model of *config*."""
    torch, transformers = installed("torch"), installed("transformers")
    transformers.logging.set_verbosity_error()
    values = {
        name: value for name, value in config.items() if name not in ("quantization_config", "auto_map")
    }
    if (wrapper := _WRAPPERS.get(values["model_type"])) and "text_config" not in values:
        values = {"model_type": wrapper, "text_config": values}
    if values["model_type"] == "ministral3" and "text_config" in values:
        # The wrapper of this release has the name of the text model, which transformers does not nest.
        values = values["text_config"]
    whole = transformers.CONFIG_MAPPING[values["model_type"]].from_dict(values)
    with torch.device("meta"):
        model = _model(transformers, values, whole)
    return _elements(model)


def real_tower_parameters(config: Mapping[str, Any]) -> int:
    """Return the elements of all parameters of the whole model of *config* beside its text model."""
    torch, transformers = installed("torch"), installed("transformers")
    transformers.logging.set_verbosity_error()
    values = {
        name: value for name, value in config.items() if name not in ("quantization_config", "auto_map")
    }
    if values["model_type"] == "ministral3":
        # The wrapper of this release has the name of the text model.
        values["model_type"] = "mistral3"
    whole = transformers.CONFIG_MAPPING[values["model_type"]].from_dict(values)
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(whole)
    return sum(tensor.numel() for name, tensor in model.named_parameters() if _TOWER.search(name))


def _model(transformers: Any, values: Mapping[str, Any], config: Any) -> Any:
    """Return the text model with its head, or the whole one where transformers has no such class."""
    classes = values.get("architectures") or [""]
    if config.model_type in _NAMED:
        return getattr(transformers, _NAMED[config.model_type])(config)
    if config.is_encoder_decoder:
        return transformers.AutoModelForSeq2SeqLM.from_config(config)
    text = config.get_text_config(decoder=True)
    if config.model_type in ("bert", "roberta") or classes[0] == "MistralModel":
        return transformers.AutoModel.from_config(text)
    if text is not config and getattr(config, "tie_word_embeddings", None) is not None:
        text.tie_word_embeddings = config.tie_word_embeddings
    try:
        return transformers.AutoModelForCausalLM.from_config(text)
    except ValueError:
        return transformers.AutoModelForImageTextToText.from_config(config)


def _elements(model: Any) -> int:
    parameters = {id(tensor) for tensor in model.parameters()}
    tensors = {
        id(tensor): tensor.numel()
        for name, tensor in model.state_dict(keep_vars=True).items()
        if not _OTHER_TOWERS.search(name) and (id(tensor) in parameters or name.endswith(SAVED_BUFFERS))
    }
    return sum(tensors.values())
