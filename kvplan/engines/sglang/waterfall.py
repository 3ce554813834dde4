"""Line by line from the formula's bytes to the memory that SGLang needs; the lines add up exactly."""

from collections.abc import Iterator
from itertools import chain

from kvplan.engines.arrangement import Line
from kvplan.engines.sglang.cells import Rank
from kvplan.engines.sglang.lowering import Lowering
from kvplan.engines.sglang.pools import Demand, Sizing
from kvplan.loads import Load, sequences_in, tokens_in
from kvplan.terms import Stage
from kvplan.units import ceil_div

REASONS = {
    "formula": "the tokens' own bytes, each stored once over the TP ranks",
    "replication": "what TP cannot split is stored on several ranks",
    "row layout": "SGLang's rows and state dtypes in place of the spec's",
    "layers without rows": "every layer of the model gets a buffer",
    "draft layers": "what drafts tokens keeps them, too, in layers that SGLang sizes like the model's",
    "windows kept whole": "in the one token pool windows drop nothing",
    "window reserve": "what a window, pages, eviction and chunks of prefill in flight hold at worst",
    "page rounding": "the last page of each request is not full",
    "pool ratio": "the pools of tokens and of windows keep swa_full_tokens_ratio",
    "pool of windows": "max_running_requests sizes it, whoever runs",
    "state copies": "the radix cache keeps more than one state of a request",
    "state slots": "max_mamba_cache_size, or max_running_requests, sizes the pool of states",
    "drafted states": "running requests have a state for each token that is drafted",
    "padding slot": "one slot of states is never given to a request",
    "fullest stage": "every stage gets the tokens and slots that the fullest one can hold",
    "memory ratio": "tokens and states keep mamba_full_memory_ratio, whichever runs out first",
    "out of reach": "no memory is enough: max_total_tokens or the slots of states bound the requests",
}
"""Every line that there may be, in order, and why it is there."""


def waterfall(sizing: Sizing, stage: Stage, *, rank: int, load: Load) -> tuple[Line, ...]:
    """
    Return the least memory for requests on a pipeline rank, line by line.

    Empty lines are left out, but for the formula's.
    """
    sizes = dict.fromkeys(REASONS, 0)
    demand, held = sizing.demand(load), sizing.cells.ranks[rank]
    for name, size in chain(
        *(_requests(sizing, stage, context, batch) for context, batch in load),
        _tokens(sizing, held, demand, load),
        _states(sizing, held, demand, sequences_in(load)),
        _split(sizing, held, demand),
    ):
        sizes[name] += size
    return tuple(
        Line(name=name, size_bytes=size, reason=REASONS[name])
        for name, size in sizes.items()
        if size or name == "formula"
    )


def _requests(sizing: Sizing, stage: Stage, context: int, batch: int) -> Iterator[tuple[str, int]]:
    """Yield the formula's bytes, and what replication, SGLang's rows and one pool make of them."""
    lowering = Lowering(options=sizing.options, rules=sizing.rules)
    tp = sizing.options.tp
    on_rank = stage.bytes_on_rank(context, tp)
    share = ceil_div(stage.bytes_on_rank(context, 1), tp)
    rows = slots = kept_whole = 0
    for layer, count in stage.counts:
        slots += count * lowering.slot_bytes(layer)
        cell = lowering.cell(layer)
        if cell is None:
            continue
        held = context if cell.window is None else min(context, cell.window)
        rows += count * held * (cell.row_bytes + cell.indexer_bytes)
        if sizing.cells.window is None:
            kept_whole += count * (context - held) * (cell.row_bytes + cell.indexer_bytes)
    yield "formula", batch * share
    yield "replication", batch * (on_rank - share)
    yield "row layout", batch * (rows + slots - on_rank)
    yield "windows kept whole", batch * kept_whole


def _tokens(sizing: Sizing, held: Rank, demand: Demand, load: Load) -> Iterator[tuple[str, int]]:
    """Yield what lies between the rows that requests hold and the pools of tokens and windows."""
    in_windows = sum(batch * min(context, sizing.cells.window or 0) for context, batch in load)
    pool = sizing.token_bytes(held, sizing.pool_tokens(demand))
    empty = tokens_in(load) * held.empty_bytes + in_windows * held.empty_window_bytes
    reserve = (demand.window_tokens - in_windows) * held.window_bytes
    filled = demand.tokens * held.full_bytes + demand.window_tokens * held.window_bytes
    yield "layers without rows", empty
    yield "draft layers", tokens_in(load) * held.draft_bytes
    yield "page rounding", (demand.tokens - tokens_in(load)) * held.full_bytes
    yield "window reserve", reserve
    yield "pool ratio" if sizing.window_cap is None else "pool of windows", pool - filled


def _states(sizing: Sizing, held: Rank, demand: Demand, batch: int) -> Iterator[tuple[str, int]]:
    """Yield what lies between one state of each request and the slots of the pool."""
    drafted = sizing.states.of_drafts(demand.slots)
    charged = sizing.charged_slots(demand.slots) - drafted
    padding = min(1, charged)
    yield "state copies", (demand.slots - batch * padding) * held.slot_bytes
    yield "state slots", (charged - padding - demand.slots) * held.slot_bytes
    yield "drafted states", drafted * held.slot_bytes
    yield "padding slot", padding * held.slot_bytes


def _split(sizing: Sizing, held: Rank, demand: Demand) -> Iterator[tuple[str, int]]:
    """Yield what the fullest stage needs beyond this one, and what the ratio of states leaves unused."""
    tokens, slots = sizing.pool_tokens(demand), sizing.charged_slots(demand.slots)
    own = sizing.token_bytes(held, tokens) + slots * held.slot_bytes
    fullest = sizing.fullest_bytes(tokens)
    needed = fullest + slots * sizing.cells.slot_bytes
    with_ratio = sizing.with_states(fullest, demand.slots)
    yield "fullest stage", needed - own
    yield "memory ratio", with_ratio - needed
    yield "out of reach", sizing.least_bytes(demand) - with_ratio
