"""
The bytes of a quantised matrix, where its section of a config.json tells all that is stored of one.

Those are the tensors that vLLM 0.33 has once the weights are loaded, in model_executor/layers/quantization:
auto_gptq.py, auto_awq.py, fp8.py, modelopt.py, and the schemes in compressed_tensors. Its kernels permute
packed weights and scales, and keep their sizes.
"""

from collections.abc import Callable, Mapping

from kvplan.errors import ImportedError
from kvplan.importers.parameters.base import Matrix
from kvplan.importers.quantization_section import Section
from kvplan.importers.strict_json import Json
from kvplan.importers.weight_parts import touched
from kvplan.records import record
from kvplan.units import ceil_div

_FP32_BYTES = 4
_INT32_BYTES = 4


@record
class Layout:
    """
    What is stored of each matrix: weights of `bits`, and a scale for each block of so many rows and columns.

    `rows` and `columns` are None where a block has all of a matrix, and `scale_bytes` where a scale is in the
    model's dtype. With `zeros` each block has a zero point of `bits`. `index` says that each input has the
    number of its group, and `beside` are bytes of each matrix in all.
    """

    bits: int
    rows: int | None
    columns: int | None
    scale_bytes: int | None
    zeros: bool = False
    index: bool = False
    beside: int = 0

    def size(self, matrix: Matrix, element_bytes: int) -> int:
        """Return the bytes of a matrix of a model whose dtype has *element_bytes*."""
        rows, columns = self.rows or matrix.outputs, self.columns or matrix.inputs
        scales = ceil_div(matrix.outputs, rows) * ceil_div(matrix.inputs, columns)
        size = matrix.outputs * ceil_div(matrix.inputs * self.bits, 8) + self.beside
        size += scales * (element_bytes if self.scale_bytes is None else self.scale_bytes)
        size += ceil_div(scales * self.bits, 8) if self.zeros else 0
        return size + (_INT32_BYTES * matrix.inputs if self.index else 0)


def layout_of(method: str, section: Section) -> Layout | None:
    """
    Return the layout of all matrices but the embedding and the output head; None where not all is told.

    So it is of a method that is not read here, of matrices that are stored otherwise than the rest, and of a
    section that is not understood.
    """
    read = _READERS.get(method)
    if read is None or not _covers_all(section):
        return None
    try:
        return read(section)
    except ImportedError:
        return None


def _covers_all(section: Section) -> bool:
    """Tell whether a section leaves out nothing but the head, and what no method quantises."""
    left = ("modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules")
    named = [section.values.get(name) or [] for name in left]
    patterns = [pattern for patterns in named if isinstance(patterns, list) for pattern in patterns]
    parts = {part for pattern in patterns for part in touched(str(pattern))}
    others = ("dynamic", "modules_in_block_to_quantize", "extra_config", "quantized_layers")
    return parts <= {"head"} and not any(section.values.get(name) for name in (*others, "lm_head"))


def _leaves_head(section: Section) -> bool:
    """Tell whether a section names the head among what is left out, which other methods leave out unasked."""
    return any("head" in touched(each) for each in section.optional_texts("ignore", "exclude_modules") or ())


def _gptq(section: Section) -> Layout:
    """Return GPTQ's layout: zero points are there, symmetric or not; an index where columns are reordered."""
    reordered = section.flag("desc_act")
    return Layout(
        bits=section.bits(section.first("bits", "w_bit")),
        rows=1,
        columns=section.group("group_size"),
        scale_bytes=None,
        zeros=True,
        index=reordered,
    )


def _awq(section: Section) -> Layout:
    return Layout(
        bits=section.bits(section.first("w_bit", "bits")),
        rows=1,
        columns=section.group(section.first("q_group_size", "group_size")),
        scale_bytes=None,
        zeros=True,
    )


def _compressed_tensors(section: Section) -> Layout | None:
    """Return the layout of one group of all linear layers, of integers or floats with scales."""
    groups = section.inner("config_groups")
    if len(groups.values) != 1:
        return None
    (name,) = groups.values
    group = groups.inner(name)
    weights = group.inner("weights")
    even = weights.values.get("symmetric", True) is True and weights.values.get("actorder") in (
        None,
        "static",
    )
    if group.optional_texts("targets") != ("Linear",) or not even or not _leaves_head(section):
        return None
    return _of_scheme(weights, rounds=group.values.get("input_activations") is not None)


def _of_scheme(weights: Section, *, rounds: bool) -> Layout | None:
    """Return the layout of weights whose inputs are quantised, too, or not: *rounds*."""
    bits = weights.bits("num_bits")
    match weights.values.get("type"), weights.values.get("strategy"), bits:
        case "int", "group" | "channel" as strategy, 4 | 8 if not rounds:
            # Scales in the model's dtype, and the matrix's shape in two int64.
            width = weights.group("group_size") if strategy == "group" else None
            return Layout(bits=bits, rows=1, columns=width, scale_bytes=None, beside=_SHAPE_BYTES)
        case "int" | "float", "channel", 8 if rounds:
            return Layout(bits=8, rows=1, columns=None, scale_bytes=_FP32_BYTES)
        case "float", "block", 8:
            return _in_blocks(weights.values.get("block_structure"))
        case "float", "tensor_group", 4:
            # A scale of the matrix, and one of its inputs where they are quantised.
            return Layout(bits=4, rows=1, columns=16, scale_bytes=1, beside=_FP32_BYTES * (1 + rounds))
        case _:
            return None


def _fp8(section: Section) -> Layout | None:
    """Return the layout of blocks, or of a scale for a matrix, and one for inputs where these are fixed."""
    if (block := section.values.get("weight_block_size")) is not None:
        return _in_blocks(block)
    scales = 2 if section.values.get("activation_scheme") == "static" else 1
    return Layout(bits=8, rows=None, columns=None, scale_bytes=scales * _FP32_BYTES)


def _in_blocks(block: Json) -> Layout | None:
    """Return the layout of a byte a weight, and a float32 for each block: DeepSeek-V3's fp8."""
    match block:
        case [int(rows), int(columns)] if rows > 0 and columns > 0:
            return Layout(bits=8, rows=rows, columns=columns, scale_bytes=_FP32_BYTES)
        case _:
            return None


def _modelopt(section: Section) -> Layout | None:
    """
    Return the layout of ModelOpt's fp8, or of its NVFP4: scales of 16, of the matrix and of its inputs.

    A section without a list of what is left out does not tell it.
    """
    if not _leaves_head(section):
        return None
    match section.values.get("quant_algo"):
        case "FP8":
            return Layout(bits=8, rows=None, columns=None, scale_bytes=2 * _FP32_BYTES)
        case "NVFP4":
            return Layout(bits=4, rows=1, columns=16, scale_bytes=1, beside=2 * _FP32_BYTES)
        case _:
            return None


_SHAPE_BYTES = 2 * 8


_READERS: Mapping[str, Callable[[Section], Layout | None]] = {
    "gptq": _gptq,
    "awq": _awq,
    "compressed-tensors": _compressed_tensors,
    "fp8": _fp8,
    "modelopt": _modelopt,
}
