"""What each pipeline rank holds of weights and of what comes with them: adapters, less what is offloaded."""

from functools import lru_cache
from typing import NamedTuple

from kvplan.dtypes import dtype_by_name
from kvplan.engines.base import no_adapters
from kvplan.errors import KvplanError
from kvplan.planner.deployment import KEPT, Deployment
from kvplan.planner.weights import all_weights, stage_weights
from kvplan.units import ceil_div


class Loaded(NamedTuple):
    """
    The bytes on a GPU of each pipeline stage of all that is loaded before the cache comes.

    `weights` are all of them, with the `adapters`' buffers and without what is `offloaded` to the host.
    """

    weights: tuple[int, ...]
    adapters: tuple[int, ...]
    offloaded: tuple[int, ...]


@lru_cache(maxsize=KEPT)
def loaded(deployment: Deployment, replica_bytes: int, *, alone: bool = False) -> Loaded:
    """
    Return what the fullest GPU of each stage holds of a model of so many bytes, and why.

    The weights *alone* where they are beside a known memory for the cache, of which nothing is taken. The
    last ones are kept, as deployments are.
    """
    weights = stage_weights(deployment, replica_bytes)
    if alone:
        nothing = (0,) * len(weights)
        return Loaded(weights=weights, adapters=nothing, offloaded=nothing)
    adapters, offloaded = adapter_bytes(deployment), offloaded_bytes(deployment, weights)
    each = zip(weights, adapters, offloaded, strict=True)
    return Loaded(
        weights=tuple(size + beside - away for size, beside, away in each),
        adapters=adapters,
        offloaded=offloaded,
    )


@lru_cache(maxsize=KEPT)
def loaded_on_all(deployment: Deployment, replica_bytes: int) -> int:
    """Return the same on all GPUs together; kept, too."""
    weights = stage_weights(deployment, replica_bytes)
    change = sum(adapter_bytes(deployment)) - sum(offloaded_bytes(deployment, weights))
    return all_weights(deployment, replica_bytes) + deployment.tp * deployment.dp * change


def adapter_bytes(deployment: Deployment) -> tuple[int, ...]:
    """Return the bytes of adapters' buffers on a GPU of each stage."""
    if deployment.engine.adapters is no_adapters:
        return (0,) * len(deployment.stage_sizes)
    from kvplan.engines.adapters import AdaptedModel  # noqa: PLC0415 - a cold command has none

    spec, engine = deployment.spec, deployment.engine
    return engine.adapters(
        AdaptedModel(
            name=spec.name,
            kinds=[spec.attention[name] for name in spec.layer_types],
            parts=None if spec.parts is None else spec.parts.of_layers,
            mlp=spec.mlp,
            hidden=spec.hidden,
            vocab=spec.vocab,
            tied=spec.tied,
            element_bytes=dtype_by_name(spec.dtype).row_bytes(1),
            stages=deployment.stage_sizes,
            shares=deployment.shares,
            options=deployment.options,
        )
    )


def offloaded_bytes(deployment: Deployment, weights: tuple[int, ...]) -> tuple[int, ...]:
    """
    Return how much of the *weights* on a GPU of each stage is in the host's memory instead.

    Engines move parameters of layers there, so that embedding and head stay: all of both is taken to be in
    the model's dtype.
    """
    asked = deployment.engine.offloaded(deployment.options)
    if not asked:
        return (0,) * len(weights)
    ends = _ends(deployment)
    return tuple(max(0, min(asked, size - end)) for size, end in zip(weights, ends, strict=True))


def _ends(deployment: Deployment) -> list[int]:
    """Return the bytes of embedding and head on a rank of each stage, at most."""
    spec, stages = deployment.spec, len(deployment.stage_sizes)
    if spec.hidden is None or spec.vocab is None:
        missing = "hidden" if spec.hidden is None else "vocab"
        raise KvplanError(
            f"the spec of {spec.name} has no {missing}, and embedding and head are not offloaded: add "
            f"{missing} to the spec"
        )
    size = spec.hidden * spec.vocab * dtype_by_name(spec.dtype).row_bytes(1)
    rows = ceil_div(size, deployment.tp)
    if spec.architecture in deployment.engine.ends_everywhere:
        return [rows * (1 if spec.tied else 2)] * stages
    ends = [0] * stages
    ends[0] += rows
    ends[-1] += 0 if spec.tied and stages == 1 else rows
    return ends
