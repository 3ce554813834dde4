"""What each pipeline rank holds of a model's weights."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from kvplan.dtypes import dtype_by_name
from kvplan.engines import HeldLayer
from kvplan.planner.deployment import KEPT, Deployment
from kvplan.planner.drafts import OWN
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div

if TYPE_CHECKING:
    from kvplan.planner.parts import Cut
    from kvplan.specs.parts import ModelParts
    from kvplan.specs.stored import StoredParts


@lru_cache(maxsize=KEPT)
def stage_weights(deployment: Deployment, replica_bytes: int) -> tuple[int, ...]:
    """
    Return the bytes of the weights on the fullest GPU of each pipeline stage, as the engine spreads them.

    By the parts that the spec counts; without any they are spread evenly over the layers. Those of a draft
    are where its layers are. The last ones are kept, as deployments are.
    """
    sizes = _model_weights(deployment, replica_bytes)
    if deployment.draft is None:
        return sizes
    drafts = _model_weights(deployment.draft, _draft_bytes(deployment, replica_bytes))
    placed = (*(0,) * (len(sizes) - len(drafts)), *drafts)
    return tuple(own + draft for own, draft in zip(sizes, placed, strict=True))


def _draft_bytes(deployment: Deployment, replica_bytes: int) -> int:
    """
    Return the bytes of a draft's weights; 0 where no weights are asked for, or its spec tells none.

    The module of the model's own checkpoint is stored as the model is.
    """
    draft, spec = deployment.draft, deployment.spec
    if draft is None or not replica_bytes:
        return 0
    module = draft.spec
    if deployment.choice.draft == OWN and spec.parameters is not None and replica_bytes != spec.weight_bytes:
        return ceil_div(replica_bytes * (module.parameters or 0), spec.parameters)
    return module.weights() or 0


def _model_weights(deployment: Deployment, replica_bytes: int) -> tuple[int, ...]:
    """Return what stage_weights does of the model itself."""
    engine, stages = deployment.engine, deployment.stage_sizes
    if engine.even_weights and deployment.choice.ep == 1:
        return even_weights(replica_bytes, tp=deployment.tp, stages=len(stages))
    on_gpu, spec = engine.embedding_on_gpu, deployment.spec
    if spec.tensors is not None and deployment.tp == 1 and replica_bytes == spec.weight_bytes:
        return stored_weights(spec, spec.tensors, stages=stages, embedding=on_gpu)
    if spec.parts is not None:
        return counted_weights(deployment, spec.parts, replica_bytes)
    return rank_weights(
        spec,
        replica_bytes,
        tp=deployment.tp,
        stages=stages,
        embedding=on_gpu,
        repeated=sum(_repeated(deployment)) + _whole_embedding(deployment),
    )


def least_weights(deployment: Deployment, replica_bytes: int) -> int:
    """Return the bytes of one replica's weights on all its GPUs together, however it is spread: the least."""
    if deployment.draft is not None:
        draft_bytes = least_weights(deployment.draft, _draft_bytes(deployment, replica_bytes))
        return draft_bytes + least_weights(replace(deployment, draft=None), replica_bytes)
    engine, layers = deployment.engine, deployment.spec.layer_count
    if engine.even_weights:
        return replica_bytes
    on_gpu, spec = engine.embedding_on_gpu, deployment.spec
    if spec.parts is not None and not engine.has_tower(deployment.options):
        from kvplan.specs.parts import Measure  # noqa: PLC0415 - as for Cut below

        tower = Measure(None).of(spec.parts.tower)
        replica_bytes -= ceil_div(replica_bytes * tower, spec.parts.parameters())
    if spec.tensors is not None and replica_bytes == spec.weight_bytes:
        return sum(stored_weights(spec, spec.tensors, stages=(layers,), embedding=on_gpu))
    return sum(rank_weights(spec, replica_bytes, tp=1, stages=(layers,), embedding=on_gpu))


def even_weights(replica_bytes: int, *, tp: int, stages: int) -> tuple[int, ...]:
    """Return an equal share of the weights for each of *stages* pipeline stages of *tp* ranks."""
    return (ceil_div(replica_bytes, tp * stages),) * stages


def stored_weights(
    spec: ModelSpec, stored: "StoredParts", *, stages: Sequence[int], embedding: bool
) -> tuple[int, ...]:
    """
    Return the bytes of a file's own tensors on the GPU of each stage, *stages* being layers per stage.

    As in rank_weights, the *embedding* may be in the host's memory, and a tied one is copied for the head
    unless the only stage has it: create_tensor of llama-model.cpp, TENSOR_DUPLICATED.
    """
    ends = list(accumulate(stages))
    sizes = [
        stored.everywhere_bytes + sum(stored.layers_bytes[end - count : end])
        for end, count in zip(ends, stages, strict=True)
    ]
    sizes[0] += stored.embedding_bytes + stored.inputs_bytes if embedding else 0
    copied = spec.tied is True and (len(stages) > 1 or not embedding)
    sizes[-1] += stored.head_bytes + (stored.embedding_bytes if copied else 0)
    return tuple(sizes)


def rank_weights(  # noqa: PLR0913 - each is one fact of the spread
    spec: ModelSpec,
    replica_bytes: int,
    *,
    tp: int,
    stages: Sequence[int],
    embedding: bool = True,
    repeated: int = 0,
) -> tuple[int, ...]:
    """
    Return the bytes of the weights on a GPU of each pipeline stage, *stages* being layers per stage.

    The *embedding* is on the first stage, if it is on a GPU at all, and the output head on the last, which
    also keeps a copy of an embedding that serves as head; the other parameters are spread evenly over the
    layers. What tensor parallelism leaves whole is on each of *tp* ranks, and *repeated* parameters are
    what they hold beyond one copy of the rest. All parameters are taken to be stored alike. A spec without
    these facts has its weights spread evenly over all ranks.
    """
    total, layers = spec.parameters, sum(stages)
    if total is None or spec.hidden is None or spec.vocab is None or spec.tied is None:
        return even_weights(replica_bytes, tp=tp, stages=len(stages))
    rows = spec.vocab * spec.hidden
    body = total - rows * (1 if spec.tied else 2)
    whole = spec.replicated or 0
    # Of each tp parameters on a stage, a rank holds 1, and of each replicated one all.
    held = total - whole + whole * tp + repeated
    counts = [count * body for count in stages]
    counts[0] += layers * rows if embedding else 0
    if len(stages) > 1 or not spec.tied or not embedding:
        counts[-1] += layers * rows
    return tuple(ceil_div(replica_bytes * count * held, layers * total * total * tp) for count in counts)


def counted_weights(deployment: Deployment, parts: "ModelParts", replica_bytes: int) -> tuple[int, ...]:
    """
    Return the bytes of the weights on the fullest GPU of each stage, each part cut as the engine cuts it.

    Where *replica_bytes* are not what the release stores, all parameters are taken to be stored alike.
    """
    cut, as_released = _cut(deployment, parts, replica_bytes)
    return _in_bytes(cut, deployment.stage_sizes, None if as_released else replica_bytes)


def all_weights(deployment: Deployment, replica_bytes: int) -> int:
    """Return the bytes of the weights on all GPUs together: what is whole on several counts on each."""
    if deployment.draft is not None:
        draft_bytes = all_weights(deployment.draft, _draft_bytes(deployment, replica_bytes))
        return draft_bytes + all_weights(replace(deployment, draft=None), replica_bytes)
    spec, ranks = deployment.spec, deployment.tp * deployment.dp
    dealt = deployment.shares.experts
    if spec.parts is None or dealt == 1:  # All ranks of a stage hold alike.
        return ranks * sum(stage_weights(deployment, replica_bytes))
    cut, as_released = _cut(deployment, spec.parts, replica_bytes)
    given = None if as_released else replica_bytes
    each = (_in_bytes(replace(cut, rank=rank), deployment.stage_sizes, given) for rank in range(dealt))
    return sum(map(sum, each)) * ranks // dealt


def read_weights(deployment: Deployment, read: "ModelParts", replica_bytes: int) -> tuple[int, ...]:
    """
    Return the bytes of those parts that a step must *read*, on the GPU of each stage that has most of them.

    *read* are the spec's own parts, some of them left out. Nothing is counted that an engine adds to them.
    """
    parts = deployment.spec.parts or read
    cut, as_released = _cut(deployment, parts, replica_bytes)
    if deployment.engine.even_weights and deployment.choice.ep == 1:
        ranks, total = deployment.tp * len(deployment.stage_sizes), parts.total(cut.measure)
        share = read.total(cut.measure) * replica_bytes // (total * ranks)
        return (share,) * len(deployment.stage_sizes)
    # A tied embedding is read as the head, which `read` then has in its place.
    chosen = replace(cut, parts=read, added=(), tied=False, ends_everywhere=False)
    sizes = chosen.on_stages(deployment.stage_sizes)
    if as_released:
        return sizes
    return tuple(replica_bytes * held // parts.total(cut.measure) for held in sizes)


def _in_bytes(cut: "Cut", stages: Sequence[int], replica_bytes: int | None) -> tuple[int, ...]:
    """Return what a rank of each stage holds, as released or as its share of so many bytes."""
    sizes = cut.on_stages(stages)
    if replica_bytes is None:
        return sizes
    return tuple(ceil_div(replica_bytes * held, cut.parts.total(cut.measure)) for held in sizes)


def _cut(deployment: Deployment, parts: "ModelParts", replica_bytes: int) -> "tuple[Cut, bool]":
    """Return how the parts are cut, and whether the weights are what the release stores."""
    from kvplan.planner.parts import Cut  # noqa: PLC0415 - few specs of a cold command have parts
    from kvplan.specs.parts import Measure  # noqa: PLC0415

    spec, engine = deployment.spec, deployment.engine
    element_bytes = dtype_by_name(spec.dtype).row_bytes(1)
    measure = Measure(element_bytes)
    as_released = parts.total(measure) == replica_bytes
    measure = measure if as_released else Measure(None)
    cut = Cut(
        parts=parts,
        measure=measure,
        shares=deployment.shares,
        repeats=_repeated(deployment),
        tied=spec.tied is True,
        embedding=engine.embedding_on_gpu,
        added=_added(deployment, parts, element_bytes) if as_released else (),
        ends_everywhere=spec.architecture in engine.ends_everywhere,
        tower=engine.has_tower(deployment.options),
    )
    return cut, as_released


def _added(deployment: Deployment, parts: "ModelParts", element_bytes: int) -> list[int]:
    """Return what a rank holds of each layer beside its share of what the release stores."""
    spec, engine = deployment.spec, deployment.engine
    of_each = list(zip(parts.names, spec.layer_types, strict=True))
    found = {
        (kind, name): engine.added(
            HeldLayer(
                parts=parts.kinds[kind],
                kinds=spec.attention[name],
                hidden=spec.hidden or 0,
                element_bytes=element_bytes,
                shares=deployment.shares,
                options=deployment.options,
            )
        )
        for kind, name in dict.fromkeys(of_each)
    }
    return [found[each] for each in of_each]


def _repeated(deployment: Deployment) -> list[int]:
    """
    Return the parameters of each layer's mixers that all ranks hold beyond one copy of each.

    Those are key and value projections of heads that ranks repeat, and what a kind repeats itself. A model's
    one KV head is among its replicated parameters already. Source: QKVParallelLinear in
    model_executor/layers/linear.py of vLLM 0.33.
    """
    spec, tp = deployment.spec, deployment.tp
    hidden = spec.hidden or 0
    each = {
        name: hidden
        * sum(
            term.width * (term.split.on_rank(tp) * tp - term.split.count)
            for term in layer
            if term.role in ("key", "value") and term.split.count > 1
        )
        + sum(kind.repeated(hidden, tp) for kind in spec.attention[name])
        for name, layer in deployment.layers.items()
    }
    return [each[name] for name in spec.layer_types]


def _whole_embedding(deployment: Deployment) -> int:
    """Return what ranks hold of the embedding beyond one copy, where an engine cuts it over fewer of them."""
    spec = deployment.spec
    return (spec.vocab or 0) * (spec.hidden or 0) * (deployment.tp // deployment.shares.embedding - 1)
