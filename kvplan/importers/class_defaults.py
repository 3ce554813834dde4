"""
What transformers' classes take for fields that a nested text model leaves out.

Before version 5 transformers wrote a text model inside another without what equals the defaults of its
class (configuration_utils.py, recursive_diff_dict), and still reads it so. A file of its own has all.
Values: the config classes of transformers 5.23, equal since 4.41 in each field that is here.
"""

from collections.abc import Mapping

from kvplan.importers.strict_json import Json
from kvplan.records import record


@record
class ClassDefaults:
    """The defaults of one class, and for each field the other spellings that stand in for it."""

    name: str
    values: Mapping[str, Json]
    instead: Mapping[str, tuple[str, ...]]


def _sizes(  # noqa: PLR0913, PLR0917 - each is one field
    hidden: int, inner: int, layers: int, heads: int, groups: int | None, context: int, vocab: int
) -> dict[str, Json]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "max_position_embeddings": context,
        "vocab_size": vocab,
    }


_WINDOW: dict[str, Json] = {"sliding_window": 4096}
_UNUSED_WINDOW: dict[str, Json] = {"use_sliding_window": False, "max_window_layers": 28}

_CLASSES: dict[str, tuple[str, dict[str, Json]]] = {
    "llama": ("LlamaConfig", _sizes(4096, 11008, 32, 32, None, 2048, 32000)),
    "granite": ("GraniteConfig", _sizes(4096, 11008, 32, 32, None, 2048, 32000)),
    "mistral": (
        "MistralConfig",
        {**_sizes(4096, 14336, 32, 32, 8, 131072, 32000), **_WINDOW, "head_dim": None},
    ),
    "mixtral": ("MixtralConfig", {**_sizes(4096, 14336, 32, 32, 8, 131072, 32000), "sliding_window": None}),
    "gemma": ("GemmaConfig", {**_sizes(3072, 24576, 28, 16, 16, 8192, 256000), "head_dim": 256}),
    "gemma2": ("Gemma2Config", {**_sizes(2304, 9216, 26, 8, 4, 8192, 256000), **_WINDOW, "head_dim": 256}),
    "gemma3_text": (
        "Gemma3TextConfig",
        {
            **_sizes(2304, 9216, 26, 8, 4, 131072, 262208),
            **_WINDOW,
            "head_dim": 256,
            "sliding_window_pattern": 6,
        },
    ),
    "qwen2": ("Qwen2Config", {**_sizes(4096, 22016, 32, 32, 32, 32768, 151936), **_WINDOW, **_UNUSED_WINDOW}),
    "qwen3": (
        "Qwen3Config",
        {
            **_sizes(4096, 22016, 32, 32, 32, 32768, 151936),
            **_WINDOW,
            **_UNUSED_WINDOW,
            "head_dim": 128,
        },
    ),
    "phi": ("PhiConfig", _sizes(2048, 8192, 24, 32, None, 2048, 51200)),
    "phi3": ("Phi3Config", {**_sizes(3072, 8192, 32, 32, None, 4096, 32064), "sliding_window": None}),
}
_INSTEAD = {"sliding_window_pattern": ("_sliding_window_pattern", "layer_types")}
_SAME = {"gemma3": "gemma3_text"}
"""Names that wrappers leave their text model, which says none of its own."""


def defaults_of(model_type: str) -> ClassDefaults | None:
    """Return the defaults of a model type's class, None where no release leaves out fields of it."""
    found = _CLASSES.get(_SAME.get(model_type, model_type))
    return None if found is None else ClassDefaults(name=found[0], values=found[1], instead=_INSTEAD)
