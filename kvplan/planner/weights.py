"""What each pipeline rank holds of a model's weights."""

from collections.abc import Sequence

from kvplan.planner.deployment import Deployment
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div


def stage_weights(deployment: Deployment, replica_bytes: int) -> tuple[int, ...]:
    """Return the bytes of the weights on a GPU of each pipeline stage, as the engine spreads them."""
    engine, stages = deployment.engine, deployment.stage_sizes
    if engine.even_weights:
        return even_weights(replica_bytes, tp=deployment.tp, stages=len(stages))
    on_gpu = engine.embedding_on_gpu
    return rank_weights(deployment.spec, replica_bytes, tp=deployment.tp, stages=stages, embedding=on_gpu)


def least_weights(deployment: Deployment, replica_bytes: int) -> int:
    """Return the bytes of one replica's weights on all its GPUs together, however it is spread: the least."""
    engine, layers = deployment.engine, deployment.spec.layer_count
    if engine.even_weights:
        return replica_bytes
    on_gpu = engine.embedding_on_gpu
    return sum(rank_weights(deployment.spec, replica_bytes, tp=1, stages=(layers,), embedding=on_gpu))


def even_weights(replica_bytes: int, *, tp: int, stages: int) -> tuple[int, ...]:
    """Return an equal share of the weights for each of *stages* pipeline stages of *tp* ranks."""
    return (ceil_div(replica_bytes, tp * stages),) * stages


def rank_weights(
    spec: ModelSpec, replica_bytes: int, *, tp: int, stages: Sequence[int], embedding: bool = True
) -> tuple[int, ...]:
    """
    Return the bytes of the weights on a GPU of each pipeline stage, *stages* being layers per stage.

    The *embedding* is on the first stage, if it is on a GPU at all, and the output head on the last,
    which also keeps a copy of an embedding that serves as head; the other parameters are spread evenly
    over the layers. What tensor parallelism leaves whole is on each of *tp* ranks. All parameters are
    taken to be stored alike. A spec without these facts has its weights spread evenly over all ranks.
    """
    total, layers = spec.parameters, sum(stages)
    if total is None or spec.hidden is None or spec.vocab is None or spec.tied is None:
        return even_weights(replica_bytes, tp=tp, stages=len(stages))
    rows = spec.vocab * spec.hidden
    body = total - rows * (1 if spec.tied else 2)
    whole = spec.replicated or 0
    # Of each tp parameters on a stage, a rank holds 1, and of each replicated one all.
    held = total - whole + whole * tp
    counts = [count * body for count in stages]
    counts[0] += layers * rows if embedding else 0
    if len(stages) > 1 or not spec.tied or not embedding:
        counts[-1] += layers * rows
    return tuple(ceil_div(replica_bytes * count * held, layers * total * total * tp) for count in counts)
