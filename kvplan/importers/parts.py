"""The parts of a model's weights, from what its layers count and how the config says they are stored."""

from collections.abc import Callable, Mapping, Sequence

from kvplan.dtypes import dtype_by_name
from kvplan.frozen import FrozenDict
from kvplan.importers.config import runs
from kvplan.importers.parameters import LayerCount, Parameters
from kvplan.importers.parameters.base import NONE, Matrix
from kvplan.importers.quantization import Quantization
from kvplan.importers.weight_parts import touched
from kvplan.records import record
from kvplan.specs.parts import Amount, LayerParts, ModelParts
from kvplan.specs.runs import LayerRun
from kvplan.units import ceil_div

_SIZED = frozenset(
    {
        "deepseek_v3",
        "deepseek_v32",
        "glm4_moe",
        "glm_moe_dsa",
        "gpt_oss",
        "kimi_k2",
        "minimax_m2",
        "qwen3_moe",
    }
)
"""Model types of which each quantised tensor's bytes are known: those of vLLM 0.33's classes agree."""

_STEERING_BYTES = 4

Sizer = Callable[[Matrix], int]
"""The bytes of a quantised matrix with its scales."""


@record
class Stored:
    """How the parts of a model are stored: `sizers` of those whose matrices are not in its dtype."""

    element_bytes: int
    sizers: Mapping[str, Sizer]

    def amount(self, part: str, counted: Parameters) -> Amount:
        """Return the parameters of a part, and their bytes where the model's dtype does not tell them."""
        size = self.sizers.get(part)
        total = counted.total
        wide = counted.steering * (_STEERING_BYTES - self.element_bytes) if self.sizers else 0
        if size is None:
            return (total, total * self.element_bytes + wide) if wide else total
        within = sum(matrix.outputs * matrix.inputs * count for matrix, count in counted.matrices.items())
        quantised = sum(size(matrix) * count for matrix, count in counted.matrices.items())
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
        return Stored(element_bytes=element_bytes, sizers={})
    if model_type not in _SIZED:
        return None
    sizers = _sizers(quantization, element_bytes)
    return None if sizers is None else Stored(element_bytes=element_bytes, sizers=sizers)


def _sizers(quantization: Quantization, element_bytes: int) -> Mapping[str, Sizer] | None:
    match quantization.method:
        case "fp8" if quantization.block is not None and not _excluded(quantization):
            size = _in_blocks(*quantization.block)
            return dict.fromkeys(("attention", "whole", "dense", "shared", "expert"), size)
        case "mxfp4":
            # transformers 5.23, quantizer_mxfp4.py: the routed experts alone are converted.
            return {"expert": _in_groups(bits=4, group=32, scale_bytes=1)}
        case "compressed-tensors" if _are_experts_alone(quantization):
            group = quantization.group_size or 0
            return {"expert": _in_groups(bits=quantization.bits[0], group=group, scale_bytes=element_bytes)}
        case _:
            return None


def _excluded(quantization: Quantization) -> set[str]:
    """Return which parts, but for the head, patterns may leave in the model's dtype."""
    return {part for pattern in quantization.excluded or () for part in touched(pattern)} - {"head"}


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


def _in_blocks(rows: int, columns: int) -> Sizer:
    """Return the bytes of a matrix of one byte a weight, and a float32 for each block: DeepSeek-V3's fp8."""

    def size(matrix: Matrix) -> int:
        blocks = ceil_div(matrix.outputs, rows) * ceil_div(matrix.inputs, columns)
        return matrix.outputs * matrix.inputs + 4 * blocks

    return size


def _in_groups(*, bits: int, group: int, scale_bytes: int) -> Sizer:
    """Return the bytes of a matrix of packed weights, and a scale for each group of a row."""

    def size(matrix: Matrix) -> int:
        return matrix.outputs * (
            ceil_div(matrix.inputs * bits, 8) + scale_bytes * ceil_div(matrix.inputs, group)
        )

    return size
