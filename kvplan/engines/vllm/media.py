"""
Which images, videos and audio a prompt may bring to vLLM, and whether it loads what encodes them.

Source: MultiModalConfig.get_limit_per_prompt in config/multimodal.py, and _mark_tower_model in
model_executor/models/interfaces.py, alike in 0.17.1 to 0.33: a tower is left out where all that it encodes
has a limit of 0, as language_model_only sets it.
"""

from collections.abc import Mapping

from kvplan.engines.settings import Settings
from kvplan.errors import OptionsError
from kvplan.specs.vision import Vision

UNLIMITED = 999
"""The limit of what nobody limits."""

_ALL = frozenset({"image", "video", "audio"})
_IMAGES = frozenset({"image"})
_VIDEOS = frozenset({"image", "video"})

_ENCODED = {
    # What each class's _mark_tower_model names: gemma3_mm.py, mllama4.py, mistral3.py and pixtral.py.
    **dict.fromkeys(("gemma3_text", "llama4_text", "mistral", "ministral3"), _IMAGES),
    # qwen2_vl.py, qwen2_5_vl.py, qwen3_vl.py and qwen3_5.py.
    **dict.fromkeys(("qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text"), _VIDEOS),
    **dict.fromkeys(("qwen3_vl_text", "qwen3_vl_moe_text"), _VIDEOS),
    **dict.fromkeys(("qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"), _VIDEOS),
}
"""What the towers beside a text model encode, by its architecture; of others all is taken to be encoded."""

SHARED_OUT = "data"
"""The mm_encoder_tp_mode with which ranks share images out, each of them having the whole tower."""

_SHARING = frozenset(
    {"kimi_k2", "kimi_k3", "glm5_next_text", "llama4_text", "minimax_m3", "qwen4_exp_text", "step3p7"}
    | {"qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3_vl_text", "qwen3_vl_moe_text"}
    | {"qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"}
)
"""
The text models whose classes can do so: those with supports_encoder_tp_data in 0.11 to 0.33.

They are in qwen2_vl.py, qwen2_5_vl.py, qwen3_vl.py, mllama4.py, kimi_k25.py, glm4_1v.py and step3_vl.py of
model_executor/models, kimi_k3 and minimax_m3 of models, and those that build on them.
"""

_SHARING_TOWERS = frozenset({"kimi_k25"})
"""Towers that tell such a class where the text model does not: Kimi-K2.6's is of DeepSeek-V3's type."""


def limits(given: Settings) -> Mapping[str, int]:
    """Return how many of each a prompt may bring at most, as far as anybody says so."""
    return {name: _limit(name, value) for name, value in _said(given).items()}


def gives_sizes(given: Settings) -> bool:
    """Return whether limits say how large what is profiled shall be."""
    said = [value for value in _said(given).values() if isinstance(value, dict)]
    return any(value.keys() - {"count"} for value in said)


def most_pixels(given: Settings) -> int | None:
    """
    Return the pixels that mm_processor_kwargs let an image or a picture of a film have, None where unsaid.

    That is max_pixels, or longest_edge of size: _get_vision_size in qwen2_vl.py of 0.33.
    """
    said = _object(given, "mm_processor_kwargs", '{"max_pixels": 1003520}')
    size = said.get("size")
    asked = said.get("max_pixels", size.get("longest_edge") if isinstance(size, dict) else None)
    if asked is None:
        return None
    if isinstance(asked, bool) or not isinstance(asked, int) or asked <= 0:
        raise OptionsError(f"mm_processor_kwargs: the most pixels are {str(asked)[:40]!r}, which is no count")
    return asked


def _said(given: Settings) -> Mapping[str, object]:
    return _object(given, "limit_mm_per_prompt", '{"image": 0}')


def _object(given: Settings, name: str, example: str) -> Mapping[str, object]:
    text = given.name(name)
    if text is None:
        return {}
    import json  # noqa: PLC0415 - few plans have limits

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OptionsError(f"{name}={text[:40]!r} is not a JSON object, as in {example}")
    return found


def _limit(name: str, value: object) -> int:
    """Return a limit, which may stand among options of the images that are profiled (BaseDummyOptions)."""
    if isinstance(value, dict):
        value = value.get("count", UNLIMITED)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise OptionsError(f"limit_mm_per_prompt: {name[:40]!r} has {str(value)[:40]!r}, which is no count")
    return value


def text_alone(given: Settings, architecture: str | None) -> bool:
    """Return whether no tower is loaded: by language_model_only, or as all limits are 0."""
    if given.flag("language_model_only") is True:
        return True
    none = {name for name, limit in limits(given).items() if limit == 0}
    return _ENCODED.get(architecture or "", _ALL) <= none


def shares_images_out(given: Settings, architecture: str | None, vision: Vision | None) -> bool:
    """
    Return whether each rank has the whole tower, and encodes a share of the images.

    A class that cannot cuts its tower as ever, and says so: ModelConfig in config/model.py, 0.11 to 0.33.
    """
    can = architecture in _SHARING or (vision is not None and vision.design in _SHARING_TOWERS)
    return can and given.name("mm_encoder_tp_mode") == SHARED_OUT


def only_some_are_left_out(given: Settings, architecture: str | None) -> bool:
    """Return whether a limit is 0, and a tower is loaded all the same."""
    return 0 in limits(given).values() and not text_alone(given, architecture)
