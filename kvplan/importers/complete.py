"""A spec with its weights: what a config tells of them, and what the files beside it say exactly."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from kvplan.dtypes import dtype_by_name, model_dtype
from kvplan.errors import ImportedError
from kvplan.files import is_folder
from kvplan.importers.config import Imported, import_config
from kvplan.importers.consequence import Consequence
from kvplan.importers.drafters import Drafter
from kvplan.importers.hub import fetch_model
from kvplan.importers.parameters import Shape, count, count_layers
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.parameters.ends import Ends, read_ends
from kvplan.importers.parameters.towers import Towers, count_towers
from kvplan.importers.parts import Stored, model_parts, stored_as
from kvplan.importers.quantization import Quantization
from kvplan.importers.stored import StoredWeights
from kvplan.importers.weight_parts import touched
from kvplan.importers.weights import Counted, quantization_of, stored_weights, weight_bytes
from kvplan.specs.parts import Measure, ModelParts
from kvplan.specs.weight_blocks import WeightBlocks
from kvplan.units import format_gib

_CUT_IN_PARTS = frozenset(
    {"gpt_bigcode", "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3_vl", "qwen3_vl_text"}
)
"""
Model types of which vLLM 0.33 cuts some parts and not others: engines/vllm/shares.py.

Those are attention and no MLP, and all but a tower of images whose ranks share images out.
"""

_COUNTED = ("parameters", "replicated", "parts")
_WIDEST = 1.25
"""
How many times the fewest bytes the most may be: scales, biases and zero points leave a tenth open at most in
the configs that were read, and modules that a pattern may leave as they were at least four fifths.
"""
_OF_ANY_FORMAT = ("vocab", "tied", "parameters", "replicated", "parts", "uncounted")
"""What is known of weights however they are stored."""


def import_complete(source: str | Path, ignore: Sequence[str] = ()) -> Imported:
    """
    Return the spec of a `config.json` or of a folder, with parameters and bytes of the weights.

    Files of weights are read where a folder was asked for, not beside a lone config. Raises
    ImportedError as import_config does, and for weight files that are broken.
    """
    imported = import_config(source, ignore)
    folder = Path(source) if is_folder(Path(source)) else None
    stored = stored_weights(folder) if folder else None
    return with_weights(imported, stored, folder)


def import_hub(repo_id: str, revision: str | None = None, ignore: Sequence[str] = ()) -> Imported:
    """
    Return the spec of a model on the hub, of *revision* or the newest commit, which `source` names.

    Raises ImportedError as fetch_model and import_config do.
    """
    model = fetch_model(repo_id, revision)
    imported = with_weights(import_config(model.folder, ignore), model.weights, model.folder)
    spec = imported.spec.model_copy(update={"hf_id": repo_id, "source": model.source})
    return replace(imported, spec=spec, notes=(*imported.notes, *model.notes))


def with_weights(imported: Imported, stored: StoredWeights | None, folder: Path | None) -> Imported:
    """Return an imported spec with the weights that its dimensions, or stored tensors, have."""
    if imported.drafter is not None:
        return _as_draft(imported, imported.drafter)
    top = imported.outer or imported.fields
    quantization = quantization_of(dict(top.values), folder, file=top.file)
    parameters, why = _parameters(imported)
    form = stored_as(quantization, imported.model_type, imported.spec.dtype)
    notes = [] if why is None else [f"Parameters are not counted: {why}."]
    towers = _towers(imported)
    facts: dict[str, Any] = {} if why is None else {"uncounted": (f"all parameters ({why})",)}
    origins = dict(imported.origins)
    if (ends := _ends(imported)) is not None:
        facts |= {"vocab": ends.vocab, "tied": ends.tied}
        origins |= {"vocab": ends.vocab_origin, "tied": ends.tied_origin}
    if parameters is not None:
        total = parameters.total + towers.total
        facts |= {"parameters": total, "replicated": parameters.replicated, "uncounted": towers.uncounted}
        facts["parts"] = _by_part(imported, parameters, ends, towers, form)
        origins |= dict.fromkeys(_COUNTED, "counted from the dimensions in the config")
        notes += _tower_notes(towers)
    if stored is not None or quantization is not None:
        counted = _counted(imported, parameters, ends, towers) if parameters and ends else None
        exact = _exact(facts.get("parts"), form) if stored is None else None
        found, note = _weights(stored, counted, quantization, origins) if exact is None else (exact, [])
        if "weight_bytes" not in found:
            # The parameters times the model's dtype are not what the file stores.
            facts = {name: value for name, value in facts.items() if name in _OF_ANY_FORMAT}
            facts["weights_open"] = (quantization and quantization.problem) or "kvplan cannot count them"
        facts |= found if stored is None else {"uncounted": (), **found}
        notes += note
    if parameters is not None and quantization is not None:
        facts["weight_blocks"] = _blocks(parameters, quantization)
    facts |= {} if quantization is None else _of_cache(quantization)
    if imported.spec.dtype_open and (dtype := _stored_dtype(stored)) is not None:
        facts |= {"dtype": dtype, "dtype_open": False}
        origins["dtype"] = "the dtype of the stored tensors"
    text = " ".join([*([imported.spec.notes] if imported.spec.notes else []), *notes])
    spec = imported.spec.model_copy(update={**facts, "notes": text or None})
    open_size = stored is None and quantization is not None and form is None
    bounded = ["weight_bytes", "weight_least_bytes"] if open_size else []
    bounded += ["parameters", "uncounted"] if spec.uncounted else []
    return replace(
        imported,
        spec=spec,
        origins=origins,
        notes=(*imported.notes, *notes),
        not_counted=(*imported.not_counted, *spec.uncounted),
        estimates=tuple(bounded),
    )


def _of_cache(quantization: Quantization) -> dict[str, Any]:
    """Return the facts that a quantisation tells of the KV cache."""
    facts: dict[str, Any] = {}
    if quantization.method in ("fp8", "modelopt"):
        facts["weights_by"] = quantization.method
    if quantization.kv_problem is not None:
        facts["kv_cache_open"] = quantization.kv_problem
    if quantization.kv_dtype is not None:
        facts |= {"kv_cache_dtype": quantization.kv_dtype, "kv_cache_by": quantization.kv_declared_by}
    return facts


def _as_draft(imported: Imported, drafter: Drafter) -> Imported:
    """Return the spec of a draft with the weights that are not its target's, as its class has them."""
    top = imported.outer or imported.fields
    imported = replace(imported, spec=imported.spec.model_copy(update={"draft_tokens": drafter.block}))
    quantised = quantization_of(dict(top.values), None, file=top.file) is not None
    parts = None if quantised else drafter.parts(imported.spec)
    if parts is None:
        why = "kvplan cannot count those of this draft"
        facts: dict[str, Any] = {"uncounted": (f"all parameters ({why})",)}
        return replace(imported, spec=imported.spec.model_copy(update=facts), not_counted=facts["uncounted"])
    element_bytes = dtype_by_name(imported.spec.dtype).row_bytes(1)
    facts = {
        "parameters": parts.parameters(),
        "parts": parts,
        "weight_bytes": parts.total(Measure(element_bytes)),
    }
    note = "The weights are the draft's own: its embedding, and a head over all tokens, are its target's."
    text = " ".join(filter(None, (imported.spec.notes, note)))
    origins = {**imported.origins, **dict.fromkeys(facts, "counted from the dimensions in the config")}
    spec = imported.spec.model_copy(update={**facts, "notes": text})
    return replace(imported, spec=spec, origins=origins, notes=(*imported.notes, note))


def count_parameters(imported: Imported) -> Parameters | None:
    """
    Return the parameters of the text model, None if no counter knows its type.

    Raises ImportedError for fields that the count needs and the file lacks, and for unknown ones that
    could change it.
    """
    top = imported.outer or imported.fields
    for each in top.unknown():
        if each.consequence is not Consequence.NOTHING:
            raise ImportedError(f"{top.file}: {each.path}: not known, and it could change their number")
    return count(imported.model_type, imported.fields, Shape.of(imported.spec), imported.outer)


def _ends(imported: Imported) -> Ends | None:
    """Return the embedding and the output head, None where the file leaves them open: the count says why."""
    try:
        return read_ends(imported.model_type, imported.fields, imported.outer)
    except ImportedError:
        return None


def _parameters(imported: Imported) -> tuple[Parameters | None, str | None]:
    """Return the parameters of the text model, or why they cannot be counted."""
    try:
        found = count_parameters(imported)
    except ImportedError as error:
        return None, error.line
    return found, None if found else f"kvplan cannot count those of {imported.model_type}"


def _towers(imported: Imported) -> Towers:
    """Return what the model has beside its text model."""
    top = imported.outer or imported.fields
    model_type = str(top.values.get("model_type") or imported.model_type)
    return count_towers(model_type, imported.fields, imported.outer, imported.spec.hidden or 0)


def _stored_dtype(stored: StoredWeights | None) -> str | None:
    """Return the dtype in which all tensors are stored, None if they differ or are not at hand."""
    names = {model_dtype(name) for name in stored.bytes_by_dtype()} if stored is not None else set()
    return names.pop() if len(names) == 1 else None


def _tower_notes(towers: Towers) -> list[str]:
    if towers.uncounted:
        return ["Parameters are those of the text model alone."]
    return (
        [f"Parameters count {towers.total:,} of the vision tower and its projector."] if towers.total else []
    )


def _weights(
    stored: StoredWeights | None,
    counted: Counted | None,
    quantization: Quantization | None,
    origins: dict[str, str],
) -> tuple[dict[str, Any], list[str]]:
    """Return the facts of stored or quantised weights, and what is uncertain about them."""
    weights = weight_bytes(stored, counted, quantization)
    if weights is None:
        why = f" ({quantization.problem})" if quantization and quantization.problem else ""
        unknown = {"uncounted": (f"the quantised weights{why}",)}
        return unknown, [f"The weights are quantised, and their size is unknown{why}: give --weights."]
    origins["weight_bytes"] = weights.origin
    if weights.exact:
        return {"weight_bytes": weights.low_bytes}, []
    open_size = f"{format_gib(weights.low_bytes)} to {format_gib(weights.high_bytes)}"
    if weights.high_bytes > weights.low_bytes * _WIDEST:
        why = f"the config does not tell which modules are quantised, so that they may take {open_size}"
        return {"weights_open": why}, [
            f"The size of the quantised weights is unknown: {why}; give --weights."
        ]
    note = f"The config leaves the size of the quantised weights open, {open_size}; the larger is used."
    return {"weight_bytes": weights.high_bytes, "weight_least_bytes": weights.low_bytes}, [note]


def _by_part(
    imported: Imported, parameters: Parameters, ends: Ends | None, towers: Towers, form: Stored | None
) -> ModelParts | None:
    """
    Return the parameters by layer and part, with their bytes where *form* tells them.

    None where the count is not by layers, and where all layers are alike without experts: then an even spread
    over them tells the same, unless an engine cuts some parts and not others, or some are quantised.
    """
    shape = Shape.of(imported.spec)
    layers = count_layers(imported.model_type, imported.fields, shape)
    if layers is None or ends is None:
        return None
    parts = model_parts(
        layers,
        parameters,
        embedding=ends.vocab * shape.hidden,
        tower=towers.total,
        stored=form or Stored(element_bytes=1, layouts={}),
    )
    told = parts.has_experts or len(parts.kinds) > 1 or imported.model_type in _CUT_IN_PARTS
    told = told or bool(form and form.layouts)
    return parts if told else None


def _exact(parts: ModelParts | None, form: Stored | None) -> dict[str, Any] | None:
    """Return the bytes of quantised weights where each part's are known, which no range then need bound."""
    if parts is None or form is None:
        return None
    return {"weight_bytes": parts.total(Measure(form.element_bytes))}


def _blocks(parameters: Parameters, quantization: Quantization) -> WeightBlocks | None:
    """Return the blocks of the weights, and the widths of the matrices that are stored in them, if any."""
    by: Literal["fp8", "compressed-tensors"] = "fp8" if quantization.method == "fp8" else "compressed-tensors"
    wide = {part for pattern in quantization.excluded or () for part in touched(pattern)}
    kept = "experts" in wide or quantization.expert_bits != min(quantization.bits, default=0)
    block, expert_block = quantization.block, quantization.expert_block
    inputs = () if block is None or "rest" in wide else tuple(sorted(parameters.inputs))
    experts = () if expert_block is None or kept else tuple(sorted(parameters.expert_inputs))
    main, other = (block, expert_block) if inputs else (expert_block, None)
    if main is None or (not inputs and not experts):
        return None
    return WeightBlocks(
        rows=main[0],
        columns=main[1],
        by=by,
        inputs=inputs,
        experts=experts,
        expert_block=other if experts and other != main else None,
    )


def _counted(imported: Imported, parameters: Parameters, ends: Ends, towers: Towers) -> Counted:
    """Return the parameters with the embedding and an untied head apart, which are rarely quantised."""
    embedding = ends.vocab * (imported.spec.hidden or 0)
    head = min(embedding, parameters.sharded - embedding) if ends.tied is False else 0
    # Formats may leave a tower as it is, as they may norms.
    whole = parameters + Parameters(replicated=towers.total) if towers.total else parameters
    return Counted(parameters=whole, embedding=embedding, head=head, dtype=imported.spec.dtype)
