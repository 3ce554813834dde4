"""
How each method of quantisation stores a weight, as far as its section of a config.json tells.

Methods: those of transformers 5.23 (quantizers/auto.py) and of vLLM 0.33 (quantization/__init__.py), and
MLX's. A method that is not here leaves the size of the weights open, and nothing else.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from kvplan.importers.quantization_section import Section
from kvplan.importers.strict_json import Json, shown
from kvplan.importers.weight_parts import touched
from kvplan.records import record

Block = tuple[int, int]
"""The rows and columns of the weights that share a scale."""


@record
class Format:
    """
    What the fields of one method say: widths and group; `excluded` None if it does not say.

    `block` has the rows and columns of a block that shares a scale, where that is not a part of a row, and
    `expert_block` those of the routed experts' matrices. `ends` says that embedding and output head are
    quantised as all other matrices are.
    """

    bits: tuple[int, ...]
    group_size: int | None = None
    block: Block | None = None
    expert_block: Block | None = None
    excluded: tuple[str, ...] | None = None
    scale_bytes: tuple[int, int] = (1, 4)
    ends: bool = False


# ModelOpt's algorithms: the bits of a stored weight and its group, where the file names no group.
# Sources: NVIDIA TensorRT-LLM, quantization/mode.py (QuantAlgo); vLLM 0.33, quantization/modelopt.py.
_ALGORITHMS: Mapping[str, tuple[tuple[int, ...], int | None]] = {
    "FP8": ((8,), None),
    "FP8_PER_CHANNEL_PER_TOKEN": ((8,), None),
    "FP8_PB_WO": ((8,), 128 * 128),
    "FP8_BLOCK_SCALES": ((8,), 128 * 128),
    "MXFP8": ((8,), 32),
    "W8A8_SQ_PER_CHANNEL": ((8,), None),
    "W8A16": ((8,), None),
    "W4A16_AWQ": ((4,), 128),
    "W4A8_AWQ": ((4,), 128),
    "NVFP4": ((4,), 16),
    "NVFP4_AWQ": ((4,), 16),
    "W4A16_NVFP4": ((4,), 16),
    "W4A8_NVFP4_FP8": ((4,), 16),
    "W4A16_MXFP4": ((4,), 32),
    "W4A8_MXFP4_FP8": ((4,), 32),
    "MIXED_PRECISION": ((4, 8), 16),
}

_SKIPPED = ("modules_to_not_convert", "modules_not_convert", "ignored_layers", "ignore", "exclude")
_BITS = ("w_bit", "wbits", "nbits", "num_bits", "bits")
_GROUP = ("q_group_size", "group_size")


def _read_fp8(section: Section) -> Format:
    """Fine-grained fp8: `weight_block_size` 128 x 128 shares a scale, null one for the tensor."""
    block = _block(section)
    return Format(
        bits=(8,),
        group_size=math.prod(block) if block else None,
        block=block,
        expert_block=block,
        excluded=section.optional_texts(*_SKIPPED),
    )


def _block(section: Section) -> Block | None:
    block = section.values.get("weight_block_size")
    if block is None:
        return None
    match block:
        case [int(rows), int(columns)] if all(type(side) is int and 0 < side <= 2**15 for side in block):
            return rows, columns
        case _:
            raise section.error("weight_block_size", f"found {shown(block)}; expected two whole numbers")


def _fixed(bits: int, group_size: int | None, scale_bytes: tuple[int, int]) -> Callable[[Section], Format]:
    """Return the reader of a method that has one width and one group, whatever the file says."""

    def read(section: Section) -> Format:
        return Format(
            bits=(bits,),
            group_size=group_size,
            excluded=section.optional_texts(*_SKIPPED) or ("lm_head",),
            scale_bytes=scale_bytes,
        )

    return read


def _read_mxfp4(section: Section) -> Format:
    """32 values of 4 bits and one 8-bit exponent: OCP Microscaling Formats (MX) v1.0."""
    excluded = section.optional_texts("modules_to_not_convert")
    return Format(bits=(4,), group_size=32, excluded=excluded, scale_bytes=(1, 1))


def _read_grouped(section: Section) -> Format:
    """AWQ, GPTQ and their kin: bits and a group; the embedding and the output head stay as they were."""
    bits = section.bits(section.first(*_BITS))
    dynamic = _objects(section.values.get("dynamic"))
    overrides = [Section(each, f"{section.where}.dynamic").bits("bits") for each in dynamic if "bits" in each]
    head = () if section.flag("lm_head") else ("lm_head",)
    return Format(
        bits=tuple(sorted({bits, *overrides})),
        group_size=section.group(section.first(*_GROUP)),
        excluded=(*(section.optional_texts(*_SKIPPED) or ()), *head),
    )


def _read_auto_round(section: Section) -> Format:
    """AutoRound: as GPTQ, and `extra_config` has modules of other bits, of which 16 are not quantised."""
    plain = _read_grouped(section)
    extra = section.inner("extra_config") if section.values.get("extra_config") else None
    given = {name: extra.inner(name).bits("bits") for name in extra.values} if extra else {}
    kept = tuple(name for name, bits in given.items() if bits == 16)  # noqa: PLR2004 - as the model
    return Format(
        bits=tuple(sorted({*plain.bits, *(bits for name, bits in given.items() if name not in kept)})),
        group_size=plain.group_size,
        excluded=(*(plain.excluded or ()), *kept),
    )


def _read_mlx(section: Section) -> Format:
    """
    MLX: every matrix whose rows are whole groups, the embedding with them.

    A group has a scale and a bias of 16 bits, or an 8-bit scale alone in the modes that are named after a
    float (mlx.core.quantize, 0.29). Modules may have bits of their own.
    """
    modules = {name: value for name, value in section.values.items() if "." in name}
    own = {
        name: section.inner(name).bits("bits") for name, value in modules.items() if isinstance(value, dict)
    }
    bits = {section.bits("bits"), *(each for name, each in own.items() if touched(name))}
    affine = section.values.get("mode", "affine") == "affine"
    return Format(
        bits=tuple(sorted(bits)),
        group_size=section.group("group_size"),
        # What is left are routers of other bits, too small to widen a range.
        excluded=tuple(name for name in modules if name not in own or not touched(name)),
        scale_bytes=(4, 4) if affine else (1, 1),
        ends=True,
    )


def _read_compressed_tensors(section: Section) -> Format:
    named = section.inner("config_groups")
    groups = [named.inner(name) for name in named.values]
    weights = [group.inner("weights") for group in groups]
    if not weights:
        raise section.error("config_groups", "found no group; expected how the weights are stored")
    sizes = {weight.group("group_size") or math.prod(_structure(weight) or (0,)) for weight in weights}
    floats = all(weight.values.get("type") == "float" for weight in weights)
    group_size = min((size for size in sizes if size), default=None)
    return Format(
        bits=tuple(sorted({weight.bits("num_bits") for weight in weights})),
        group_size=group_size,
        block=_block_of("rest", groups),
        expert_block=_block_of("experts", groups),
        excluded=section.optional_texts("ignore"),
        scale_bytes=(1, 1) if floats and group_size in (16, 32) else (1, 4),
    )


def _block_of(part: str, groups: Sequence[Section]) -> Block | None:
    """
    Return the block of a part of the model, None where its groups have none or not all the same one.

    A matrix has the scheme of the group whose `targets` name it, else of the one that has its class, as
    `Linear`: find_matched_target in compressed_tensors/utils.py of vLLM 0.32. A name of experts is about
    all of them; a name of others is about some, so that what a class has is theirs, too.
    """
    named = [group for group in groups if part in _named_parts(group)]
    classes = [group for group in groups if _has_class(group)]
    theirs = named if named and part == "experts" else [*named, *classes]
    found = {_structure(group.inner("weights")) for group in theirs}
    return found.pop() if len(found) == 1 else None


def _has_class(group: Section) -> bool:
    """Tell whether a group is for modules of a class; one without `targets` is for all."""
    targets = group.optional_texts("targets")
    return targets is None or not all(map(_is_name, targets))


def _named_parts(group: Section) -> set[str]:
    names = filter(_is_name, group.optional_texts("targets") or ())
    return {part for name in names for part in touched(name)}


def _is_name(target: str) -> bool:
    return "." in target or target.startswith("re:")


def _structure(weights: Section) -> Block | None:
    """Return the rows and columns of one block of the strategy `block`."""
    structure = weights.values.get("block_structure")
    if not isinstance(structure, list):
        return None
    return _block(Section({"weight_block_size": structure}, weights.where))


def _read_bitsandbytes(section: Section) -> Format:
    """NF4 or FP4 with a scale for 64 weights, or int8 with a scale a row; bitsandbytes' defaults."""
    four, eight = section.flag("load_in_4bit"), section.flag("load_in_8bit")
    if four == eight:
        raise section.error("load_in_4bit", "found neither or both of load_in_4bit and load_in_8bit")
    skipped = section.optional_texts("llm_int8_skip_modules") or ("lm_head",)
    return Format(bits=(4,) if four else (8,), group_size=64 if four else None, excluded=skipped)


def _read_hqq(section: Section) -> Format:
    params = section.inner("quant_config")
    if "weight_quant_params" not in params.values:
        raise section.error("quant_config", "expected one weight_quant_params for all layers")
    weights = params.inner("weight_quant_params")
    return Format(
        bits=(weights.bits("nbits"),),
        group_size=weights.group("group_size"),
        excluded=section.optional_texts("skip_modules") or ("lm_head",),
    )


def _read_modelopt(section: Section) -> Format:
    name = section.values.get("quant_algo")
    if not isinstance(name, str) or name.upper() not in _ALGORITHMS:
        raise section.error(
            "quant_algo", f"unknown algorithm {shown(name)}; kvplan reads {', '.join(_ALGORITHMS)}"
        )
    bits, group = _ALGORITHMS[name.upper()]
    return Format(
        bits=bits,
        group_size=section.group("group_size") or group,
        excluded=section.optional_texts("ignore", "exclude_modules"),
        scale_bytes=(1, 1) if group in (16, 32) else (1, 4),
    )


def _named(field: str) -> Callable[[Section], Format]:
    """Return the reader of a method whose *field* is a word that holds the bits: `int4_weight_only`."""

    def read(section: Section) -> Format:
        word = _word(section.values.get(field))
        # Of activations and weights, torchao's words name the weights last.
        found = re.findall(r"(?:int|float|fp)([2348])(?!\d)", word)
        if not found:
            raise section.error(
                field, f"found {shown(section.values.get(field))}; expected a type such as int4"
            )
        bits = int(found[-1])
        # A group is 32 weights at least in these methods' kernels, and a row at most.
        return Format(
            bits=(bits,),
            group_size=32 if bits < 8 else None,  # noqa: PLR2004 - a scale for a row of bytes
            excluded=section.optional_texts(*_SKIPPED) or ("lm_head",),
            scale_bytes=(0, 4),
        )

    return read


def _word(value: Json) -> str:
    """Return the type that torchao names by a word, or as an object for the modules of no other type."""
    if isinstance(value, dict):
        default = value.get("default", value)
        kind = default.get("_type") if isinstance(default, dict) else None
        return str(kind or "").lower()
    return value.lower() if isinstance(value, str) else ""


_FP8 = _fixed(8, None, (1, 4))

READERS: Mapping[str, Callable[[Section], Format]] = {
    "fp8": _read_fp8,
    "fbgemm_fp8": _read_fp8,
    "mxfp4": _read_mxfp4,
    "awq": _read_grouped,
    "gptq": _read_grouped,
    "compressed-tensors": _read_compressed_tensors,
    "bitsandbytes": _read_bitsandbytes,
    "hqq": _read_hqq,
    "modelopt": _read_modelopt,
    "mlx": _read_mlx,
    "auto-round": _read_auto_round,
    "qqq": _read_grouped,
    "rtn": _read_grouped,
    "metal": _read_grouped,
    "sinq": _read_grouped,
    "moe_wna16": _read_grouped,
    "deepspeedfp": _read_grouped,
    "eetq": _named("weights"),
    "quanto": _named("weights"),
    "torchao": _named("quant_type"),
    "fp_quant": _named("forward_dtype"),
    "ptpc_fp8": _FP8,
    "tpu_int8": _FP8,
    # OCP Microscaling Formats v1.0: an 8-bit exponent for 32 weights. NVFP4: an fp8 scale for 16.
    "mxfp8": _fixed(8, 32, (1, 1)),
    "nvfp4": _fixed(4, 16, (1, 1)),
    # Four weights of 2 bits in a byte, one scale for the matrix: integrations/bitnet.py of transformers 5.23.
    "bitnet": _fixed(2, None, (1, 4)),
}
"""What reads the section of each method that says how wide its weights are."""

ALIASES = {
    "compressed_tensors": "compressed-tensors",
    "gptqmodel": "gptq",
    "gptq_marlin": "gptq",
    "gptq_bitblas": "gptq",
    "bitblas": "gptq",
    "marlin": "gptq",
    "awq_marlin": "awq",
    "auto_round": "auto-round",
    "autoround": "auto-round",
    "intel/auto-round": "auto-round",
    "inc": "auto-round",
    "modelopt_fp4": "modelopt",
    "modelopt_mxfp8": "modelopt",
    "modelopt_mixed": "modelopt",
}


def _objects(value: Json) -> list[dict[str, Json]]:
    return [each for each in value.values() if isinstance(each, dict)] if isinstance(value, dict) else []
