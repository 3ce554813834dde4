"""The ways in which the fields of a spec's file may be written, each brought to one."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainValidator, SerializeAsAny, WithJsonSchema

from kvplan.attention import Kind, kind_class, kind_names
from kvplan.dtypes import dtype_by_name, model_dtype, model_dtype_words
from kvplan.errors import KvplanError
from kvplan.frozen import FrozenDict
from kvplan.specs.runs import LayerRun

_ONLY = ""
"""The name of the layer type of a model that has a single one."""


def _is_shape(value: Any) -> bool:  # noqa: ANN401 - what a file holds
    return isinstance(value, dict | tuple | list | Kind)


def _named_kinds(value: Any) -> Any:  # noqa: ANN401 - what a file holds
    """Bring the three ways to write `attention` to one: a tuple of kinds for each layer type."""
    if not isinstance(value, dict) or not value:
        raise ValueError(
            "expected an attention kind, as in {kind: gqa, heads: 32, groups: 8, head_dim: 128}, "
            "or a kind for each named layer type"
        )
    if "kind" in value:
        return {_ONLY: (value,)}
    if any(type(each) is int for each in value.values()) and not any(map(_is_shape, value.values())):
        raise ValueError(f"found no kind; expected one of {', '.join(kind_names())}, as in kind: gqa")
    return {name: kinds if isinstance(kinds, tuple) else (kinds,) for name, kinds in value.items()}


def _kind(value: Any) -> Kind:  # noqa: ANN401 - what a file holds
    """Read one attention kind; a ValidationError of its class keeps its place in the file."""
    if isinstance(value, Kind):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ValueError("expected an attention kind: a mapping with the key 'kind'")  # noqa: TRY004
    try:
        kind = kind_class(value["kind"])
    except KvplanError as error:
        raise ValueError(str(error)) from None
    return kind.model_validate(value)


def _runs(value: Any) -> Any:  # noqa: ANN401 - what a file holds
    """Bring `layers: 32` to a run of the only layer type."""
    if type(value) is int:
        return ({"repeat": value, "pattern": (_ONLY,)},)
    if not isinstance(value, tuple | list) or all(isinstance(each, str) for each in value):
        raise ValueError("expected a number of layers, or a list of {repeat, pattern}")
    return tuple(value)


def _known_dtype(name: str) -> str:
    try:
        return dtype_by_name(name).name
    except KvplanError as error:
        raise ValueError(str(error)) from None


def _model_dtype(value: Any) -> Any:  # noqa: ANN401 - what a file holds
    """Return torch's name of a dtype, and what is none as it is, to be refused."""
    return (model_dtype(value) or value) if isinstance(value, str) else value


ModelDtype = Annotated[
    Literal["bfloat16", "float16", "float32"],
    BeforeValidator(_model_dtype),
    WithJsonSchema({"enum": model_dtype_words(), "type": "string"}, mode="validation"),
]
WeightDtype = Annotated[str, AfterValidator(_known_dtype)]
CacheDtype = Literal["fp8", "int8", "nvfp4"]
DeclaredBy = Literal["modelopt", "compressed-tensors", "hf_quant_config", "other"]
AnyKind = Annotated[SerializeAsAny[Kind], PlainValidator(_kind)]
AttentionByName = Annotated[
    dict[str, tuple[AnyKind, ...]], BeforeValidator(_named_kinds), AfterValidator(FrozenDict)
]
Runs = Annotated[tuple[LayerRun, ...], BeforeValidator(_runs)]
