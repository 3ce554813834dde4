"""
L2: transformers' own model code at full size on the meta device, against the catalogue.

A meta tensor has a shape, a dtype and a storage of the right size, and no memory: a model of 671
billion parameters runs in seconds. The prediction comes from the catalogue's spec of the model.
This proves sizes, and neither numbers nor that a kernel exists.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from kvplan.engines.transformers.caches import Moment, Traits, allocated, kept, traits_of
from kvplan.errors import UnknownNameError
from kvplan.planner.splits import heads_of
from kvplan.specs.load import load, path_of
from kvplan.terms import Stage
from kvplan.validate.cachewalk import Walked, kept_in_modules, seen, walk
from kvplan.validate.full_models import FullModel, full_models
from kvplan.validate.hf_models import build, cache_key, cache_of, new_cache, quiet, require_version, stage_of
from kvplan.validate.results import Check, Measurement

BATCH = 4
PLAN = "the class's tensor-parallel plan divides K by heads (1) or leaves it whole (0)"


def checks(models: tuple[str, ...] = ()) -> list[Check]:
    """Return a check for each published model of the table, or for those among *models*."""
    asked = {path_of(model) for model in models}
    return [
        Check(level="L2", name=full.model, run=partial(run_full, full))
        for full in full_models()
        if not models or path_of(full.model) in asked
    ]


def instants(full: FullModel) -> list[tuple[int, Moment]]:
    """Return when a cache is looked at: after two prefills, and a decode step after the second."""
    short, long = full.lengths
    return [(short, "prefill"), (long, "prefill"), (long + 1, "decode")]


def predictions(full: FullModel) -> dict[str, int | None]:
    """Return what is claimed of a model, before anything runs; None where no formula says it."""
    spec = load(full.model)
    stage, traits = stage_of(spec), traits_of(spec.architecture, heads_of(spec).sharing)
    values = _claims(
        full,
        [kept(stage, tokens=tokens, batch=BATCH, tp=1, traits=traits) for tokens, _ in instants(full)],
        [_memory(stage, tokens, moment, traits) for tokens, moment in instants(full)],
    )
    if any(term.role in ("key", "value") for term in stage.terms()):
        values[PLAN] = int(traits.shards_heads)
    return values


def _memory(stage: Stage, tokens: int, moment: Moment, traits: Traits) -> int | None:
    try:
        return allocated(stage, tokens=tokens, batch=BATCH, tp=1, moment=moment, traits=traits)
    except UnknownNameError:
        return None


def _claims(full: FullModel, data: Sequence[int], memory: Sequence[int | None]) -> dict[str, int | None]:
    """Return each claim's value, of what was predicted as of what was measured."""
    values: dict[str, int | None] = {}
    for (tokens, moment), size, behind in zip(instants(full), data, memory, strict=True):
        when = "after prefill of" if moment == "prefill" else "after decoding to"
        values[f"data {when} {tokens} tokens"] = size
        values[f"memory {when} {tokens} tokens"] = behind
    return values


def run_full(full: FullModel, device: str) -> list[Measurement]:  # noqa: ARG001 - always on meta
    """Return the bytes of a model's cache at each instant, beside the predictions."""
    require_version(full.since)
    spec, predicted = load(full.model), predictions(full)
    with quiet():
        model = build(full.config_class, "AutoModelForCausalLM", full.config, "meta", dtype=spec.dtype)
        walked = _run(model, full)
    measured = _claims(full, [each.data_bytes for each in walked], [each.storage_bytes for each in walked])
    *_, last = measured
    if PLAN in predicted:
        plan = getattr(model.config, "base_model_tp_plan", None) or {}
        measured[PLAN] = int(any(name.endswith("self_attn.k_proj") for name in plan))
    detail = f"{full.config_class} in {spec.dtype} on meta, {BATCH} sequences"
    return [
        Measurement(
            level="L2",
            subject=spec.name,
            claim=claim,
            measured=seen(claim, value),
            predicted=predicted[claim],
            unit="" if claim == PLAN else "bytes",
            rule="finding" if predicted[claim] is None else "equal",
            detail=f"{detail}; {walked[-1].shapes()}" if claim == last else detail,
        )
        for claim, value in measured.items()
    ]


def _run(model: Any, full: FullModel) -> list[Walked]:  # noqa: ANN401 - a torch module
    """Return the walked cache at each instant."""
    before = frozenset(map(id, kept_in_modules(model).values()))
    walked, cache = [], None
    for tokens, moment in instants(full):
        if moment == "prefill":
            cache = _feed(model, tokens, new_cache(model) if full.give_cache else None)
        else:
            cache = _feed(model, 1, cache)
        walked.append(walk(cache, kept_in_modules(model, before)))
    return walked


def _feed(model: Any, tokens: int, cache: Any) -> Any:  # noqa: ANN401 - transformers' objects
    import torch  # noqa: PLC0415 - only the checks need it

    ids = torch.zeros((BATCH, tokens), dtype=torch.long, device="meta")
    given = {} if cache is None else {cache_key(model): cache}
    with torch.device("meta"):
        output = model(input_ids=ids, **given, use_cache=True)
    return cache_of(output) or cache
