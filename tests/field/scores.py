"""Every figure of a record that can be held against kvplan."""

from collections.abc import Callable

from tests.field.field_records import Record
from tests.field.figures import Figure
from tests.field.pool_figures import formula, llamacpp_buffers, sglang_pools
from tests.field.vllm_figures import given_blocks, pool, room, swap

_SCORERS: dict[str, tuple[Callable[[Record], list[Figure]], ...]] = {
    "vllm": (pool, given_blocks, swap, room),
    "llamacpp": (llamacpp_buffers,),
    "sglang": (sglang_pools,),
    "trtllm": (pool,),
    "exact": (formula,),
}


def score(record: Record) -> list[Figure]:
    """Return the figures of *record* beside kvplan's; none where nothing can be compared."""
    engine = record.plan["engine"].partition("@")[0]
    return [figure for scorer in _SCORERS[engine] for figure in scorer(record)]
