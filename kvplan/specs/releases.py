"""A model's spec in other weights: a quantised release, what a name means, a dtype that is asked for."""

from typing import TYPE_CHECKING, Any

from kvplan.dtypes import dtype_by_name
from kvplan.ggml_types import weight_dtype as stored_as
from kvplan.specs.model import ModelSpec

if TYPE_CHECKING:
    from kvplan.specs.readings import Reading


_OF_A_RELEASE = ("weight_bytes", "weight_least_bytes", "weight_blocks", "weights_by", "tensors")
"""What is known of a release's weights alone."""


def as_quantized(spec: ModelSpec, hub_id: str) -> ModelSpec:
    """
    Return the spec of a quantised release: the same cache and parameters.

    Its format is not known, but where its own files tell it.
    """
    declared = spec.quantized_kv.get(hub_id)
    changes: dict[str, Any] = {
        "weight_dtype": None,
        "weight_bytes": None,
        "weight_least_bytes": None,
        "weight_blocks": None,
        "weights_open": True,
        "weights_by": None,
        "tensors": None,
        "parts": spec.parts and spec.parts.without_bytes(),
        "kv_cache_dtype": declared,
        "kv_cache_by": "modelopt" if declared else None,
    }
    if stored := spec.quantized_weights.get(hub_id):
        changes |= stored.facts(spec, dtype_by_name(spec.dtype).row_bytes(1))
    known = hub_id if hub_id.count("/") == 1 and ":" not in hub_id else None
    return spec.model_copy(update={"hf_id": known, **changes})


def as_read(model: ModelSpec, name: str, reading: "Reading") -> ModelSpec:
    """Return the spec for a *name* that means this model: its cache, and weights where they are known."""
    spec, dtype = model, reading.sixteen_bits
    if reading.other_weights:
        spec = as_quantized(model, name)
        if not reading.same_parameters:
            spec = spec.model_copy(update={"parameters": None, "parts": None, "uncounted": ()})
        # Nobody stores a format beside numbers of 32 bits: the release's dtype is another, unless it is
        # a GGUF, whose cache is as import_gguf has it.
        narrower = {"dtype": "float16"} if reading.gguf else {"dtype_open": True}
        spec = spec.model_copy(update=narrower if model.dtype == "float32" else {})
    elif dtype is not None:
        # The catalogue's release may be in fewer bits; in these each parameter has two bytes.
        stored = {"dtype": dtype, "weight_dtype": dtype_by_name(dtype).name}
        others = dict.fromkeys(_OF_A_RELEASE)
        parts = model.parts and model.parts.without_bytes()
        spec = model.model_copy(update={**stored, **others, "parts": parts})
    changes = {"read_as": name, "read_by": reading.how, "max_context": reading.max_context}
    return spec.model_copy(update={key: value for key, value in changes.items() if value is not None})


def with_weights_in(spec: ModelSpec, weight_dtype: str | None, *, plain_ends: bool = False) -> ModelSpec:
    """
    Return the spec without what its weights' method tells, where they are asked for in another dtype.

    With *plain_ends* its parts are in that dtype, but for embedding and head.
    """
    if weight_dtype is None:
        return spec
    if plain_ends:
        spec = spec.in_weights(weight_dtype)
    told = spec.weight_blocks is not None or spec.weights_by is not None
    if not told or stored_as(weight_dtype).name in ("fp8", "nvfp4"):
        return spec
    return spec.model_copy(update={"weight_blocks": None, "weights_by": None})
