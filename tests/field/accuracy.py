"""
The whole plan against real start-ups: the KV memory that kvplan predicts, and the one that was printed.

Nothing of the log is a hint: kvplan is asked with the model, the card, the spread and the utilization
that the user had chosen, and has to know weights, activations and the rest by itself.
"""

from dataclasses import dataclass
from functools import cache
from statistics import median

import kvplan
from kvplan import Fit
from kvplan.units import GIB
from tests.field.field_records import MemorySplit, memory_splits
from tests.field.printed import Printed

CARDS = {
    "H100-80GB": "h100-80gb",
    "H100": "h100-80gb",
    "RTX 3090": "rtx-3090-24gb",
    "RTX 4060": "rtx-4060-8gb",
    "L40S": "l40s-48gb",
}
"""The logs' names of cards in kvplan's words."""

WEIGHTS = {"fp8": "fp8", "compressed-tensors": "int8", "awq": "int4"}
"""What a user would say of the weights of a quantised release: `--weight-dtype`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Printed):
    """A start-up of a log that tells how its memory was split."""

    split: MemorySplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """
    How far all plans are off: the median and the largest error, and how many ranges hold.

    Many start-ups differ in nothing that matters to the memory: `different` counts those that do, and
    the median is theirs.
    """

    count: int
    different: int
    median_error: float
    largest_error: float
    inside: int


def whole_plans() -> tuple[Planned, ...]:
    """Return a plan for each start-up of a known model on a known card that had memory for a cache."""
    return tuple(_planned(split) for split in memory_splits() if _is_whole(split))


def left_out() -> tuple[MemorySplit, ...]:
    """Return the start-ups of which the log does not tell the card, its share or the context."""
    return tuple(split for split in memory_splits() if not _is_whole(split))


@cache
def accuracy() -> Accuracy:
    """Return how accurate whole plans are."""
    plans = whole_plans()
    by_kind = {_kind(each): abs(each.error) for each in plans}
    return Accuracy(
        count=len(plans),
        different=len(by_kind),
        median_error=median(by_kind.values()),
        largest_error=max(abs(each.error) for each in plans),
        inside=sum(each.inside for each in plans),
    )


def _kind(plan: Planned) -> tuple[object, ...]:
    """Return what of a start-up decides the memory for the cache."""
    split = plan.split
    spread = split.model, split.gpu, split.tp, split.pp
    return (*spread, split.weight_dtype, split.quantization, split.asked_engine, split.utilization)


def _is_whole(split: MemorySplit) -> bool:
    known = (split.model, split.context, split.utilization, split.gpu or split.total_gib)
    return None not in known and split.available_kv_gib > 0


def _planned(split: MemorySplit) -> Planned:
    answer = kvplan.fit(
        split.model or "",
        gpu=CARDS.get(split.gpu or "", f"{split.total_gib}GiB"),
        engine=split.asked_engine,
        context=split.context,
        tp=split.tp,
        pp=split.pp,
        dtype=split.weight_dtype,
        weight_dtype=split.asked_weight_dtype or WEIGHTS.get(split.quantization or ""),
        utilization=str(split.utilization),
    )
    low, high = answer.kv_range or (answer.memory.kv_bytes,) * 2
    return Planned(
        id=split.id,
        split=split,
        printed_bytes=_printed_bytes(split, answer),
        planned_bytes=answer.memory.kv_bytes,
        low_bytes=low,
        high_bytes=high,
    )


def _printed_bytes(split: MemorySplit, answer: Fit) -> int:
    """Return the printed KV memory; of unequal stages that of the least, which the tokens tell."""
    if split.pp > 1 and split.kv_tokens is not None:
        return split.kv_tokens * int(answer.bytes_per_token)
    return int(split.available_kv_gib * GIB)
