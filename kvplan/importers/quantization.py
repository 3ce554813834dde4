"""
How a checkpoint's weights are quantised, as its own config says, and the bytes that this can mean.

The dtype of the KV cache is another matter: it is what the config declares for the cache, and
nothing where the config is silent.
"""

from collections.abc import Iterator, Mapping

from kvplan.errors import ImportedError
from kvplan.importers.quantization_formats import ALIASES, READERS, Block, Format
from kvplan.importers.quantization_layouts import Layout, layout_of
from kvplan.importers.quantization_section import CacheDeclarationError, Config, Section
from kvplan.importers.strict_json import Json, shown
from kvplan.records import record


@record
class Quantization:
    """
    What a config says of its weights' quantisation.

    `bits` are the widths of a stored weight that occur, the smallest first; none where the size of the
    weights is open, and `problem` then says why. `group_size` is how many
    weights share a scale, None where a whole row or tensor does, `block` the rows and columns of these where
    they are not a part of a row, and `expert_block` those of routed experts. `excluded` are the modules left
    in the model's dtype, None if the config does not list them. `kv_dtype` is what it declares for
    the KV cache, None if it declares nothing, and `kv_declared_by` what it is declared by; where that is not
    understood, `kv_problem` says why. `scale_bytes`
    are the fewest and the most bytes that a group's scale and zero point take. `ends` says that embedding
    and output head are quantised, too, and `layout` what is stored of each matrix, where all of it is told.
    """

    method: str
    bits: tuple[int, ...]
    expert_bits: int
    group_size: int | None
    block: Block | None
    scale_bytes: tuple[int, int]
    excluded: tuple[str, ...] | None
    kv_dtype: str | None
    kv_declared_by: str | None = None
    kv_problem: str | None = None
    expert_block: Block | None = None
    ends: bool = False
    problem: str | None = None
    layout: Layout | None = None


def read_quantization(config: Config, hf_quant: Config | None = None, *, file: str) -> Quantization | None:
    """
    Return the quantisation that a config.json and a hf_quant_config.json declare, None if neither does.

    *file* names the config in errors. A cache does not depend on how weights are stored: a method or a
    field that is not known leaves their size open, and a declaration of the KV cache that is not known, or on
    which the two files disagree, leaves its dtype open. Raises ImportedError for a section that is no object.
    """
    place, section = _section(config)
    fields = Section(_unwrapped(section or {}), f"{file}: quantization_config")
    extra = Section(_modelopt_part(hf_quant or {}), "hf_quant_config.json: quantization")
    if section is None and hf_quant is None:
        return None
    main = extra if section is None else fields
    method = _method(main)
    form, problem = _format(main, method)
    excluded = form.excluded if form.excluded is not None else extra.optional_texts("exclude_modules")
    fp4_experts = config.get("expert_dtype") == "fp4" or main.values.get("moe_quant_algo") == "NVFP4"
    declared_by = _declared_by(section, fields, extra, place)
    kv_dtype, kv_problem = _declaration(fields, extra, file)
    return Quantization(
        method=method,
        bits=form.bits,
        expert_bits=4 if fp4_experts else min(form.bits, default=0),
        group_size=form.group_size,
        block=form.block,
        expert_block=form.expert_block,
        scale_bytes=form.scale_bytes,
        excluded=excluded,
        kv_dtype=kv_dtype,
        kv_declared_by=declared_by if kv_dtype else None,
        kv_problem=kv_problem,
        ends=form.ends,
        problem=problem,
        layout=layout_of(method, main),
    )


def _format(section: Section, method: str) -> tuple[Format, str | None]:
    """Return how the weights are stored, or a format without bits and why it is open."""
    if method not in READERS:
        return Format(bits=()), f"the config does not tell it for {method}"
    try:
        return READERS[method](section), None
    except ImportedError as error:
        return Format(bits=()), str(error)


def _section(config: Config) -> tuple[str, Config | None]:
    """Return the part of a config.json that describes the quantisation, and the object that it stands in."""
    nested = {name: config.get(name) for name in ("text_config", "llm_config", "language_config")}
    for place, values in {"": config, **nested}.items():
        for name, value in _sections(values) if isinstance(values, Mapping) else ():
            if isinstance(value, dict) and value:
                return place, value
            if value is not None and value != {}:
                raise ImportedError(f"{name}: found {shown(value)}; expected an object")
    return "", None


def _unwrapped(section: Config) -> Config:
    """Return a section with the fields of its `quantization`, where ModelOpt wrote them before 0.31."""
    inner = section.get("quantization")
    return {**section, **inner} if isinstance(inner, dict) else section


def _sections(place: Config) -> Iterator[tuple[str, Json]]:
    """Yield the fields that may describe it; MLX writes `quantization`, and since 0.21 both."""
    yield from ((name, place.get(name)) for name in ("quantization_config", "compression_config"))
    if _is_mlx(value := place.get("quantization")):
        yield "quantization", value


def _is_mlx(value: Json) -> bool:
    return isinstance(value, dict) and {"group_size", "bits"} <= value.keys() and "quant_method" not in value


def _modelopt_part(hf_quant: Config) -> Config:
    part = hf_quant.get("quantization", {})
    if not isinstance(part, dict):
        raise ImportedError(f"hf_quant_config.json: quantization: found {shown(part)}; expected an object")
    return part


def _method(section: Section) -> str:
    name = section.values.get("quant_method")
    if name is None and section.values.get("quant_algo") is not None:
        return "modelopt"
    if name is None and _is_mlx(dict(section.values)):
        return "mlx"
    return ALIASES.get(name.lower(), name.lower()) if isinstance(name, str) else "a method without a name"


_MODELOPT = ("FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "NVFP4", "MIXED_PRECISION")
"""ModelOpt's algorithms by which vLLM 0.33 knows a section without a method as ModelOpt's."""


def _declared_by(section: Config | None, fields: Section, extra: Section, place: str) -> str:
    """
    Return what declares the KV cache: the method that the section names, or the file beside the config.

    vLLM 0.33 reads the file where a config.json has no section, and takes ModelOpt's declaration from where
    its weights' algorithm stands, too, but never from within a text model's part; that of compressed-tensors
    may stand in `text_config`: get_kv_cache_quant_algo_string in utils/torch_utils.py, and
    _normalize_quantization_config and get_quantization_config in
    transformers_utils/model_arch_config_convertor.py.
    """
    if section is None:
        return "modelopt" if _is_modelopt(extra.values) else "other"
    if not fields.declares_kv():
        return "hf_quant_config"
    name = str(section.get("quant_method") or "").lower().replace("_", "-")
    if name.startswith("compressed-tensors"):
        return "compressed-tensors" if place in ("", "text_config") else "other"
    inner = section.get("quantization")
    wrapped = isinstance(inner, dict) and _is_modelopt(inner)
    return "modelopt" if not place and (wrapped or name.startswith("modelopt")) else "other"


def _is_modelopt(part: Config) -> bool:
    return str(part.get("quant_algo") or "").upper() in _MODELOPT


def _declaration(fields: Section, extra: Section, file: str) -> tuple[str | None, str | None]:
    """Return the dtype declared for the KV cache, and why what is declared is not understood."""
    try:
        return _one_declaration(fields.kv_dtype(), extra.kv_dtype(), file), None
    except CacheDeclarationError as error:
        return None, error.line


def _one_declaration(config: str | None, hf_quant: str | None, file: str) -> str | None:
    if config and hf_quant and config != hf_quant:
        raise CacheDeclarationError(
            f"{file} declares a KV cache of {config}, hf_quant_config.json one of {hf_quant}"
        )
    return config or hf_quant
