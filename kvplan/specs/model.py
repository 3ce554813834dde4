"""The spec of a model: facts with their source, and the terms that they lower to."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from kvplan.attention import Kind
from kvplan.attention.base import Count, Facts
from kvplan.dtypes import dtype_by_name
from kvplan.frozen import FrozenDict
from kvplan.ggml_types import is_of_gguf
from kvplan.ggml_types import weight_dtype as stored_as
from kvplan.specs.mlp import Mlp
from kvplan.specs.names import MAX_LENGTH
from kvplan.specs.runs import MAX_LAYERS, LayerRun, unrolled
from kvplan.specs.seldom import (
    DraftModule,
    ModelParts,
    QuantizedWeights,
    StoredParts,
    Vision,
    WeightBlocks,
)
from kvplan.specs.written import AttentionByName, CacheDtype, DeclaredBy, ModelDtype, Runs, WeightDtype
from kvplan.terms import Layer, Target
from kvplan.units import ceil_div

GIVEN = "given by you"
"""The source of a spec that names none: a person's own design."""


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
    Of a GGUF file llama.cpp alone knows what it is: `computed_as` is the model type as which it does.
    `longest_context` is the longest that engines take by the config, where that is not `max_context`, and
    `yarn_context` the original positions times the factor of its YaRN, where these are other than that.
    `dtype` is the checkpoint's own and that of its KV cache unless another is asked for; it is `dtype_open`
    where the source names none, so that whoever runs the model decides.
    `weight_dtype` is given where the published weights are stored otherwise, `weight_bytes` where a source
    gives their exact size, or the most that it leaves open where the fewest are `weight_least_bytes`, and
    `weight_blocks` where blocks of them share a scale; they are `weights_open`
    where only who asks can tell their format, or for the reason why a config that was read does not tell it.
    `weights_by` is the method of their quantisation where it has scales for a KV cache, too.
    `quantized` lists hub ids with the same cache and other weights, whose size kvplan does not know but for
    those of `quantized_weights`. `kv_cache_dtype` is what the checkpoint declares for its KV cache, and
    `kv_cache_by` the method, or the file, that declares it, as not every engine heeds each; `kv_cache_open`
    says why a declaration is not understood, so that whoever runs the model decides; `quantized_kv` has what
    releases of `quantized` declare, by ModelOpt. `states_fixed` says that the release's config or code fixes
    the dtype of recurrent states, so that an engine does not choose its own. `hidden` is the width of the
    residual stream, `vocab` the rows of the embedding as stored; it is `tied` where the output head is the
    same matrix, and neither tied nor untied where there is no head. `replicated` parameters, counted of the
    text model alone, are whole on every tensor-parallel rank. `mlp` has the widths of the MLPs, and `vision`
    those of a tower of images. `rotations` are the positions in tables of rotary embeddings, where they are
    not those of `max_context` once. `draft` is the module that the checkpoint brings to draft tokens, which
    nothing else here counts; `draft_tokens` are those that a draft is made to draft at once, DFlash's block.
    `parts` are all `parameters` by layer and part, with their bytes where the
    release stores some otherwise than in `dtype`; a model without them is spread evenly. `uncounted` names
    parts of the model that neither `parameters` nor `weight_bytes` counts, towers for images and sounds, or
    why nothing is counted. `tensors` are parts of `weight_bytes`, as a file's own tensors give them.
    `ignored` names fields of the source that could change the memory and that the user had ignored, `unread`
    unknown ones that cannot, and `left_out` says what its class takes for those that it lacks. `read_as` is
    the name that was asked for, where it means this model by its words alone, and `read_by` says how it was
    read.
    """

    name: Name
    hf_id: Text | None = None
    aliases: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    quantized: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    quantized_kv: Annotated[
        dict[Text, CacheDtype], AfterValidator(FrozenDict), Field(default_factory=FrozenDict)
    ]
    quantized_weights: Annotated[
        dict[Text, QuantizedWeights], AfterValidator(FrozenDict), Field(default_factory=FrozenDict)
    ]
    source: Text = GIVEN
    notes: Text | None = None
    architecture: Name | None = None
    computed_as: Name | None = None
    dtype: ModelDtype
    dtype_open: bool = False
    max_context: Count | None = None
    longest_context: Count | None = None
    yarn_context: Count | None = None
    parameters: Total | None = None
    weight_dtype: WeightDtype | None = None
    weight_bytes: Total | None = None
    weight_least_bytes: Total | None = None
    weight_blocks: WeightBlocks | None = None
    weights_open: bool | Text = False
    weights_by: Literal["fp8", "modelopt"] | None = None
    kv_cache_dtype: CacheDtype | None = None
    kv_cache_by: DeclaredBy | None = None
    kv_cache_open: Text | None = None
    hidden: Count | None = None
    vocab: Count | None = None
    tied: bool | None = None
    replicated: Annotated[int, Field(ge=0, le=10**18)] | None = None
    mlp: Mlp | None = None
    vision: Vision | None = None
    rotations: Count | None = None
    draft: DraftModule | None = None
    draft_tokens: Count | None = None
    uncounted: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    states_fixed: bool = False
    tensors: StoredParts | None = None
    parts: ModelParts | None = None
    ignored: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    unread: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    left_out: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    read_as: Text | None = None
    read_by: Text | None = None
    attention: AttentionByName
    layers: Runs

    @field_validator("vocab", "tied", "replicated")
    @classmethod
    def _parts_are_within_the_whole(cls, value: int | None, info: ValidationInfo) -> int | None:
        facts = {**info.data, str(info.field_name): value}
        embedding = (facts.get("vocab") or 0) * (facts.get("hidden") or 0)
        parts = embedding * (2 if facts.get("tied") is False else 1) + (facts.get("replicated") or 0)
        if (total := facts.get("parameters")) is not None and parts > total:
            raise ValueError(f"with this, embedding, head and replicated parameters are {parts} of {total}")
        return value

    @field_validator("weight_least_bytes")
    @classmethod
    def _least_is_less(cls, value: int | None, info: ValidationInfo) -> int | None:
        most = info.data.get("weight_bytes")
        if value is not None and (most is None or value >= most):
            raise ValueError(f"weight_least_bytes are {value}, and weight_bytes {most}: expected fewer")
        return value

    @field_validator("parts")
    @classmethod
    def _parts_are_the_whole(cls, value: ModelParts | None, info: ValidationInfo) -> ModelParts | None:
        total = info.data.get("parameters")
        if value is not None and value.parameters() != total:
            raise ValueError(f"the parts have {value.parameters()} parameters, and parameters is {total}")
        if releases := info.data.get("quantized_weights"):
            if value is None or {*releases} - {*info.data.get("quantized", ())}:
                raise ValueError(
                    f"quantized_weights are of {_names({*releases})}, not of parts and quantized"
                )
            from kvplan.specs.quantized import same_parameters  # noqa: PLC0415 - few have such releases

            same_parameters(value, releases)
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
    def dense_width(self) -> int | None:
        """The width of the widest dense MLP, as `mlp` has it; None where no layer is known to have one."""
        if self.mlp is None or (self.has_experts and not (self.parts is not None and self.parts.has_dense)):
            return None
        return self.mlp.intermediate

    @property
    def met_by_all(self) -> Mlp | None:
        """The widths of MLPs, where `parts` tell: the widest that every token meets, be it beside experts."""
        if self.mlp is None or self.parts is None or self.hidden is None:
            return self.mlp
        matrices = 2 + self.mlp.gated
        dense = self.parts.widest("dense", matrices, self.hidden)
        if dense and self.mlp.intermediate:  # A layer may have several, and biases.
            dense = self.mlp.intermediate
        width = max(dense, self.parts.widest("shared", matrices, self.hidden))
        return self.mlp.model_copy(update={"intermediate": width or None})

    @property
    def scales_cache(self) -> bool:
        """Whether the release is known to bring scales for a KV cache in fp8, or to be made for them."""
        return self.weights_by is not None or self.kv_cache_by in ("modelopt", "compressed-tensors")

    def changed(self, **facts: Any) -> "ModelSpec":  # noqa: ANN401 - any facts, which are checked
        """
        Return this spec with other *facts*, checked as a file's are: `spec.changed(max_context=65536)`.

        Raises a pydantic.ValidationError for what is no fact, or none that there can be.
        """
        return type(self).model_validate(dict(self) | facts)

    def kinds(self) -> tuple[Kind, ...]:
        """Return each attention kind that the model has, once."""
        return tuple(dict.fromkeys(kind for kinds in self.attention.values() for kind in kinds))

    def readers(self, layer_type: str) -> tuple[int | None, ...]:
        """Return the window of the rows that a layer reads of another one, for each kind that does so."""
        return tuple(window for kind in self.attention[layer_type] for window in kind.reads())

    def lower_types(self, target: Target) -> dict[str, Layer]:
        """Return the terms of each layer type by its name."""
        return {name: _lower_side_by_side(kinds, target) for name, kinds in self.attention.items()}

    def lower(self, target: Target) -> tuple[Layer, ...]:
        """Return the terms of every layer, from the first to the last."""
        lowered = self.lower_types(target)
        return tuple(lowered[name] for name in self.layer_types)

    def weights(self, weight_dtype: str | None = None, *, plain_ends: bool = False) -> int | None:
        """
        Return the bytes of all weights of one replica, or None if the spec does not tell.

        In *weight_dtype* if one is asked for, with *plain_ends* but embedding and head, if it has fewer bits
        than the model's; else the published size, or the parameters in the dtype in which they are published,
        which is nowhere where they are `weights_open`.
        """
        if weight_dtype is None and self.weights_open:
            return None
        if weight_dtype is None and self.weight_bytes is not None:
            return self.weight_bytes
        if self.parameters is None:
            return None
        dtype = stored_as(weight_dtype or self.weight_dtype or self.dtype)
        ends = 0 if weight_dtype is None or not plain_ends else self.plain_ends(weight_dtype)
        element_bytes = dtype_by_name(self.dtype).row_bytes(1)
        if ends and self.parts is not None:
            from kvplan.specs.parts import Measure  # noqa: PLC0415 - as its parts are

            return self.parts.with_plain_ends(dtype).total(Measure(element_bytes))
        return ceil_div((self.parameters - ends) * dtype.block_bytes, dtype.block) + ends * element_bytes

    def plain_ends(self, weight_dtype: str) -> int:
        """
        Return the parameters of embedding and head, which stay in the dtype of a model beside fewer bits.

        0 where they are not known, or no others have fewer.
        """
        stored = stored_as(weight_dtype)
        narrow = stored.block_bytes < stored.block * dtype_by_name(self.dtype).row_bytes(1)
        if not narrow or is_of_gguf(weight_dtype) or self.hidden is None or self.vocab is None:
            return 0
        return self.hidden * self.vocab * (2 if self.tied is False else 1)

    def in_weights(self, weight_dtype: str) -> "ModelSpec":
        """Return the spec whose parts are in *weight_dtype*, but for plain ends, as `weights` has them."""
        if self.parts is None or not self.plain_ends(weight_dtype):
            return self
        parts = self.parts.with_plain_ends(stored_as(weight_dtype))
        return self.model_copy(update={"parts": parts})


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
