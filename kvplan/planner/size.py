"""The forward answer: bytes per token, sequence, batch, rank and all ranks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from kvplan.arguments import checked
from kvplan.engines import EXACT
from kvplan.errors import OptionsError
from kvplan.importers import load
from kvplan.loads import uniform
from kvplan.planner.deployment import Choice, Deployment, deploy, growth
from kvplan.planner.model_dtype import stored_in
from kvplan.planner.options import SizeOptions, part
from kvplan.planner.results import LayerSize, Size
from kvplan.planner.work import as_batch, as_context
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div

Model = str | Path | ModelSpec


@checked
def size(model: Model, **options: Unpack[SizeOptions]) -> Size:
    """
    Return what the cache of *batch* sequences of *context* tokens takes.

    *model* is a catalogue name, a hub id, a spec file or a spec. *context* takes `8k`; left out, it
    is the model's longest. *dtype* is the one in which the model runs, unless its engine chooses. From
    *block_size* to *settings* all are options that an *engine* other than `exact` may have. *ignore* names
    fields of a config that kvplan does not know and that are answered without. Raises a KvplanError for
    what it does not understand.
    """
    spec, choice = as_spec(model, options.get("ignore", ())), Choice(**part(options, Choice))
    if choice.engine == EXACT.name and choice.dtype is None and choice.kv_dtype is not None:
        spec = stored_in(spec, choice.kv_dtype)
    deployment = deploy(spec, choice)
    context = as_context(options.get("context"), deployment.spec)
    return Size(**size_fields(deployment, context, as_batch(options.get("batch", 1))))


def size_fields(deployment: Deployment, context: int, batch: int) -> dict[str, Any]:
    """Return the fields that Size and Fit share."""
    _require_room_for(deployment.choice.prompt, context)
    rank = deployment.fullest_rank(context)
    return {
        "model": deployment.spec.name,
        "source": deployment.spec.source,
        "engine": deployment.engine.name,
        "kv_dtype": deployment.kv.name,
        "tp": deployment.tp,
        "pp": deployment.choice.pp,
        "dp": deployment.dp,
        "context": context,
        "batch": batch,
        "bytes_per_token": deployment.token_bytes(rank),
        "bytes_per_sequence": deployment.sequence_bytes(context),
        "fixed_bytes": deployment.arrangement.fixed_bytes(rank),
        "total_bytes": deployment.reserved_bytes(uniform(context, ceil_div(batch, deployment.dp))),
        "total_bytes_all_gpus": deployment.all_gpus_bytes(tokens=context, batch=batch),
        "layers": _layer_sizes(deployment, deployment.stages[rank].types, context),
        "warnings": _warnings(deployment, context),
        "ignored_fields": (*deployment.spec.ignored, *deployment.spec.unread),
    }


def _require_room_for(prompt: int | None, context: int) -> None:
    if prompt is not None and prompt > context:
        raise OptionsError(
            f"a prompt of {prompt:,} tokens is longer than the context of {context:,}: shorten --prompt, or "
            "raise --context"
        )


def _layer_sizes(deployment: Deployment, types: tuple[str, ...], context: int) -> tuple[LayerSize, ...]:
    tp, growing = deployment.tp, deployment.growing.layers
    return tuple(
        LayerSize(
            kind=layer_kind(deployment.spec, name),
            count=count,
            bytes_per_token=growth(growing[name], tp, count=count),
            bytes_per_sequence=count
            * sum(term.bytes_on_rank(context, tp) for term in deployment.layers[name]),
        )
        for name, count in Counter(types).items()
    )


def layer_kind(spec: ModelSpec, name: str) -> str:
    """Return the kinds of a layer type as one word: `gqa`, or `gqa+mamba2` side by side."""
    return "+".join(kind.kind for kind in spec.attention[name])


def _warnings(deployment: Deployment, context: int) -> tuple[str, ...]:
    warnings = []
    spec, tp = deployment.spec, deployment.tp
    if spec.max_context is not None and context > spec.max_context:
        warnings.append(
            f"{context:,} tokens are more than the {spec.max_context:,} that {spec.name} was made for"
        )
    if spec.read_as:
        warnings.append(f"{spec.read_as} is answered as {spec.name}{spec.read_by or ''}")
    warnings += deployment.notes
    if spec.ignored:
        warnings.append(f"the answer is without {', '.join(spec.ignored)}, which could change the memory")
    replicated = dict.fromkeys(
        term.split for layer in deployment.layers.values() for term in layer if term.split.copies(tp) > 1
    )
    warnings += [
        f"tp={tp} stores each {split.unit} {split.copies(tp)} times: there is only {split.count} to share out"
        if split.count == 1
        else f"tp={tp} stores each of the {split.count} {split.unit} {split.copies(tp)} times"
        for split in replicated
    ]
    return tuple(warnings)


def as_spec(model: Model, ignore: Sequence[str] = ()) -> ModelSpec:
    """
    Return *model* itself if it is a spec, else the spec that it names.

    *ignore* names unknown fields of a model's own file that are answered without.
    """
    return model if isinstance(model, ModelSpec) else load(model, ignore)
