"""The figures of plans that no straight line tells: Plan's own searches, once for each number."""

import numpy as np

from kvplan.grids.arrays import AnyArray, Ints, ints
from kvplan.grids.columns import NONE
from kvplan.grids.lines import RESOURCES
from kvplan.planner.limits import limit_of
from kvplan.planner.plan import Plan
from kvplan.planner.results import Memory


def searched(plan: Plan, contexts: Ints, batches: Ints) -> dict[str, AnyArray]:
    """Return the figures of contexts x batches, or of contexts x 1; raise TooLargeError as ints does."""
    tokens, sizes = contexts.tolist(), batches.tolist()
    most = [plan.max_batch(each) for each in tokens]
    each_more = [plan.deployment.sequence_bytes(each) for each in tokens]
    limits = [limit_of(plan, each, held).resource for each, held in zip(tokens, most, strict=True)]
    loads = [(each, size) for each in tokens for size in sizes]
    memories = [plan.memory([load]) for load in loads]
    shape = len(tokens), len(sizes)
    return {
        "bytes_per_sequence": ints(each_more, "a sequence")[:, None],
        **{name: _memory(memories, name, shape) for name in _OF_MEMORY},
        "fits": np.array([plan.fits([load]) for load in loads], dtype=np.bool_).reshape(shape),
        "max_batch": ints([NONE if each is None else each for each in most], "max_batch")[:, None],
        "limit": np.array([RESOURCES.index(each) for each in limits], dtype=np.int8)[:, None],
    }


_OF_MEMORY = ("weights_bytes", "kv_bytes", "kv_used_bytes", "free_bytes")


def _memory(memories: list[Memory], name: str, shape: tuple[int, int]) -> Ints:
    return ints([getattr(each, name) for each in memories], "what the sequences take").reshape(shape)
