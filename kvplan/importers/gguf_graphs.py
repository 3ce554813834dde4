"""
The model type as which llama.cpp computes a GGUF file.

llama.cpp makes its graph by `general.architecture`, and one may cover several model types that it computes
alike (`llama`: Mistral and Mixtral, too) or, by keys and tensors of the file, unlike. Source: the loaders and
graphs of src/models/ of llama.cpp v0.5.0.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kvplan.importers.families.common import Reading
from kvplan.importers.fields import Fields
from kvplan.importers.gguf import Gguf
from kvplan.importers.gguf_tensors import by_layer
from kvplan.records import record


@record
class File:
    """A file's keys, its layers, and the names of the tensors of each layer."""

    fields: Fields
    reading: Reading
    layers: Mapping[int, frozenset[str]]

    @property
    def names(self) -> frozenset[str]:
        """The names that tensors have in any layer."""
        return frozenset().union(*self.layers.values())

    def says(self, key: str, *, absent: bool) -> bool:
        """Return a key that is true or false; *absent* where the file lacks it."""
        return self.fields.values.get(key, absent) is True


_Rule = Callable[[File], str | None]

_SOFTMAX, _SIGMOID = 1, 2
"""The functions of llama_expert_gating_func_type in llama-hparams.h by which experts are ranked."""


def _latent(softmax: str | None, sigmoid: str) -> _Rule:
    """Return the rule of latent attention, whose experts are ranked as the file says."""

    def rule(file: File) -> str | None:
        given = file.fields.values
        ranked: tuple[Any, ...] = (
            given.get("expert_gating_func"),
            "exp_probs_b.bias" in file.names,
            _is_normed(file),
        )
        # Of a lite model of 26 or 27 layers the loader does not read this key, be it there.
        latent_queries = bool(given.get("attention.q_lora_rank")) == ("attn_q_a.weight" in file.names)
        if given.get("attention.temperature_scale") or not latent_queries:
            return None
        known: dict[tuple[Any, ...], str | None] = {
            (_SOFTMAX, False, False): softmax,
            (_SIGMOID, True, True): sigmoid,
        }
        return known.get(ranked)

    return rule


def _is_normed(file: File) -> bool:
    return file.says("expert_weights_norm", absent=False)


def _sigmoid(name: str) -> _Rule:
    """Return the rule of a model whose experts, if it has any, have normed weights and biased ranks."""

    def rule(file: File) -> str | None:
        mixes = "ffn_up_exps.weight" in file.names
        ranked = file.fields.values.get("expert_gating_func", _SIGMOID) == _SIGMOID
        return name if not mixes or (ranked and "exp_probs_b.bias" in file.names) else None

    return rule


def _normed_sigmoid(name: str) -> _Rule:
    def rule(file: File) -> str | None:
        mixes = "ffn_up_exps.weight" in file.names
        return _sigmoid(name)(file) if _is_normed(file) or not mixes else None

    return rule


def _rotates(file: File) -> bool:
    """Return whether Granite rotates queries and keys, which this key tells (granite-hybrid.cpp)."""
    return file.says("rope.scaling.finetuned", absent=True)


def _granite(file: File) -> str | None:
    return "granite" if _rotates(file) else None


def _granite_hybrid(file: File) -> str | None:
    """Return Granite 4 as it scans without rotations, or only rotates; Bamba does both."""
    scans = "ssm_in.weight" in file.names
    if scans and _rotates(file):
        return "bamba"
    return "granitemoehybrid" if scans or _rotates(file) else None


def _mamba(file: File) -> str:
    return "falcon_mamba" if file.says("ssm.dt_b_c_rms", absent=False) else "mamba"


def _lfm2(file: File) -> str | None:
    """Return LFM2, but with a window, which no release has."""
    return None if any(_is_local(file.reading, name) for name in file.reading.layers) else "lfm2"


def _qwen3_next(file: File) -> str | None:
    """Return Qwen3-Next, but of older files, whose delta nets read one matrix more (`ssm_in`)."""
    return None if "ssm_in.weight" in file.names else "qwen3_next"


def _stacked(name: str) -> _Rule:
    """Return the rule of Qwen3-VL, whose images have states for three layers, as all of its releases do."""
    return lambda file: name if file.fields.values.get("n_deepstack_layers") == _STACKED else None


_STACKED = 3


def _llama4(file: File) -> str | None:
    """Return Llama 4 where it chunks: then the other layers do not rotate, and else all do (llama4.cpp)."""
    return "llama4_text" if any(_is_local(file.reading, name) for name in file.reading.layers) else None


def _gemma4(file: File) -> str | None:
    """Return Gemma 4 where layers without a window make keys and values by one matrix."""
    whole = [number for number, name in enumerate(file.reading.layers) if not _is_local(file.reading, name)]
    apart = any("attn_v.weight" in file.layers.get(number, ()) for number in whole)
    return None if apart or file.fields.values.get("embedding_length_per_layer_input") else "gemma4_text"


def _is_local(reading: Reading, name: str) -> bool:
    kind = reading.attention[name]
    return isinstance(kind, dict) and kind["kind"] in ("sliding", "chunked")


_BY_FILE: Mapping[str, _Rule] = {
    "deepseek2": _latent("deepseek_v2", "deepseek_v3"),
    "deepseek32": _latent(None, "deepseek_v32"),
    "gemma4": _gemma4,
    "glm-dsa": _latent(None, "glm_moe_dsa"),
    "glm4moe": _normed_sigmoid("glm4_moe"),
    "granite": _granite,
    "granitehybrid": _granite_hybrid,
    "lfm2": _lfm2,
    "llama4": _llama4,
    "mamba": _mamba,
    "minimax-m2": _sigmoid("minimax_m2"),
    "nemotron_h": _normed_sigmoid("nemotron_h"),
    "nemotron_h_moe": _normed_sigmoid("nemotron_h"),
    "qwen3next": _qwen3_next,
    "qwen3vl": _stacked("qwen3_vl_text"),
    "qwen3vlmoe": _stacked("qwen3_vl_moe_text"),
}
ALONE = {
    "chatglm": "chatglm",
    "cohere2": "cohere2",
    "command-r": "cohere",
    "deepseek": "deepseek",
    "ernie4_5": "ernie4_5",
    "ernie4_5-moe": "ernie4_5_moe",
    "exaone": "exaone",
    "exaone4": "exaone4",
    "falcon-h1": "falcon_h1",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "glm4": "glm4",
    "gpt-oss": "gpt_oss",
    "hunyuan-dense": "hunyuan_v1_dense",
    "internlm2": "internlm2",
    "jamba": "jamba",
    "llama": "llama",
    "mamba2": "mamba2",
    "minicpm": "minicpm",
    "olmo2": "olmo2",
    "orion": "orion",
    "phi3": "phi3",
    "phimoe": "phimoe",
    "qwen": "qwen",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen2vl": "qwen2_vl",
    "qwen3": "qwen3",
    "qwen35": "qwen3_5",
    "qwen35moe": "qwen3_5_moe",
    "qwen3moe": "qwen3_moe",
    "seed_oss": "seed_oss",
    "smollm3": "smollm3",
    "starcoder2": "starcoder2",
    "xverse": "xverse",
}
"""Those that no key and no tensor of a file makes others."""
_JOINED = frozenset({"chatglm", "phi3", "qwen"})
"""Those whose queries, keys and values are of one matrix (`attn_qkv`)."""
_JOINED_GATES = frozenset({"chatglm", "glm4", "phi3"})
"""Those whose gate and MLP are of one matrix (`ffn_up`)."""
_SECTIONS = "rope.dimension_sections"
_BY_SECTIONS = frozenset({"qwen2vl", "qwen35", "qwen35moe", "qwen3vl", "qwen3vlmoe"})
"""Those of whose tokens four numbers say where they are; of others a file's sections make it so."""
_GEMMA_4_SCALES = frozenset({"ffn_gate_inp.scale", "ffn_down_exps.scale"})


def computed_as(model: Gguf, architecture: str, fields: Fields, reading: Reading) -> str | None:
    """
    Return the model type, by transformers' name, as which llama.cpp computes a file.

    None where that is not known, as for tensors that are fused or scaled otherwise than the graph that is.
    """
    named = {number: frozenset(names) for number, names in by_layer(model).items()}
    layers = {number: names for number, names in named.items() if number < len(reading.layers)}
    file = File(fields=fields, reading=reading, layers=layers)
    if not file.layers or not _is_plain(file, architecture):
        return None
    rule = _BY_FILE.get(architecture)
    return ALONE.get(architecture) if rule is None else rule(file)


def _is_plain(file: File, architecture: str) -> bool:
    """Return whether matrices are joined as an architecture's converter does it, and nothing comes on top."""
    attends = [names for names in file.layers.values() if "attn_output.weight" in names]
    joined = {"attn_qkv.weight" in names for names in attends}
    scaled = {name for name in file.names if name.endswith((".scale", ".input_scale"))}
    sections = file.fields.values.get(_SECTIONS)
    placed = isinstance(sections, list) and any(sections)
    return (
        not (placed and architecture not in _BY_SECTIONS)
        and joined <= {architecture in _JOINED}
        and not (architecture in _JOINED_GATES and "ffn_gate.weight" in file.names)
        and "ffn_gate_up_exps.weight" not in file.names
        and scaled <= (_GEMMA_4_SCALES if architecture == "gemma4" else frozenset())
    )
