"""What SGLang sets aside for images, audio and video: a part of its share, and buffers out of the rest."""

from kvplan.engines.base import EngineOptions
from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.sglang.traits import traits_of
from kvplan.gpus import Card
from kvplan.specs.vision import Vision
from kvplan.units import GIB, MIB

# adjust_mem_fraction_for_vlm in arg_groups/memory_hook.py of SGLang 0.5.23.
_USUAL_FACTOR = 0.95
_USUAL_LAYERS, _USUAL_HIDDEN = 24, 1024
_PER_TIMES = 0.1
_LEAST_FACTOR, _MOST_FACTOR = 0.8, 1.05

_CALLED_DEPTH = frozenset({"qwen2_vl", "qwen2_5_vl", "qwen3_vl"})
"""Towers whose configs have their layers as `depth`."""

_WIDE_AS_TEXT = frozenset({"qwen2_vl"})
"""Towers whose configs have the text model's width as hidden_size, and their own as embed_dim."""

# SGLANG_VLM_CACHE_SIZE_MB and SGLANG_MM_FEATURE_CACHE_MB in environ.py.
_EMBEDDINGS_BYTES = 100 * MIB
_FEATURES_BYTES = 1024 * MIB
_MANY_FEATURES_BYTES = 3 * 1024 * MIB
_MANY_REQUESTS = 400

_BY_IPC = frozenset({"qwen3_vl_text", "qwen3_vl_moe_text"})
"""Classes whose images reach a large Hopper card by CUDA IPC: arg_groups/model_overrides/qwen3_vl.py."""
_LARGE_BYTES = 60 * GIB


def has_images(architecture: str | None, *, sees: bool) -> bool:
    """Return whether SGLang serves a model with its tower: not every class does so unless it is told."""
    return sees and traits_of(architecture).multimodal


def is_guessed(options: EngineOptions) -> bool:
    """Return whether the share of a model with a tower rests on widths that the spec does not tell."""
    return has_images(options.architecture, sees=options.sees) and options.vision is None


def factor(vision: Vision | None, hidden: int | None = None) -> float:
    """
    Return what SGLang's share is multiplied by for a model with a tower, whose text model is *hidden* wide.

    Its rule compares the tower with ViT-L/14 by vision_config's num_hidden_layers x hidden_size^2. Configs of
    Qwen's towers call their layers depth, so that they count as 24. A tower whose widths the spec does
    not tell is taken for as large as ViT-L/14.
    """
    times = 1.0
    if vision is not None:
        layers = _USUAL_LAYERS if vision.design in _CALLED_DEPTH else vision.layers
        width = hidden if hidden and vision.design in _WIDE_AS_TEXT else vision.hidden
        times = layers * width**2 / (_USUAL_LAYERS * _USUAL_HIDDEN**2)
    adjusted = 1.0 - _PER_TIMES * (times - 1.0)
    return _USUAL_FACTOR * max(_LEAST_FACTOR, min(_MOST_FACTOR, adjusted))


def reserved_bytes(workload: ProfileRun) -> int:
    """
    Return what is set aside of the share for images that come later, 0 for a model that sees none.

    Source: mm_runtime_reservation_gb in mem_cache/kv_cache_configurator.py of SGLang 0.5.23.
    """
    if not has_images(workload.architecture, sees=workload.sees):
        return 0
    if decodes_in_flashinfer(workload.architecture, workload.card):
        many = (workload.sequences or 0) >= _MANY_REQUESTS
        return _MANY_FEATURES_BYTES if many else _FEATURES_BYTES
    return _EMBEDDINGS_BYTES


def decodes_in_flashinfer(architecture: str | None, card: Card | None) -> bool:
    """Return whether a class decodes with FlashInfer's kernels on Hopper: Qwen3-VL on its large cards."""
    return architecture in _BY_IPC and card is not None and _is_large_hopper(card)


def _is_large_hopper(card: Card) -> bool:
    return card.is_hopper and (card.smi_bytes or card.total_bytes) >= _LARGE_BYTES


def seen(share: str, options: EngineOptions) -> str:
    """Return a share as text after the factor, in the digits that a float holds."""
    return str(float(share) * factor(options.vision, options.hidden))
