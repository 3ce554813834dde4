"""
The types of layers that transformers' classes make up where a file lists none.

Source: the config class of each model type in transformers 5.23 and 5.24, where it sets `layer_types`.
"""

from collections.abc import Mapping

from kvplan.importers.strict_json import Json

_WORDS = {"s": "sliding_attention", "f": "full_attention", "l": "linear_attention"}

_CYCLES = {
    "afmoe": "sssf",
    "beam": "sssssf",
    "cohere2_moe": "sssf",
    "cohere_compass_text": "f",
    "cwm": "fsss",
    "diffusion_gemma_text": "sssssf",
    "exaone4": "sssf",
    "exaone_moe": "sssf",
    "gemma3n_text": "ssssf",
    "gemma4_text": "sssssf",
    "gemma4_unified_text": "sssssf",
    "gpt_oss": "sf",
    "granite_swa": "fsss",
    "granitemoe_swa": "fsss",
    "granitemoehybrid": "l",
    "kolibri1": "ssssf",
    "laguna": "f",
    "lfm2": "f",
    "mellum": "f",
    "ministral": "s",
    "modernbert-decoder": "fss",
    "olmo3": "sssf",
    "olmo_hybrid": "lllf",
    "qwen3_5_moe_text": "lllf",
    "qwen3_5_text": "lllf",
    "qwen3_next": "lllf",
    "step3p5": "f",
}
"""The layers of each model type, over and over: sliding, full or linear attention."""

_LAST_IS_FULL = frozenset({"beam", "diffusion_gemma_text", "gemma4_text", "gemma4_unified_text"})

_MAX_LAYERS = 10_000


def default_layers(model_type: str, values: Mapping[str, Json]) -> tuple[str, ...] | None:
    """Return the type of each layer, None where a class makes none up or the file has no number of layers."""
    cycle, count = _CYCLES.get(model_type), values.get("num_hidden_layers")
    if cycle is None or type(count) is not int or not 0 < count <= _MAX_LAYERS:
        return None
    letters = (cycle * (count // len(cycle) + 1))[:count]
    if model_type in _LAST_IS_FULL:
        letters = letters[:-1] + "f"
    return tuple(_WORDS[letter] for letter in letters)
