"""Line by line from the formula's bytes to those of llama.cpp's tensors; the lines add up exactly."""

from collections.abc import Iterator

from kvplan.engines.arrangement import Line
from kvplan.engines.llamacpp.caches import Arranged, Part
from kvplan.engines.llamacpp.cells import Slots
from kvplan.loads import Load, longest_in
from kvplan.terms import Fixed

REASONS = {
    "formula": "the terms of every layer",
    "equal slots": "every slot is for the longest sequence",
    "windows kept whole": "windows drop nothing: swa_full, or no cache for them",
    "window batch": "n_ubatch tokens are written before older ones leave the window",
    "slots kept apart": "each slot has cells for all slots' tokens",
    "whole rings": "tokens that wait to be compressed have their cells from the start",
    "cell padding": "contexts, windows and compressed rows are rounded up to 256 cells",
    "float32 states": "recurrent states and convolutions are float32",
    "states of drafts": "a slot has a state to go back to for each drafted token",
    "V padding": "without flash attention every V is as wide as the widest",
    "indexer values": "the indexer's cache has a V of one head, which nothing reads",
}
"""Every line that there may be, in order, and why it is there."""


def waterfall(arranged: Arranged, *, rank: int, load: Load) -> tuple[Line, ...]:
    """Return what a slot for each sequence takes on one device; empty lines are left out."""
    slots = arranged.slots(load)
    sizes = dict.fromkeys(REASONS, 0)
    for part in arranged.on_rank(rank):
        for name, size in _lines(part, slots):
            sizes[name] += part.count * size
    return tuple(
        Line(name=name, size_bytes=size, reason=REASONS[name])
        for name, size in sizes.items()
        if size or name == "formula"
    )


def _lines(part: Part, slots: Slots) -> Iterator[tuple[str, int]]:
    """Yield the bytes of one layer: rows by what they are for, then what cells have beside the formula's."""
    tensors = part.tensors
    own = tensors.cell_bytes - sum(size for _, size in tensors.extra)
    rows = 0
    for name, reached in _rows(part, slots):
        yield name, (reached - rows) * own
        rows = reached
    for name, size in tensors.extra:
        yield name, rows * size


def _rows(part: Part, slots: Slots) -> Iterator[tuple[str, int]]:
    """Yield how many rows there are after each rule, from the formula's to all cells."""
    cache, streams = part.cache, slots.streams(part.cache)
    held = part.tensors.terms[0].known_rows
    if isinstance(held, Fixed):
        yield "formula", streams
        return
    yield "formula", sum(batch * held.at(context) for context, batch in slots.load)
    if not slots.options.kv_unified or cache.apart:
        yield "equal slots", slots.batch * held.at(longest_in(slots.load))
    if cache.rule == "ring":
        yield "whole rings", streams * slots.cells(cache)
        return
    kept = streams * slots.rows(cache)
    if cache.rule == "compressed":
        yield "slots kept apart", kept
    elif cache.rule == "window" and not slots.options.swa_full:
        yield "window batch", kept
    else:
        yield "windows kept whole", kept
    yield "cell padding", streams * slots.cells(cache)
