"""The spec of a model: facts with their source, and the terms that they lower to."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from kvplan.attention import Kind, kind_class, kind_names
from kvplan.attention.base import Count, Facts
from kvplan.attention.uncached import Shared
from kvplan.dtypes import dtype_by_name, model_dtype, model_dtype_words
from kvplan.errors import KvplanError
from kvplan.frozen import FrozenDict
from kvplan.ggml_types import weight_dtype as stored_as
from kvplan.specs.draft_module import DraftModule
from kvplan.specs.mlp import Mlp
from kvplan.specs.names import MAX_LENGTH
from kvplan.specs.parts import ModelParts
from kvplan.specs.runs import MAX_LAYERS, LayerRun, unrolled
from kvplan.specs.weight_blocks import WeightBlocks
from kvplan.terms import Layer, Target
from kvplan.units import ceil_div

if TYPE_CHECKING:
    from kvplan.specs.readings import Reading

GIVEN = "given by you"
"""The source of a spec that names none: a person's own design."""

_ONLY = ""
"""The name of the layer type of a model that has a single one."""


Size = Annotated[int, Field(ge=0, le=10**18)]


class StoredParts(Facts):
    """
    The bytes of a file's tensors, by where an engine that splits a model by layers keeps them.

    `embedding_bytes` are those of the token embedding, `inputs_bytes` of what stands beside it before the
    first layer, `layers_bytes` of each layer, `head_bytes` of all behind the last, with an output matrix of
    its own if there is one, and `everywhere_bytes` of tables that every device has whole.
    """

    embedding_bytes: Size
    inputs_bytes: Size = 0
    layers_bytes: Annotated[tuple[Size, ...], Field(strict=False)]
    head_bytes: Size
    everywhere_bytes: Size = 0


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


_ModelDtype = Annotated[
    Literal["bfloat16", "float16", "float32"],
    BeforeValidator(_model_dtype),
    WithJsonSchema({"enum": model_dtype_words(), "type": "string"}, mode="validation"),
]
_CacheDtype = Literal["fp8", "int8", "nvfp4"]
_DeclaredBy = Literal["modelopt", "compressed-tensors", "hf_quant_config", "other"]
_AnyKind = Annotated[SerializeAsAny[Kind], PlainValidator(_kind)]
_AttentionByName = Annotated[
    dict[str, tuple[_AnyKind, ...]], BeforeValidator(_named_kinds), AfterValidator(FrozenDict)
]
_Runs = Annotated[tuple[LayerRun, ...], BeforeValidator(_runs)]
Total = Annotated[int, Field(ge=1, le=10**18)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=MAX_LENGTH)]
Text = Annotated[str, Field(min_length=1)]


class ModelSpec(Facts):
    """
    What kvplan knows of a model; `kvplan schema` prints the form of its file.

    A file without `name` is called as it is named; `source` and `max_context`, the longest context
    that the model was made for, are facts of published models, and a design of one's own has neither.
    `architecture` is the model type of the text model, as its config.json has it (`llama`,
    `gemma3_text`), or a word of its own where there is none; engines know their class for it by this.
    `longest_context` is the longest that engines take by the config, where that is not `max_context`.
    `dtype` is the checkpoint's own and that of its KV cache unless another is asked for; it is `dtype_open`
    where the source names none, so that whoever runs the model decides.
    `weight_dtype` is given where the published weights are stored otherwise, `weight_bytes` where a source
    gives their exact size, and `weight_blocks` where blocks of them share a scale; they are `weights_open`
    where only who asks can tell their format, or for the reason why a config that was read does not tell it.
    `quantized` lists hub ids with the same cache and other
    weights, whose size kvplan does not know. `kv_cache_dtype` is what the
    checkpoint declares for its KV cache, and `kv_cache_by` the method, or the file, that declares it, as not
    every engine heeds each; `kv_cache_open` says why a declaration is not understood, so that whoever runs
    the model decides; `quantized_kv` has what releases of `quantized` declare, by ModelOpt. `states_fixed`
    says that the release's config or code fixes the dtype of recurrent states, so that an engine does not
    choose its own. `hidden` is the width of the residual stream, `vocab` the rows of the embedding as
    stored; it is `tied` where the output head is the same matrix, and neither tied nor untied where there is
    no head. `replicated` parameters, counted of the text model alone, are whole on every tensor-parallel
    rank. `mlp` has the widths of the MLPs. `draft` is the module that the checkpoint brings to draft tokens,
    which nothing else here counts. `parts` are all `parameters` by layer and part, with their bytes
    where the release stores some otherwise than in `dtype`; a model without them is spread evenly.
    `uncounted` names parts of the model that neither `parameters` nor `weight_bytes` counts, towers for
    images and sounds, or why nothing is counted. `tensors` are parts of `weight_bytes`, as a file's own
    tensors give them. `ignored` names fields of the source that could change the memory and that the user had
    ignored, `unread` unknown ones that cannot. `read_as` is the name that was asked for, where it means this
    model by its words alone, and `read_by` says how it was read.
    """

    name: Name
    hf_id: Text | None = None
    aliases: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    quantized: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    quantized_kv: Annotated[
        dict[Text, _CacheDtype], AfterValidator(FrozenDict), Field(default_factory=FrozenDict)
    ]
    source: Text = GIVEN
    notes: Text | None = None
    architecture: Name | None = None
    dtype: _ModelDtype
    dtype_open: bool = False
    max_context: Count | None = None
    longest_context: Count | None = None
    parameters: Total | None = None
    weight_dtype: Annotated[str, AfterValidator(_known_dtype)] | None = None
    weight_bytes: Total | None = None
    weight_blocks: WeightBlocks | None = None
    weights_open: bool | Text = False
    kv_cache_dtype: _CacheDtype | None = None
    kv_cache_by: _DeclaredBy | None = None
    kv_cache_open: Text | None = None
    hidden: Count | None = None
    vocab: Count | None = None
    tied: bool | None = None
    replicated: Annotated[int, Field(ge=0, le=10**18)] | None = None
    mlp: Mlp | None = None
    draft: DraftModule | None = None
    uncounted: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    states_fixed: bool = False
    tensors: StoredParts | None = None
    parts: ModelParts | None = None
    ignored: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    unread: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    read_as: Text | None = None
    read_by: Text | None = None
    attention: _AttentionByName
    layers: _Runs

    @field_validator("vocab", "tied", "replicated")
    @classmethod
    def _parts_are_within_the_whole(cls, value: int | None, info: ValidationInfo) -> int | None:
        facts = {**info.data, str(info.field_name): value}
        embedding = (facts.get("vocab") or 0) * (facts.get("hidden") or 0)
        parts = embedding * (2 if facts.get("tied") is False else 1) + (facts.get("replicated") or 0)
        if (total := facts.get("parameters")) is not None and parts > total:
            raise ValueError(f"with this, embedding, head and replicated parameters are {parts} of {total}")
        return value

    @field_validator("parts")
    @classmethod
    def _parts_are_the_whole(cls, value: ModelParts | None, info: ValidationInfo) -> ModelParts | None:
        total = info.data.get("parameters")
        if value is not None and value.parameters() != total:
            raise ValueError(f"the parts have {value.parameters()} parameters, and parameters is {total}")
        return value

    @field_validator("attention")
    @classmethod
    def _kinds_are_given(cls, value: dict[str, tuple[Kind, ...]]) -> dict[str, tuple[Kind, ...]]:
        if empty := {name for name, kinds in value.items() if not kinds}:
            raise ValueError(f"no kind is given for {_names(empty)}; use {{kind: none}} for no cache")
        return value

    @field_validator("layers")
    @classmethod
    def _types_are_known(cls, value: tuple[LayerRun, ...], info: ValidationInfo) -> tuple[LayerRun, ...]:
        if (count := sum(run.repeat * len(run.pattern) for run in value)) > MAX_LAYERS:
            raise ValueError(f"{count} layers are more than {MAX_LAYERS}")
        used = {name for run in value for name in run.pattern}
        known = set(info.data.get("attention", used))
        if unknown := used - known:
            raise ValueError(f"layers name {_names(unknown)}, but attention has {_names(known)}")
        if (stored := info.data.get("tensors")) and len(stored.layers_bytes) != count:
            raise ValueError(f"tensors has {len(stored.layers_bytes)} layers_bytes for {count} layers")
        if (parts := info.data.get("parts")) and (told := len(parts.of_layers)) != count:
            raise ValueError(f"parts has {told} layers, and the model {count}")
        if unused := known - used:
            raise ValueError(f"attention describes {_names(unused)}, which layers do not use")
        return value

    @field_validator("attention")
    @classmethod
    def _a_draft_has_known_layers(
        cls, value: dict[str, tuple[Kind, ...]], info: ValidationInfo
    ) -> dict[str, tuple[Kind, ...]]:
        draft = info.data.get("draft")
        if draft is not None and (unknown := {*draft.pattern} - {*value}):
            raise ValueError(f"draft names {_names(unknown)}, but attention has {_names({*value})}")
        return value

    def __hash__(self) -> int:
        # Of some fields, as a copy may have a plain dict; specs that are equal have all of them equal.
        return hash((self.name, self.dtype, self.parameters, self.layers))

    @property
    def layer_types(self) -> tuple[str, ...]:
        """The name of each layer's type, from the first layer to the last."""
        return unrolled(self.layers)

    @property
    def layer_count(self) -> int:
        """The number of layers, L."""
        return len(self.layer_types)

    @property
    def has_experts(self) -> bool:
        """Whether a layer is known to be a mixture of experts."""
        widths = self.mlp is not None and self.mlp.experts_per_token is not None
        return widths or (self.parts is not None and self.parts.has_experts)

    @property
    def scales_cache(self) -> bool:
        """Whether the release is known to bring scales for a KV cache in fp8, or to be made for them."""
        blocks = self.weight_blocks is not None and self.weight_blocks.by == "fp8"
        return blocks or self.kv_cache_by in ("modelopt", "compressed-tensors")

    def changed(self, **facts: Any) -> "ModelSpec":  # noqa: ANN401 - any facts, which are checked
        """
        Return this spec with other *facts*, checked as a file's are: `spec.changed(max_context=65536)`.

        Raises a pydantic.ValidationError for what is no fact, or none that there can be.
        """
        return type(self).model_validate(dict(self) | facts)

    def as_quantized(self, hub_id: str) -> "ModelSpec":
        """Return the spec of a quantised release: the same cache and parameters, in a format not known."""
        declared = self.quantized_kv.get(hub_id)
        changes = {
            "weight_dtype": None,
            "weight_bytes": None,
            "weight_blocks": None,
            "weights_open": True,
            "tensors": None,
            "parts": self.parts and self.parts.without_bytes(),
            "kv_cache_dtype": declared,
            "kv_cache_by": "modelopt" if declared else None,
        }
        known = hub_id if hub_id.count("/") == 1 and ":" not in hub_id else None
        return self.model_copy(update={"hf_id": known, **changes})

    def as_read(self, name: str, reading: "Reading") -> "ModelSpec":
        """Return the spec for a *name* that means this model: its cache, and weights where they are known."""
        spec, dtype = self, reading.sixteen_bits
        if reading.other_weights:
            spec = self.as_quantized(name)
            if not reading.same_parameters:
                spec = spec.model_copy(update={"parameters": None, "parts": None, "uncounted": ()})
            # Nobody stores a format beside numbers of 32 bits: the release's dtype is another, unless it is
            # a GGUF, whose cache is as import_gguf has it.
            narrower = {"dtype": "float16"} if reading.gguf else {"dtype_open": True}
            spec = spec.model_copy(update=narrower if self.dtype == "float32" else {})
        elif dtype is not None:
            # The catalogue's release may be in fewer bits; in these each parameter has two bytes.
            stored = {"dtype": dtype, "weight_dtype": dtype_by_name(dtype).name}
            others = {"weight_bytes": None, "weight_blocks": None, "tensors": None}
            parts = self.parts and self.parts.without_bytes()
            spec = self.model_copy(update={**stored, **others, "parts": parts})
        changes = {"read_as": name, "read_by": reading.how, "max_context": reading.max_context}
        return spec.model_copy(update={key: value for key, value in changes.items() if value is not None})

    def with_weights_in(self, weight_dtype: str | None) -> "ModelSpec":
        """Return the spec without the blocks of its weights, where these are asked for in another dtype."""
        if weight_dtype is None or self.weight_blocks is None or stored_as(weight_dtype).name == "fp8":
            return self
        return self.model_copy(update={"weight_blocks": None})

    def kinds(self) -> tuple[Kind, ...]:
        """Return each attention kind that the model has, once."""
        return tuple(dict.fromkeys(kind for kinds in self.attention.values() for kind in kinds))

    def readers(self, layer_type: str) -> tuple[int | None, ...]:
        """Return the window of the rows that a layer reads of another one, for each kind that does so."""
        return tuple(kind.window for kind in self.attention[layer_type] if isinstance(kind, Shared))

    def lower_types(self, target: Target) -> dict[str, Layer]:
        """Return the terms of each layer type by its name."""
        return {name: _lower_side_by_side(kinds, target) for name, kinds in self.attention.items()}

    def lower(self, target: Target) -> tuple[Layer, ...]:
        """Return the terms of every layer, from the first to the last."""
        lowered = self.lower_types(target)
        return tuple(lowered[name] for name in self.layer_types)

    def weights(self, weight_dtype: str | None = None) -> int | None:
        """
        Return the bytes of all weights of one replica, or None if the spec does not tell.

        In *weight_dtype* if one is asked for; else the published size, or the parameters in the
        dtype in which they are published, which is nowhere where they are `weights_open`.
        """
        if weight_dtype is None and self.weights_open:
            return None
        if weight_dtype is None and self.weight_bytes is not None:
            return self.weight_bytes
        if self.parameters is None:
            return None
        dtype = stored_as(weight_dtype or self.weight_dtype or self.dtype)
        return ceil_div(self.parameters * dtype.block_bytes, dtype.block)


def _lower_side_by_side(kinds: tuple[Kind, ...], target: Target) -> Layer:
    """Return the terms of kinds that one layer runs side by side, their allocations kept apart."""
    terms: Layer = ()
    for number, kind in enumerate(kinds, start=1):
        taken = {term.allocation for term in terms}
        terms += tuple(
            replace(term, allocation=replace(term.allocation, number=number))
            if term.allocation in taken
            else term
            for term in kind.lower(target)
        )
    return terms


def _names(names: set[str]) -> str:
    return ", ".join(repr(name[:40]) if name else "one unnamed layer type" for name in sorted(names))
