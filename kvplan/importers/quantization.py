"""
How a checkpoint's weights are quantised, as its own config says, and the bytes that this can mean.

The dtype of the KV cache is another matter: it is what the config declares for the cache, and
nothing where the config is silent.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kvplan.errors import ImportedError, did_you_mean
from kvplan.importers.quantization_section import Config, Section
from kvplan.importers.strict_json import Json, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """
    What a config says of its weights' quantisation.

    `bits` are the widths of a stored weight that occur, the smallest first. `group_size` is how many
    weights share a scale, None where a whole row or tensor does. `excluded` are the modules left
    in the model's dtype, None if the config does not list them. `kv_dtype` is what it declares for
    the KV cache, None if it declares nothing. `scale_bytes` are the fewest and the most bytes that a
    group's scale and zero point take.
    """

    method: str
    bits: tuple[int, ...]
    expert_bits: int
    group_size: int | None
    scale_bytes: tuple[int, int]
    excluded: tuple[str, ...] | None
    kv_dtype: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """What the fields of one method say: widths and group; `excluded` None if it does not say."""

    bits: tuple[int, ...]
    group_size: int | None = None
    excluded: tuple[str, ...] | None = None
    scale_bytes: tuple[int, int] = (1, 4)


def read_quantization(config: Config, hf_quant: Config | None = None, *, file: str) -> Quantization | None:
    """
    Return the quantisation that a config.json and a hf_quant_config.json declare, None if neither does.

    *file* names the config in errors. Raises ImportedError for a method, a field or a KV cache
    declaration that is not known, and where the two files disagree.
    """
    section = _section(config)
    fields = Section(section or {}, f"{file}: quantization_config")
    extra = Section(_modelopt_part(hf_quant or {}), "hf_quant_config.json: quantization")
    if section is None and hf_quant is None:
        return None
    main = extra if section is None else fields
    method = _method(main)
    form = _READERS[method](main)
    excluded = form.excluded if form.excluded is not None else extra.optional_texts("exclude_modules")
    fp4_experts = config.get("expert_dtype") == "fp4" or main.values.get("moe_quant_algo") == "NVFP4"
    return Quantization(
        method=method,
        bits=form.bits,
        expert_bits=4 if fp4_experts else form.bits[0],
        group_size=form.group_size,
        scale_bytes=form.scale_bytes,
        excluded=excluded,
        kv_dtype=_one_declaration(fields.kv_dtype(), extra.kv_dtype(), file),
    )


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


def _section(config: Config) -> Config | None:
    """Return the part of a config.json that describes the quantisation, wherever it stands."""
    nested = [config.get(name) for name in ("text_config", "llm_config", "language_config")]
    for place in (config, *(value for value in nested if isinstance(value, dict))):
        for name in ("quantization_config", "compression_config"):
            value = place.get(name)
            if isinstance(value, dict) and value:
                return value
            if value is not None and value != {}:
                raise ImportedError(f"{name}: found {shown(value)}; expected an object")
    return None


def _modelopt_part(hf_quant: Config) -> Config:
    part = hf_quant.get("quantization", {})
    if not isinstance(part, dict):
        raise ImportedError(f"hf_quant_config.json: quantization: found {shown(part)}; expected an object")
    return part


def _method(section: Section) -> str:
    name = section.values.get("quant_method")
    if name is None and section.values.get("quant_algo") is not None:
        return "modelopt"
    method = _ALIASES.get(str(name), str(name))
    if not isinstance(name, str) or method not in _READERS:
        raise section.error(
            "quant_method",
            f"unknown quantisation {shown(name)}{did_you_mean(str(name), list(_READERS))}; "
            f"kvplan reads {', '.join(_READERS)}",
        )
    return method


def _read_fp8(section: Section) -> _Format:
    """Fine-grained fp8: `weight_block_size` 128 x 128 shares a scale, null one for the tensor."""
    return _Format(
        bits=(8,),
        group_size=_block(section),
        excluded=section.optional_texts("modules_to_not_convert", "ignored_layers", "ignore"),
    )


def _block(section: Section) -> int | None:
    block = section.values.get("weight_block_size")
    if block is None:
        return None
    sides = (
        [each for each in block if type(each) is int and 0 < each <= 2**15] if isinstance(block, list) else []
    )
    if len(sides) != 2 or block != sides:  # noqa: PLR2004 - rows and columns
        raise section.error("weight_block_size", f"found {shown(block)}; expected two whole numbers")
    return math.prod(sides)


def _read_mxfp4(section: Section) -> _Format:
    """32 values of 4 bits and one 8-bit exponent: OCP Microscaling Formats (MX) v1.0."""
    excluded = section.optional_texts("modules_to_not_convert")
    return _Format(bits=(4,), group_size=32, excluded=excluded, scale_bytes=(1, 1))


def _read_grouped(section: Section) -> _Format:
    """AWQ and GPTQ: `bits` and `group_size`; the embedding and the output head stay as they were."""
    bits = section.bits("w_bit" if "w_bit" in section.values else "bits")
    dynamic = _objects(section.values.get("dynamic"))
    overrides = [Section(each, f"{section.where}.dynamic").bits("bits") for each in dynamic if "bits" in each]
    excluded = section.optional_texts("modules_to_not_convert", "modules_not_convert") or ()
    head = () if section.flag("lm_head") else ("lm_head",)
    return _Format(
        bits=tuple(sorted({bits, *overrides})),
        group_size=section.group("q_group_size" if "q_group_size" in section.values else "group_size"),
        excluded=(*excluded, *head),
    )


def _read_compressed_tensors(section: Section) -> _Format:
    groups = section.inner("config_groups")
    weights = [groups.inner(name).inner("weights") for name in groups.values]
    if not weights:
        raise section.error("config_groups", "found no group; expected how the weights are stored")
    sizes = {weight.group("group_size") or _structure(weight) for weight in weights}
    floats = all(weight.values.get("type") == "float" for weight in weights)
    group_size = min((size for size in sizes if size), default=None)
    return _Format(
        bits=tuple(sorted({weight.bits("num_bits") for weight in weights})),
        group_size=group_size,
        excluded=section.optional_texts("ignore"),
        scale_bytes=(1, 1) if floats and group_size in (16, 32) else (1, 4),
    )


def _structure(weights: Section) -> int | None:
    """Return the weights of one block of the strategy `block`."""
    structure = weights.values.get("block_structure")
    if not isinstance(structure, list):
        return None
    return _block(Section({"weight_block_size": structure}, weights.where))


def _read_bitsandbytes(section: Section) -> _Format:
    """NF4 or FP4 with a scale for 64 weights, or int8 with a scale a row; bitsandbytes' defaults."""
    four, eight = section.flag("load_in_4bit"), section.flag("load_in_8bit")
    if four == eight:
        raise section.error("load_in_4bit", "found neither or both of load_in_4bit and load_in_8bit")
    skipped = section.optional_texts("llm_int8_skip_modules") or ("lm_head",)
    return _Format(bits=(4,) if four else (8,), group_size=64 if four else None, excluded=skipped)


def _read_hqq(section: Section) -> _Format:
    params = section.inner("quant_config")
    if "weight_quant_params" not in params.values:
        raise section.error("quant_config", "expected one weight_quant_params for all layers")
    weights = params.inner("weight_quant_params")
    return _Format(
        bits=(weights.bits("nbits"),),
        group_size=weights.group("group_size"),
        excluded=section.optional_texts("skip_modules") or ("lm_head",),
    )


def _read_modelopt(section: Section) -> _Format:
    name = section.values.get("quant_algo")
    if not isinstance(name, str) or name.upper() not in _ALGORITHMS:
        raise section.error(
            "quant_algo", f"unknown algorithm {shown(name)}; kvplan reads {', '.join(_ALGORITHMS)}"
        )
    bits, group = _ALGORITHMS[name.upper()]
    return _Format(
        bits=bits,
        group_size=section.group("group_size") or group,
        excluded=section.optional_texts("ignore", "exclude_modules"),
        scale_bytes=(1, 1) if group in (16, 32) else (1, 4),
    )


_READERS: Mapping[str, Callable[[Section], _Format]] = {
    "fp8": _read_fp8,
    "fbgemm_fp8": _read_fp8,
    "mxfp4": _read_mxfp4,
    "awq": _read_grouped,
    "gptq": _read_grouped,
    "compressed-tensors": _read_compressed_tensors,
    "bitsandbytes": _read_bitsandbytes,
    "hqq": _read_hqq,
    "modelopt": _read_modelopt,
}
_ALIASES = {
    "compressed_tensors": "compressed-tensors",
    "gptqmodel": "gptq",
    "modelopt_fp4": "modelopt",
    "modelopt_mxfp8": "modelopt",
    "modelopt_mixed": "modelopt",
}


def _one_declaration(config: str | None, hf_quant: str | None, file: str) -> str | None:
    if config and hf_quant and config != hf_quant:
        raise ImportedError(
            f"{file} declares a KV cache of {config}, hf_quant_config.json one of {hf_quant}; give --kv-dtype"
        )
    return config or hf_quant


def _objects(value: Json) -> list[dict[str, Json]]:
    return [each for each in value.values() if isinstance(each, dict)] if isinstance(value, dict) else []
