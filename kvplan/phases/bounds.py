"""
The least time that a plan's phases take, and the most requests that it serves: bounds, never predictions.

A decode step reads weights and caches once over the memory's bandwidth; a prefill computes two operations
for each parameter and token. Kernels, communication and schedulers take their time on top. Nothing here
says how close an engine comes.
"""

from collections.abc import Mapping

from kvplan.dtypes import dtype_by_name
from kvplan.errors import OptionsError
from kvplan.gpus import Card
from kvplan.phases.reading import active, cache_reads, prompt_operations, stage_reads
from kvplan.planner.plan import Plan
from kvplan.records import record

_NARROW = ((6, ("bf16", "fp16", "fp8", "int8", "fp4")), (12, ("bf16", "fp16", "fp8", "int8")))
"""For parameters of so many bits at most, the dtypes in which a kernel may compute."""


@record
class Speeds:
    """
    How fast one card of a plan can be: bytes per second of its memory, dense operations per second.

    `dtype` is the one of these operations. None where a figure is not known.
    """

    bandwidth: int | None
    flops: int | None
    dtype: str | None = None


@record
class DecodeBound:
    """
    The least time of a step of `sequences` sequences of `context` tokens each, on one replica.

    `seconds` with the weights that one token's experts have, `all_differ_seconds` where every token
    chooses other experts than the rest. `weights_bytes` and `cache_bytes` are read at least, by a GPU of
    the stage that reads most.
    """

    sequences: int
    context: int
    weights_bytes: int
    cache_bytes: int
    seconds: float
    all_differ_seconds: float
    why: str | None = None


def speeds_of(plan: Plan, bandwidth: int | None = None, flops: int | None = None) -> Speeds:
    """
    Return the speeds of a plan's card; what is given replaces the catalogue's.

    Operations are those of the fastest dtype in which weights as narrow as the plan's may be computed.
    """
    card = plan.asked.card()
    known: Mapping[str, int] = card.flops if card else {}
    fastest = max(
        (name for name in _dtypes(plan) if name in known), key=lambda name: known[name], default=None
    )
    return Speeds(
        bandwidth=bandwidth or (card.bandwidth if card else None),
        flops=flops or (known[fastest] if fastest else None),
        dtype=None if flops else fastest,
    )


def require_bandwidth(speeds: Speeds, card: Card | None) -> int:
    """Return the bandwidth; raise OptionsError where it is not known."""
    if speeds.bandwidth is None:
        raise OptionsError(
            f"the memory's bandwidth is not known for {_named(card)}; give --bandwidth 3.35TB/s"
        )
    return speeds.bandwidth


def require_flops(speeds: Speeds, card: Card | None) -> int:
    """Return the operations per second; raise OptionsError where they are not known."""
    if speeds.flops is None:
        raise OptionsError(f"the operations per second are not known for {_named(card)}; give --flops 989T")
    return speeds.flops


def decode_bound(plan: Plan, context: int, sequences: int, bandwidth: int) -> DecodeBound:
    """
    Return the least time of a decode step on one replica, in which each of *sequences* gets a token.

    All weights of a stage are read for its sequences, and the caches of all of them; stages follow
    each other for one token, so that the step takes the sum of the stages' weights at least.
    """
    deployment, replica = plan.deployment, plan.budget.replica_weights_bytes
    weights = stage_reads(deployment, replica)
    differ = stage_reads(deployment, replica, sequences)
    caches = [sequences * size for size in cache_reads(deployment, context)]
    stages = [sum(each) for each in zip(weights, caches, strict=True)]
    fullest = stages.index(max(stages))
    return DecodeBound(
        sequences=sequences,
        context=context,
        weights_bytes=weights[fullest],
        cache_bytes=caches[fullest],
        seconds=_step(weights, caches) / bandwidth,
        all_differ_seconds=_step(differ, caches) / bandwidth,
        why=active(deployment.spec).why,
    )


def prefill_seconds(plan: Plan, tokens: int, flops: int) -> float:
    """Return the least time in which all GPUs of one replica compute a prompt of *tokens* tokens."""
    return prompt_operations(plan.deployment.spec, tokens) / (plan.deployment.replica_gpus * flops)


def most_requests_per_second(held: int, prefill: float, output: int, per_token: float) -> float:
    """
    Return the most requests per second where *held* stand at once, by Little's law.

    Each stays for its *prefill* seconds and for *output* tokens of *per_token* seconds each.
    """
    return held / (prefill + output * per_token)


def _step(weights: tuple[int, ...], caches: list[int]) -> int:
    """Return the bytes that a GPU must read one after the other, in the worst place of the pipeline."""
    return max(sum(weights), *(sum(each) for each in zip(weights, caches, strict=True)))


def _dtypes(plan: Plan) -> tuple[str, ...]:
    """Return the dtypes in which weights of so few bits as the plan's may be computed."""
    spec = plan.deployment.spec
    stored = plan.asked.weight_dtype or spec.weight_dtype or spec.dtype
    dtype = dtype_by_name(stored)
    bits = 8 * dtype.block_bytes / dtype.block
    # Beside a known memory for the cache nobody asks for the weights.
    if spec.parameters and plan.budget.replica_weights_bytes:
        bits = min(bits, 8 * plan.budget.replica_weights_bytes / spec.parameters)
    return next((names for most, names in _NARROW if bits <= most), ("bf16", "fp16"))


def _named(card: Card | None) -> str:
    return card.label if card else "memory that is given without a card"
