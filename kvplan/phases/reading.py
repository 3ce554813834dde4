"""What a model must read and compute for a token, at least: without the weights that may be left out."""

from collections.abc import Iterator
from contextlib import suppress

from kvplan.dtypes import dtype_by_name, kv_format
from kvplan.errors import KvplanError
from kvplan.frozen import FrozenDict
from kvplan.planner.deployment import Deployment
from kvplan.planner.weights import read_weights
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.specs.parts import LayerParts, Measure, ModelParts
from kvplan.terms import Target
from kvplan.units import ceil_div

_CHOSEN_ROLES = frozenset({"key", "value", "latent", "rope", "entry"})
"""Rows of which a sparse indexer lets a query read a few."""


@record
class Active:
    """
    The parameters of a model that tokens meet, at least.

    `parts` are the spec's own without what is left out, None where it counts none; `parameters` are those of
    all of them, of which the `head` is for tokens that are answered alone. `why` says what was left out
    because nothing is known of it.
    """

    parts: ModelParts | None
    parameters: int
    head: int
    why: str | None = None


def active(spec: ModelSpec, tokens: int = 1) -> Active:
    """
    Return what *tokens* tokens must meet of a model, if each chooses experts of its own.

    An embedding is looked up, not read, and a tower for images stands idle.
    """
    if spec.parts is not None:
        return _of_parts(spec, spec.parts, tokens)
    rows = (spec.vocab or 0) * (spec.hidden or 0)
    found = _attention(spec) + _dense(spec) + rows
    if spec.parameters is not None:
        found = min(found, spec.parameters - (0 if spec.tied else rows))
    return Active(parts=None, parameters=found, head=rows, why=_uncounted(spec))


def stage_reads(deployment: Deployment, replica_bytes: int, tokens: int = 1) -> tuple[int, ...]:
    """Return the bytes of weights that a GPU of each stage reads in a step of *tokens* tokens, at least."""
    spec, found = deployment.spec, active(deployment.spec, tokens)
    if found.parts is not None:
        return read_weights(deployment, found.parts, replica_bytes)
    stages = len(deployment.stage_sizes)
    if not spec.parameters:
        return (0,) * stages
    # An embedding may be stored wider than the rest.
    idle = 0 if spec.tied else found.head * dtype_by_name(spec.dtype).row_bytes(1)
    read = min(replica_bytes * found.parameters // spec.parameters, max(0, replica_bytes - idle))
    return (read // (deployment.tp * stages),) * stages


def cache_reads(deployment: Deployment, tokens: int) -> tuple[int, ...]:
    """
    Return the bytes of one sequence's cache that a rank of each stage reads in a step, at least.

    By the formula, without an engine's rounding. Where an indexer chooses tokens, only its own keys and
    what a window holds are read for sure.
    """
    sparse = any(term.role == "indexer" for layer in deployment.layers.values() for term in layer)
    return tuple(
        sum(
            count * term.bytes_on_rank(ceil_div(tokens, deployment.choice.cp), deployment.tp)
            for layer, count in stage.counts
            for term in layer
            if not (sparse and term.role in _CHOSEN_ROLES and term.rows.growth(term.rows.stride))
        )
        // deployment.choice.dcp
        for stage in deployment.stages
    )


def prompt_operations(spec: ModelSpec, tokens: int) -> int:
    """
    Return the operations of a prompt of *tokens* tokens: two for each parameter met, and attention's.

    Of the last layer that caches anything, and of those above it, only the last token's output is needed:
    these and the head are counted for that token alone, whatever an engine computes of the others.
    """
    found, layers = active(spec), _for_all_tokens(spec)
    sparse = any(getattr(kind, "indexer", None) for kind in spec.kinds())
    kinds = (kind for name in spec.layer_types[:layers] for kind in spec.attention[name])
    pairs = 0 if sparse else sum(kind.attended(tokens) for kind in kinds)
    body = _layers(found, spec.layer_count, layers)
    return 2 * (body * tokens + found.parameters - body + pairs)


def _for_all_tokens(spec: ModelSpec) -> int:
    """Return how many layers, from the first on, are needed of every token: those below the last cache."""
    lowered = spec.lower_types(Target(kv=kv_format(spec.dtype)))
    caching = [number for number, name in enumerate(spec.layer_types) if lowered[name]]
    return max(caching, default=0)


def _layers(found: Active, count: int, first: int) -> int:
    """Return the parameters met in the *first* of a model's *count* layers."""
    if found.parts is None:
        return (found.parameters - found.head) * first // count
    return sum(kind.parameters() for kind in found.parts.of_layers[:first])


def _of_parts(spec: ModelSpec, parts: ModelParts, tokens: int) -> Active:
    chosen = spec.mlp.experts_per_token if spec.mlp else None
    kinds = {name: _layer(kind, tokens * (chosen or 1)) for name, kind in parts.kinds.items()}
    head = parts.embedding if spec.tied else parts.head
    read = parts.model_copy(update={"embedding": 0, "head": head, "tower": 0, "kinds": FrozenDict(kinds)})
    unknown = parts.has_experts and chosen is None
    why = "how many experts a token chooses is not known: one is read" if unknown else None
    return Active(parts=read, parameters=read.parameters(), head=Measure(None).of(head), why=why)


def _uncounted(spec: ModelSpec) -> str | None:
    """Return what is left out of a model whose weights are not counted by part; None if nothing is."""
    if spec.parameters is None:
        return "the spec does not count its parameters: caches are read alone"
    if spec.mlp is None or spec.mlp.experts_per_token is not None:
        return "the spec does not count its MLPs: attention and head are read alone"
    return None


def _layer(kind: LayerParts, experts: int) -> LayerParts:
    return kind.model_copy(update={"experts": min(kind.experts, experts)})


def _attention(spec: ModelSpec) -> int:
    """Return the parameters of all projections of attention that the spec's kinds tell."""
    return sum(_projections(spec))


def _projections(spec: ModelSpec) -> Iterator[int]:
    for name in spec.layer_types:
        for kind in spec.attention[name]:
            with suppress(KvplanError):  # A kind may not tell the parts of its matrices.
                yield kind.projections(spec.hidden or 0)


def _dense(spec: ModelSpec) -> int:
    """Return the parameters of dense MLPs of the widths that the spec tells; 0 where it tells none."""
    mlp = spec.mlp
    if mlp is None or mlp.experts_per_token is not None or mlp.intermediate is None:
        return 0
    return spec.layer_count * (3 if mlp.gated else 2) * (spec.hidden or 0) * mlp.intermediate
