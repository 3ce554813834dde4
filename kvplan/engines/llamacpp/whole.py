"""From the embedding to the logits: the whole graph of a micro-batch, and the buffer that it takes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from kvplan.engines.llamacpp.blocks import Attention, Cached, Mixture, Mlp, Rows, attend, feed, mix, project
from kvplan.engines.llamacpp.graph import FLOAT32, Graph
from kvplan.engines.llamacpp.latents import LatentAttention, attend_latents
from kvplan.engines.llamacpp.recurrent import DeltaNet, States, remember
from kvplan.records import record

STATES = -1
"""The number of the cache of recurrent states."""

_INDEX = 8
"""Bytes that say into which row a token is written."""


@record
class Layer:
    """
    One layer: attention over the cache of its number, or a recurrence, then an MLP or a mixture.

    Layers in `parallel` feed the same states to both. `normed_before` is False where only outputs are normed.
    What the MLP makes may be added `onto_states` in place of these to it.
    """

    mixer: Attention | LatentAttention | DeltaNet
    cache: int
    feeds: Mlp | Mixture
    parallel: bool = False
    normed_before: bool = True
    onto_states: bool = False


@record
class Cache:
    """
    What is written into a cache, and seen of it, by a micro-batch.

    A stream has `cells`, each of which `mask_bytes` say whether a token sees it. Rows of V that are not
    transposed have one index per token, others one for each of `value_indices` numbers, latents none.
    `key_turn` and `value_turn` are the sides of the square matrices that turn rows of a cache in blocks.
    """

    cells: int
    mask_bytes: int
    streams: int = 1
    value_indices: int = 1
    key_turn: int | None = None
    value_turn: int | None = None


@record
class Batch:
    """
    A model and the micro-batch for which its graph is reserved.

    `outputs` of its `tokens` have logits; they are `picked` in the last layer, behind it or behind the last
    norm, and states from which drafts start are kept where that is late. A token has `positions` numbers that
    say where it is; images have states for the first `stacked` layers, too. Recurrences have a state in each
    of `slots`. Layer norms (`centred`) are written beside
    what they norm, root mean squares over it. Where several GPUs have layers each, inputs have several
    `copies`, and the last one has the `head`.
    """

    tokens: int
    outputs: int
    hidden: int
    vocab: int
    layers: Sequence[Layer]
    caches: Sequence[Cache]
    positions: int = 1
    stacked: int = 0
    slots: int = 1
    copies: int = 1
    head: bool = True
    picked: Literal["in layer", "behind layers", "behind norm"] = "in layer"
    centred: bool = False


@record
class _Inputs:
    """What a layer reads beside states: where tokens stand, what it remembers, and which are left of them."""

    where: int
    cached: Cached | States
    picks: int | None = None
    left: int = 0


def graph_of(batch: Batch) -> Graph:
    """Return the part of the graph of *batch* that one GPU computes."""
    graph = Graph(copies=batch.copies)
    rows = Rows(graph=graph, tokens=batch.tokens, hidden=batch.hidden)
    states = graph.first(rows.of(batch.hidden))
    inputs = _inputs(graph, batch)
    if not batch.head:
        _through(rows, states, batch, batch.layers, inputs)
        return graph
    picks = graph.first(FLOAT32 * batch.outputs)
    *others, last = batch.layers
    states = _through(rows, states, batch, others, inputs)
    found = inputs[last.cache]
    if batch.picked == "in layer":
        found = replace(found, picks=picks, left=batch.outputs)
    states, rows = _layer(rows, states, last, found, kept=batch.picked == "behind layers")
    _head(rows, states, batch, picks)
    return graph


def _through(
    rows: Rows, states: int, batch: Batch, layers: Sequence[Layer], inputs: dict[int, _Inputs]
) -> int:
    """Return the states behind layers, the first of which may have more added to them."""
    stack = None
    if batch.stacked:
        states = stack = rows.new(rows.hidden * (1 + batch.stacked), states)
    for number, layer in enumerate(layers):
        states, _ = _layer(rows, states, layer, inputs[layer.cache])
        if stack is not None and number < batch.stacked:
            states = rows.new(rows.hidden, states, stack, over=(states,))
    return states


def _inputs(graph: Graph, batch: Batch) -> dict[int, _Inputs]:
    """Return what layers read of each cache; states are read before tokens have a place."""
    found: dict[int, _Inputs] = {}
    if any(isinstance(layer.mixer, DeltaNet) for layer in batch.layers):
        states = States(copied=graph.first(FLOAT32 * batch.slots), slots=batch.slots)
        found[STATES] = _Inputs(where=-1, cached=states)
    where = graph.first(FLOAT32 * batch.tokens * batch.positions)
    for number in dict.fromkeys(layer.cache for layer in batch.layers if layer.cache != STATES):
        cached = _cached(graph, batch.tokens, batch.caches[number])
        found[number] = _Inputs(where=where, cached=cached)
    return found


def _head(rows: Rows, states: int, batch: Batch, picks: int) -> None:
    """Add the last norm and the logits, both of which are outputs."""
    graph, picked = rows.graph, rows.picked(batch.outputs)
    if batch.picked == "behind layers":
        states, rows = picked.new(rows.hidden, states, picks), picked
    over = () if batch.centred else (states,)
    normed = graph.new(rows.of(rows.hidden), states, over=over, kept=True)
    if batch.picked == "behind norm":
        normed = graph.new(picked.of(rows.hidden), normed, picks, kept=True)
    graph.new(picked.of(batch.vocab), normed, kept=True)


def _cached(graph: Graph, tokens: int, cache: Cache) -> Cached:
    key_turn, value_turn = (
        None if side is None else graph.first(FLOAT32 * side * side)
        for side in (cache.key_turn, cache.value_turn)
    )
    return Cached(
        key_rows=graph.first(_INDEX * tokens),
        value_rows=graph.first(_INDEX * tokens * cache.value_indices),
        mask=graph.first(tokens * cache.cells * cache.mask_bytes),
        cells=cache.cells,
        streams=cache.streams,
        key_turn=key_turn,
        value_turn=value_turn,
    )


def _layer(rows: Rows, states: int, layer: Layer, inputs: _Inputs, *, kept: bool = False) -> tuple[int, Rows]:
    """Return the states behind a layer, and the rows that are left of them."""
    hidden = rows.hidden
    normed = rows.new(hidden, states) if layer.normed_before else states
    if layer.parallel:
        return _beside(rows, states, normed, layer, inputs)
    mixed = _mixed(rows, normed, layer, inputs)
    if inputs.picks is not None:
        rows = rows.picked(inputs.left)
        mixed = rows.new(hidden, mixed, inputs.picks)
        states = rows.new(hidden, states, inputs.picks)
    # What a recurrence made is seen through a view, over which nothing is written.
    over = (states,) if isinstance(layer.mixer, DeltaNet) else (mixed, states)
    states = rows.new(hidden, mixed, states, over=over)
    own = isinstance(layer.feeds, Mixture) and layer.feeds.own_norms
    normed = rows.new(hidden, states) if layer.normed_before and not own else states
    fed = _fed(rows, normed, layer.feeds)
    over = (states, fed) if layer.onto_states else (fed, states)
    return rows.graph.new(rows.of(hidden), fed, states, over=over, kept=kept), rows


def _mixed(rows: Rows, normed: int, layer: Layer, inputs: _Inputs) -> int:
    """Return what the mixer of a layer makes of normed states."""
    match layer.mixer, inputs.cached:
        case DeltaNet() as mixer, States() as found:
            return remember(rows, normed, mixer, found)
        case LatentAttention() as mixer, Cached() as found:
            return attend_latents(rows, normed, mixer, found, inputs.where)
        case Attention() as mixer, Cached() as found:
            return project(rows, attend(rows, normed, mixer, found, inputs.where), mixer, found)
        case _:
            raise TypeError("a layer remembers as its mixer does")


def _beside(rows: Rows, states: int, normed: int, layer: Layer, inputs: _Inputs) -> tuple[int, Rows]:
    """Return the states behind a layer whose MLP reads what its attention reads, and the rows left."""
    picks, mixer, cached = inputs.picks, layer.mixer, inputs.cached
    if not (isinstance(mixer, Attention) and isinstance(cached, Cached)):
        raise TypeError("a recurrence stands beside no MLP")
    seen = attend(rows, normed, mixer, cached, inputs.where)
    left = rows if picks is None else rows.picked(inputs.left)
    if picks is not None:
        normed = left.new(rows.hidden, normed, picks)
    fed = _fed(left, normed, layer.feeds)
    if picks is not None:
        states = left.new(rows.hidden, states, picks)
    total = left.new(rows.hidden, fed, states, over=(fed, states))
    mixed = project(rows, seen, mixer, cached)
    if picks is not None:
        mixed = left.new(rows.hidden, mixed, picks)
    return left.new(rows.hidden, total, mixed, over=(total, mixed)), left


def _fed(rows: Rows, states: int, feeds: Mlp | Mixture) -> int:
    return mix(rows, states, feeds) if isinstance(feeds, Mixture) else feed(rows, states, feeds)
