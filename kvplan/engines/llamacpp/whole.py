"""From the embedding to the logits: the whole graph of a micro-batch, and the buffer that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from kvplan.engines.llamacpp.architectures import Picked
from kvplan.engines.llamacpp.blocks import Cached, IndexInputs, Rows
from kvplan.engines.llamacpp.graph import FLOAT32, Graph
from kvplan.engines.llamacpp.latents import LatentAttention
from kvplan.engines.llamacpp.layers import NOTHING, STATES, Beside, Inputs, Layer, pass_layer
from kvplan.engines.llamacpp.mamba import Convolving
from kvplan.engines.llamacpp.recurrent import DeltaNet, States
from kvplan.records import record

_INDEX = 8
"""Bytes that say into which row a token is written."""

_HALF = 2
"""Bytes of an element in float16, of which an indexer's mask always is."""

_NONE = -1
"""The number of an input that nothing reads."""


@record
class Cache:
    """
    What is written into a cache, and seen of it, by a micro-batch.

    A stream has `cells`, each of which `mask_bytes` say whether a token sees it. Rows of V that are not
    transposed have one index per token, others one for each of `value_indices` numbers, latents none.
    `key_turn` and `value_turn` are the sides of the square matrices that turn rows of a cache in blocks.
    Queries may be scaled by their position (`scales`). An indexer has keys of an `index_width` beside.
    """

    cells: int
    mask_bytes: int
    streams: int = 1
    value_indices: int = 1
    key_turn: int | None = None
    value_turn: int | None = None
    scales: bool = False
    index_width: int = 0


@record
class Batch:
    """
    A model and the micro-batch for which its graph is reserved.

    `outputs` of its `tokens` have logits; they are `picked` in the last layer or of a sum in it, behind it or
    behind the last norm, and states from which drafts start are kept where that is late. A token has
    `positions` numbers that say where it is; images have states for the first `stacked` layers, too.
    Recurrences have a state in each of `slots`, for which an input may stand before all others
    (`states_first`). Layer norms (`centred`) are written beside what they norm, root mean squares over it.
    Where several GPUs have layers each, inputs have several `copies`, and the last one has the `head`.
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
    states_first: bool = False
    picked: Picked = "in layer"
    centred: bool = False


def graph_of(batch: Batch) -> Graph:
    """Return the part of the graph of *batch* that one GPU computes."""
    graph = Graph(copies=batch.copies)
    rows = Rows(graph=graph, tokens=batch.tokens, hidden=batch.hidden)
    zeros = _zeros(graph, batch)
    found = _states(graph, batch) if batch.states_first else None
    states = graph.first(rows.of(batch.hidden))
    inputs = _inputs(graph, batch, found)
    picks = graph.first(FLOAT32 * batch.outputs) if batch.head else None
    states, rows = _through(rows, states, batch, (inputs, zeros), picks)
    if picks is not None:
        _head(rows, states, batch, picks)
    return graph


def _through(
    rows: Rows, states: int, batch: Batch, of: tuple[dict[int, Inputs], dict[int, int]], picks: int | None
) -> tuple[int, Rows]:
    """Return the states behind all layers, the first of which may have more added to them."""
    stack, (inputs, zeros) = None, of
    if batch.stacked:
        states = stack = rows.new(rows.hidden * (1 + batch.stacked), states)
    remembered = next((each.states for each in inputs.values() if each.states is not None), None)
    pasts = _Pasts(graph=rows.graph, layers=batch.layers, states=remembered)
    for number, layer in enumerate(batch.layers):
        found = _with_zeros(pasts.around(number, inputs[layer.cache]), zeros.get(number))
        last = picks is not None and number == len(batch.layers) - 1
        if last and batch.picked in {"in layer", "in sum"}:
            found = replace(found, picks=picks, left=batch.outputs, picks_sum=batch.picked == "in sum")
        kept = last and batch.picked == "behind layers"
        states, rows = pass_layer(rows, states, layer, found, kept=kept)
        if stack is not None and number < batch.stacked:
            states = rows.new(rows.hidden, states, stack, over=(states,))
    return states, rows


def _zeros(graph: Graph, batch: Batch) -> dict[int, int]:
    """Return what each layer of sparse attention writes into its mask, by its number."""
    found: dict[int, int] = {}
    for number, layer in enumerate(batch.layers):
        if isinstance(layer.mixer, LatentAttention) and layer.mixer.sparse is not None:
            chosen = layer.mixer.sparse.chosen(batch.caches[layer.cache].cells)
            found[number] = graph.constant(FLOAT32 * batch.tokens * chosen)
    return found


def _with_zeros(inputs: Inputs, zeros: int | None) -> Inputs:
    cached = inputs.cached
    if zeros is None or cached is None or cached.index is None:
        return inputs
    return replace(inputs, cached=replace(cached, index=replace(cached.index, zeros=zeros)))


@dataclass(slots=True)
class _Pasts:
    """What convolutions read of tokens before, which is read as soon as a layer before theirs allows it."""

    graph: Graph
    layers: Sequence[Layer]
    states: States | None
    made: dict[int, int] = field(default_factory=dict)

    def around(self, number: int, inputs: Inputs) -> Inputs:
        """Return the inputs of a layer with what was read for it, and what reads for a later one."""
        later = self._later(number)
        ahead = None if later is None else partial(self._read, later)
        return replace(inputs, past=self.made.get(number), ahead=ahead)

    def _later(self, number: int) -> int | None:
        """Return the next layer that convolves, if no other before it allows it to be read for."""
        if self.layers[number].waits:
            return None
        for later in range(number + 1, len(self.layers)):
            if isinstance(self.layers[later].mixer, Convolving):
                return later
            if not self.layers[later].waits:
                return None
        return None

    def _read(self, later: int) -> None:
        mixer = self.layers[later].mixer
        if isinstance(mixer, Convolving) and self.states is not None:
            self.made[later] = self.states.read(self.graph, mixer.past_bytes)


def _inputs(graph: Graph, batch: Batch, states: States | None) -> dict[int, Inputs]:
    """Return what layers read of each cache; states are read before tokens have a place."""
    beside = any(isinstance(layer.mixer, Beside) for layer in batch.layers)
    remembers = any(isinstance(layer.mixer, DeltaNet | Convolving) for layer in batch.layers)
    if remembers and states is None:
        states = _states(graph, batch)
    where = graph.first(FLOAT32 * batch.tokens * batch.positions) if batch.positions else _NONE
    found = {number: Inputs(where=where, states=states) for number in (STATES, NOTHING)}
    for number in dict.fromkeys(layer.cache for layer in batch.layers if layer.cache >= 0):
        cached = _cached(graph, batch.tokens, batch.caches[number])
        found[number] = Inputs(where=where, cached=cached, states=_states(graph, batch) if beside else None)
    return found


def _states(graph: Graph, batch: Batch) -> States:
    copied = graph.first(FLOAT32 * batch.slots)
    return States(copied=copied, others=graph.first(0), slots=batch.slots)


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
    scale = graph.first(FLOAT32 * tokens) if cache.scales else None
    key_turn, value_turn, turn = (
        graph.first(FLOAT32 * side * side) if side else None
        for side in (cache.key_turn, cache.value_turn, cache.index_width)
    )
    index_rows = graph.first(_INDEX * tokens) if cache.index_width else _NONE
    key_rows = graph.first(_INDEX * tokens)
    value_rows = graph.first(_INDEX * tokens * cache.value_indices) if cache.value_indices else _NONE
    index_mask = graph.first(tokens * cache.cells * _HALF) if cache.index_width else _NONE
    return Cached(
        key_rows=key_rows,
        value_rows=value_rows,
        mask=graph.first(tokens * cache.cells * cache.mask_bytes),
        mask_bytes=cache.mask_bytes,
        cells=cache.cells,
        streams=cache.streams,
        key_turn=key_turn,
        value_turn=value_turn,
        scale=scale,
        index=None if turn is None else IndexInputs(rows=index_rows, turn=turn, mask=index_mask),
    )
