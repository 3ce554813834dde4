"""The forward answer: bytes per token, sequence, batch, rank and all ranks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvplan.errors import OptionsError
from kvplan.importers import load
from kvplan.planner.deployment import Choice, Deployment, deploy, growth
from kvplan.planner.results import LayerSize, Size
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div, parse_count

Model = str | Path | ModelSpec

MODEL_DTYPES = {
    "float16": "float16",
    "half": "float16",
    "fp16": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float32": "float32",
    "float": "float32",
    "fp32": "float32",
}
"""The dtypes in which engines run a model, by the names that they take."""


def size(  # noqa: PLR0913 - the options of one command
    model: Model,
    *,
    context: int | str | None = None,
    batch: int = 1,
    tp: int = 1,
    pp: int = 1,
    dp: int = 1,
    dtype: str | None = None,
    kv_dtype: str | None = None,
    engine: str = "exact",
    pp_layers: tuple[int, ...] | None = None,
    encoder_tokens: int | None = None,
    block_size: int | None = None,
    max_num_batched_tokens: int | None = None,
    prefix_caching: bool | None = None,
    dcp: int = 1,
    settings: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> Size:
    """
    Return what the cache of *batch* sequences of *context* tokens takes.

    *model* is a catalogue name, a hub id, a spec file or a spec. *context* takes `8k`; left out, it
    is the model's longest. *dtype* is the one in which the model runs, if not its own. From *block_size*
    to *settings* all are options of an *engine* other than `exact`. *ignore* names fields of a config that
    kvplan does not know and that are answered without. Raises a KvplanError for what it does not understand.
    """
    choice = Choice(
        engine=engine,
        kv_dtype=kv_dtype,
        tp=tp,
        pp=pp,
        dp=dp,
        pp_layers=pp_layers,
        encoder_tokens=encoder_tokens,
        block_size=block_size,
        max_num_batched_tokens=max_num_batched_tokens,
        prefix_caching=prefix_caching,
        dcp=dcp,
        settings=settings or {},
    )
    deployment = deploy(as_spec(model, dtype, ignore), choice)
    return Size(**size_fields(deployment, as_tokens(context, deployment.spec), as_batch(batch)))


def size_fields(deployment: Deployment, context: int, batch: int) -> dict[str, Any]:
    """Return the fields that Size and Fit share."""
    stage = deployment.stages[deployment.fullest_rank(context)]
    terms = stage.terms()
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
        "bytes_per_token": growth(terms, deployment.tp),
        "bytes_per_sequence": deployment.sequence_bytes(context),
        "fixed_bytes": sum(term.fixed_bytes_on_rank(deployment.tp) for term in terms),
        "total_bytes": deployment.reserved_bytes(tokens=context, batch=ceil_div(batch, deployment.dp)),
        "total_bytes_all_gpus": deployment.all_gpus_bytes(tokens=context, batch=batch),
        "layers": _layer_sizes(deployment, stage.types, context),
        "warnings": _warnings(deployment, context),
        "ignored_fields": (*deployment.spec.ignored, *deployment.spec.unread),
    }


def _layer_sizes(deployment: Deployment, types: tuple[str, ...], context: int) -> tuple[LayerSize, ...]:
    tp = deployment.tp
    return tuple(
        LayerSize(
            kind=layer_kind(deployment.spec, name),
            count=count,
            bytes_per_token=growth(deployment.layers[name] * count, tp),
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
    if context > spec.max_context:
        warnings.append(
            f"{context:,} tokens are more than the {spec.max_context:,} that {spec.name} was made for"
        )
    if spec.ignored:
        warnings.append(f"the answer is without {', '.join(spec.ignored)}, which could change the memory")
    replicated = dict.fromkeys(
        term.split for layer in deployment.layers.values() for term in layer if term.split.copies(tp) > 1
    )
    warnings += [
        f"tp={tp} stores each {split.name} {split.copies(tp)} times: there is only {split.count} to share out"
        if split.count == 1
        else f"tp={tp} stores each of the {split.count} {split.name} {split.copies(tp)} times"
        for split in replicated
    ]
    return tuple(warnings)


def as_spec(model: Model, dtype: str | None = None, ignore: Sequence[str] = ()) -> ModelSpec:
    """
    Return *model* itself if it is a spec, else the spec that it names, run in *dtype* if one is given.

    *ignore* names unknown fields of a model's own file that are answered without.

    Weights that are not quantised are then stored in it, too. Raises OptionsError for a dtype in which
    no model runs.
    """
    spec = model if isinstance(model, ModelSpec) else load(model, ignore)
    if dtype is None or dtype == "auto":
        return spec
    if dtype not in MODEL_DTYPES:
        raise OptionsError(f"no model runs in {dtype[:40]!r}: choose {', '.join(MODEL_DTYPES)}")
    changes: dict[str, object] = {"dtype": MODEL_DTYPES[dtype]}
    if spec.weight_dtype is None and spec.parameters is not None:
        changes["weight_bytes"] = None
    return spec.model_copy(update=changes)


def as_tokens(context: int | str | None, spec: ModelSpec) -> int:
    """Return a context in tokens; the model's longest if none is given."""
    return spec.max_context if context is None else parse_count(str(context))


def as_batch(batch: int) -> int:
    """Return *batch* if it is a number of sequences that can be asked for."""
    return parse_count(str(batch), "sequences")
