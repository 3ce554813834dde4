"""The parts of a model's weights, from what its layers count and how the config says they are stored."""

from collections.abc import Mapping, Sequence

from kvplan.dtypes import dtype_by_name
from kvplan.frozen import FrozenDict
from kvplan.importers.config import runs
from kvplan.importers.parameters import LayerCount, Parameters
from kvplan.importers.parameters.base import NONE
from kvplan.importers.quantization import Quantization
from kvplan.importers.quantization_layouts import Layout
from kvplan.importers.weight_parts import touched
from kvplan.records import record
from kvplan.specs.parts import Amount, LayerParts, ModelParts
from kvplan.specs.runs import LayerRun

_SIZED = frozenset(
    {
        "deepseek_v3",
        "deepseek_v32",
        "glm4_moe",
        "glm_moe_dsa",
        "gpt_oss",
        "kimi_k2",
        "llama",
        "minimax_m2",
        "mistral",
        "qwen2",
        "qwen3",
        "qwen3_moe",
    }
)
"""Model types of which each quantised tensor's bytes are known: those of vLLM 0.33's classes agree."""

_LAID_OUT = frozenset(
    {
        "cohere",
        "exaone4",
        "gemma",
        "gemma2",
        "gemma3_text",
        "granite",
        "hunyuan_v1_dense",
        "internlm2",
        "llama",
        "minicpm",
        "mistral",
        "olmo2",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
    }
)
_EXPERTS_LAID_OUT = frozenset({"minimax_m2", "mixtral", "qwen3_moe"})
"""
Model types all of whose matrices in layers have the layout that the config tells: as above.

Those with experts in GPTQ are not among them: their class adds biases, or takes other kernels by the width.
"""

_STEERING_BYTES = _FP32_BYTES = 4


@record
class Stored:
    """How the parts of a model are stored: `layouts` of those whose matrices are not in its dtype."""

    element_bytes: int
    layouts: Mapping[str, Layout]

    def amount(self, part: str, counted: Parameters) -> Amount:
        """Return the parameters of a part, and their bytes where the model's dtype does not tell them."""
        layout = self.layouts.get(part)
        total = counted.total
        wide = counted.steering * (_STEERING_BYTES - self.element_bytes) if self.layouts else 0
        if layout is None:
            return (total, total * self.element_bytes + wide) if wide else total
        within = sum(matrix.outputs * matrix.inputs * count for matrix, count in counted.matrices.items())
        sizes = {matrix: layout.size(matrix, self.element_bytes) for matrix in counted.matrices}
        quantised = sum(sizes[matrix] * count for matrix, count in counted.matrices.items())
        size_bytes = (total - within) * self.element_bytes + quantised + wide
        return total if size_bytes == total * self.element_bytes else (total, size_bytes)


def model_parts(
    layers: Sequence[LayerCount], whole: Parameters, *, embedding: int, tower: int, stored: Stored
) -> ModelParts:
    """
    Return the parts of a model of *layers*, with what else there is of the *whole* beside them.

    What is beside the layers and divided, a bias of the head for instance, is counted with the head.
    """
    inside = sum((part for layer in layers for part in layer), NONE)
    each = [_layer(layer, stored) for layer in layers]
    names = _names(each)
    return ModelParts(
        embedding=embedding,
        head=whole.sharded - inside.sharded - embedding,
        beside=whole.replicated - inside.replicated,
        tower=tower,
        kinds=FrozenDict({name: kind for kind, name in names.items()}),
        layers=tuple(LayerRun.model_validate(run) for run in runs(tuple(names[kind] for kind in each))),
    )


def _names(layers: Sequence[LayerParts]) -> dict[LayerParts, str]:
    """Return a name for each kind of layer, by what follows its mixer, and a number if others have that."""
    names: dict[LayerParts, str] = {}
    for kind in dict.fromkeys(layers):
        word = "sparse" if kind.experts else "dense" if kind.dense else "plain"
        count = sum(name.rstrip("0123456789") == word for name in names.values())
        names[kind] = f"{word}{count + 1}" if count else word
    return names


def _layer(layer: LayerCount, stored: Stored) -> LayerParts:
    mlp = layer.mlp
    number = mlp.number
    sharded = layer.mixer.held("sharded")
    whole = layer.mixer.held("replicated") + layer.norms
    inner, beside = mlp.held("sharded"), mlp.held("replicated")
    if not number:
        return LayerParts(
            attention=stored.amount("attention", sharded),
            whole=stored.amount("whole", whole + beside),
            dense=stored.amount("dense", inner),
        )
    return LayerParts(
        attention=stored.amount("attention", sharded),
        whole=stored.amount("whole", whole),
        shared=stored.amount("shared", inner),
        router=stored.amount("router", beside),
        expert=stored.amount("expert", mlp.held("experts").share(number)),
        experts=number,
        width=max(mlp.expert_inputs, default=0),
    )


def stored_as(quantization: Quantization | None, model_type: str, dtype: str) -> Stored | None:
    """Return how the parts of a model are stored, None where its config does not tell it to the byte."""
    element_bytes = dtype_by_name(dtype).row_bytes(1)
    if quantization is None:
        return Stored(element_bytes=element_bytes, layouts={})
    if element_bytes == _FP32_BYTES:
        return None  # No engine runs what is left beside them in this dtype.
    layouts = _layouts(quantization, model_type)
    return None if layouts is None else Stored(element_bytes=element_bytes, layouts=layouts)


def _layouts(quantization: Quantization, model_type: str) -> Mapping[str, Layout] | None:
    layout = quantization.layout
    known = _SIZED if quantization.block else _LAID_OUT
    if quantization.method != "gptq":
        known |= _EXPERTS_LAID_OUT
    if layout is not None and layout.bits == quantization.expert_bits and model_type in known:
        return dict.fromkeys(("attention", "whole", "dense", "shared", "expert"), layout)
    match quantization.method:
        case "mxfp4" if model_type in _SIZED:
            # transformers 5.23, quantizer_mxfp4.py: the routed experts alone are converted.
            return {"expert": Layout(bits=4, rows=1, columns=32, scale_bytes=1)}
        case "compressed-tensors" if model_type in _SIZED and _are_experts_alone(quantization):
            bits, group = quantization.bits[0], quantization.group_size
            return {"expert": Layout(bits=bits, rows=1, columns=group, scale_bytes=None)}
        case _:
            return None


_BUT_EXPERTS = frozenset(
    {"lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"}
)
"""Patterns that leave out all but the routed experts, as the releases of Kimi-K2 in 4 bits write them."""


def _are_experts_alone(quantization: Quantization) -> bool:
    """Tell whether the routed experts alone are quantised, in groups of one width."""
    patterns = {
        pattern for pattern in quantization.excluded or () if touched(pattern) or pattern in _BUT_EXPERTS
    }
    return patterns == _BUT_EXPERTS and len(quantization.bits) == 1 and bool(quantization.group_size)
