"""Line by line from the formula's bytes to those that vLLM reserves; the lines add up exactly."""

from collections import Counter
from collections.abc import Iterator

from kvplan.engines.arrangement import Line
from kvplan.engines.vllm.charges import Charge
from kvplan.engines.vllm.grouping import Cache
from kvplan.engines.vllm.layout import Layout
from kvplan.loads import Load
from kvplan.terms import Growing
from kvplan.units import ceil_div

REASONS = {
    "formula": "the tokens' own bytes, each stored once over the TP ranks",
    "draft layers": "speculative decoding keeps the tokens in layers of its own, too",
    "replication": "what TP cannot split is stored on several ranks",
    "row layout": "vLLM's rows and state dtypes in place of the spec's",
    "context parallelism": "tokens are shared out over the DCP ranks",
    "windows kept whole": "windows drop nothing without the hybrid manager, or in a class that has none",
    "window reserve": "the tokens of one prefill in flight stay until its windows have passed them",
    "window spare block": "a window rarely starts where a block does",
    "encoder reserve": "cross-attention is charged max_num_batched_tokens",
    "block rounding": "the last block of each request is not full",
    "state copies": "prefix caching and speculation keep more than one state",
    "page padding": "pages are padded to one size",
    "group padding": "every block is as large as the largest group's",
    "prompt in flight": "one request is at its worst moment: its prompt is computed",
    "watermark": "so many blocks stay free when a request is admitted",
    "null block": "block 0 is never given to a request",
    "start-up check": "vLLM starts only where one request fits at its worst, however short its prompt",
}
"""Every line that there may be, in order, and why it is there."""


def waterfall(layout: Layout, *, rank: int, load: Load) -> tuple[Line, ...]:
    """
    Return what requests take on a pipeline rank, line by line.

    The lines add up to Layout.reserved_bytes: one request is at its worst moment, the others decode.
    Empty lines are left out.
    """
    sizes = dict.fromkeys(REASONS, 0)
    requests: Counter[tuple[int, bool]] = Counter()
    for context, batch in load:
        requests[context, False] += batch
    worst = layout.worst_context(load)
    block = layout.bytes_per_block[rank]
    if worst is not None and layout.options.prompt is not None:
        sizes["prompt in flight"] = layout.in_flight_blocks(worst) * block
    elif worst is not None:  # One of them does not decode.
        requests.update({(worst, False): -1, (worst, True): 1})
    for (context, at_worst), count in requests.items():
        if count:
            for name, size in _per_request(layout, rank, context, worst=at_worst):
                sizes[name] += count * size
    sizes["null block"] = block
    sizes["watermark"] = layout.watermark_blocks(load) * block
    sizes["start-up check"] = layout.unstarted_blocks(load) * block
    return tuple(
        Line(name=name, size_bytes=size, reason=REASONS[name])
        for name, size in sizes.items()
        if size or name == "formula"
    )


def _per_request(layout: Layout, rank: int, context: int, *, worst: bool) -> Iterator[tuple[str, int]]:
    held = layout.at_worst(context) if worst else layout.standing(context)
    blocks_of = {spec: blocks for (spec, _), blocks in zip(layout.kinds, held, strict=True)}
    for group in layout.groups:
        blocks = blocks_of[group.spec]
        for cache, count in group.alike:
            if cache.rank == rank:
                for name, size in _of_cache(cache, blocks, context, layout, worst=worst):
                    yield name, count * size
        yield "group padding", blocks * (layout.bytes_per_block[rank] - group.bytes_on(rank))


def _of_cache(
    cache: Cache, blocks: int, context: int, layout: Layout, *, worst: bool
) -> Iterator[tuple[str, int]]:
    yield from _shares(cache, context, layout.tp)
    yield from _pages(cache, blocks, context, layout.charge, worst=worst)


def _shares(cache: Cache, context: int, tp: int) -> Iterator[tuple[str, int]]:
    """Yield the formula's bytes, and what replication and vLLM's own rows make of them."""
    on_rank = sum(term.bytes_on_rank(context, tp) for term in cache.terms)
    share = ceil_div(sum(term.bytes_on_rank(context, 1) for term in cache.terms), tp)
    yield "draft layers" if cache.draft else "formula", share
    yield "replication", on_rank - share
    yield "row layout", _held_rows(cache, context) * _row_bytes(cache) - on_rank


def _pages(
    cache: Cache, blocks: int, context: int, charge: Charge, *, worst: bool
) -> Iterator[tuple[str, int]]:
    """Yield what lies between the rows that a request holds and whole pages."""
    spec, row = cache.spec, _row_bytes(cache)
    held = _held_rows(cache, context)
    if spec.paging == "state":
        yield "state copies", (blocks - held) * row
        yield "page padding", blocks * (spec.page_bytes - row)
        return
    reserved = held
    for name, rows in _reserves(cache, held, context, charge, worst=worst):
        yield name, rows * row
        reserved += rows
    rows_per_block = spec.block_size // spec.stride
    spare = blocks - ceil_div(reserved, rows_per_block) if spec.window is not None else 0
    yield "window spare block", spare * rows_per_block * row
    yield "block rounding", ((blocks - spare) * rows_per_block - reserved) * row
    yield "page padding", blocks * (spec.page_bytes - rows_per_block * row)


def _reserves(
    cache: Cache, held: int, context: int, charge: Charge, *, worst: bool
) -> Iterator[tuple[str, int]]:
    """Yield rows that are set aside beside the held ones, before they are rounded to blocks."""
    spec = cache.spec
    if spec.whole_context:
        whole = context // spec.stride
        yield "windows kept whole", whole - held
        yield "context parallelism", ceil_div(context, charge.dcp) // spec.stride - whole
    elif spec.paging == "cross":
        yield "encoder reserve", charge.encoder_tokens - held
    elif worst:
        yield "window reserve", charge.window_tokens(spec, context) - held


def _held_rows(cache: Cache, context: int) -> int:
    """Return the rows of a request's cache; a state counts as one row."""
    rows = cache.terms[0].known_rows
    if cache.spec.paging == "state":
        return 1
    return rows.at(context) if isinstance(rows, Growing) else rows.count


def _row_bytes(cache: Cache) -> int:
    return cache.spec.heads * cache.spec.row_bytes
