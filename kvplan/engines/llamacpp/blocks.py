"""
The blocks of which a graph's layers are made: attention over a cache, MLPs, mixtures of experts.

Source: build_attn_mha, build_ffn and build_moe_ffn in src/llama-graph.cpp of llama.cpp v0.5.0, and what
CUDA keeps for its fused kernels, ggml_backend_cuda_graph_optimize in ggml/src/ggml-cuda/ggml-cuda.cu.
"""

from collections.abc import Callable
from typing import Literal

from kvplan.engines.llamacpp.graph import FLOAT32, Graph
from kvplan.records import record

_FUSED_EXPERTS = (288, 576)
_MOST_FUSED_EXPERTS = 512
"""Beside powers of two up to 512, of how many experts CUDA chooses in one kernel (topk-moe.cu)."""

_MOST_SUMMED = 15
"""The experts of a token that CUDA adds up in one kernel."""


@record
class IndexInputs:
    """
    The inputs of sparse attention: where an indexer's keys go, which it sees, and the matrix that turns them.

    `zeros` are what is written into a mask of nothing for the tokens that it chooses.
    """

    rows: int
    turn: int
    mask: int
    zeros: int = -1


@record
class Cached:
    """
    The inputs on the GPU by which layers write and read one cache.

    `key_rows` and `value_rows` say where tokens go, `mask` which of the `cells` of a stream they see, in
    `mask_bytes` of each. Rows of a cache in blocks are turned by a matrix before they are written, `key_turn`
    or `value_turn`. Queries that are not rotated may be scaled by their position (`scale`). An indexer has
    inputs of its own.
    """

    key_rows: int
    value_rows: int
    mask: int
    mask_bytes: int
    cells: int
    streams: int
    key_turn: int | None
    value_turn: int | None
    scale: int | None = None
    index: IndexInputs | None = None


@record
class Attention:
    """
    Attention of `heads` query heads over the rows of a cache.

    `widened_bytes` are what CUDA's flash attention takes for a token's key and value in float16, where they
    are cached in another type: 0 without flash attention, which reads them as they are. `key_first` is the
    order of key and value. `places` says whether query and key are normed, or rotated by their position, and
    `norms_value` whether the value is normed, which may be `one_with_key` before that. One matrix may make
    queries, keys and values (`joined`). Where it is `gated`, that of queries makes a gate of what the heads
    see, too.
    """

    heads: int
    kv_heads: int
    key: int
    value: int
    widened_bytes: int = 0
    flash: bool = True
    key_first: bool = False
    places: bool = True
    norms_value: bool = False
    one_with_key: bool = False
    joined: bool = False
    gated: bool = False


@record
class Mlp:
    """An MLP of a `width`, with a gate of the same width or without, which one matrix may make (`joined`)."""

    width: int
    gated: bool = True
    joined: bool = False


@record
class Mixture:
    """
    A mixture of which each token meets `used` of `experts`, each of a `width`, and a `shared` MLP.

    `chooses` says how: by the softmax of all logits, by their sigmoid, or by the softmax of the chosen. The
    choice may be `biased` and be made in the best `chosen_groups` of `groups` of experts; the weights may be
    `normed`, and `scaled` behind that. CUDA may keep tensors for `fused` kernels. Experts may have no gate
    inside (`gated`). With `own_norms` the choice, the experts and the shared MLP norm the states each for
    itself, and experts have scales; `gates_shared` says that the shared MLP has a gate of its own. What
    experts read and make may be a `latent`. With `weighs_first` the states of a token's one expert are
    weighted before it reads them.
    """

    experts: int
    used: int
    width: int
    shared: Mlp | None = None
    chooses: Literal["softmax", "sigmoid", "softmax of chosen"] = "softmax"
    biased: bool = False
    groups: int = 1
    chosen_groups: int = 1
    normed: bool = True
    scaled: bool = False
    fused: bool = True
    gated: bool = True
    own_norms: bool = False
    gates_shared: bool = False
    latent: int | None = None
    weighs_first: bool = False


@record
class Rows:
    """A graph for so many `tokens`, of a model of the width `hidden`."""

    graph: Graph
    tokens: int
    hidden: int

    def picked(self, tokens: int) -> "Rows":
        """Return rows of so many of the tokens."""
        return Rows(graph=self.graph, tokens=tokens, hidden=self.hidden)

    def of(self, width: int) -> int:
        """Return the bytes of a row of *width* numbers for each token."""
        return FLOAT32 * self.tokens * width

    def new(self, width: int, *sources: int, over: tuple[int, ...] = ()) -> int:
        """Add such rows that are computed of *sources*."""
        return self.graph.new(self.of(width), *sources, over=over)


def attend(rows: Rows, states: int, layer: Attention, cached: Cached, where: int) -> tuple[int, int]:
    """Return what the heads see, of tokens that stand *where* an input says, and what queries are of."""
    queries, keys = layer.heads * layer.key, layer.kv_heads * layer.key
    if layer.joined:
        states = rows.new(queries + keys + layer.kv_heads * layer.value, states)
    asked = states if layer.joined else rows.new(queries * (2 if layer.gated else 1), states)
    query = _placed(rows, asked, queries, layer, where)
    if not layer.places and cached.scale is not None:
        query = rows.new(queries, asked, cached.scale)
    query = _turned(rows, query, queries, cached.key_turn)
    value = None if layer.key_first else _value(rows, states, layer, cached)
    made = states if layer.joined else rows.new(keys, states)
    key = _turned(rows, _placed(rows, made, keys, layer, where), keys, cached.key_turn)
    if value is None:
        value = _value(rows, made if layer.one_with_key else states, layer, cached)
    rows.graph.read(key, cached.key_rows)
    rows.graph.read(value, cached.value_rows)
    return _heads(rows, query, layer, cached), asked


def project(rows: Rows, found: tuple[int, int], layer: Attention, cached: Cached) -> int:
    """Return the states that the output matrix makes of what attend *found*."""
    width = layer.heads * layer.value
    seen = _turned(rows, found[0], width, cached.value_turn)
    if layer.gated:
        gate = rows.new(width, found[1])
        # Flash attention's output is seen through a view, over which nothing is written.
        seen = rows.new(width, seen, gate, over=(gate,) if layer.flash else (seen, gate))
    return rows.new(rows.hidden, seen)


def _value(rows: Rows, states: int, layer: Attention, cached: Cached) -> int:
    width = layer.kv_heads * layer.value
    value = states if layer.one_with_key or layer.joined else rows.new(width, states)
    if layer.norms_value:
        value = rows.new(width, value)
    return _turned(rows, value, width, cached.value_turn)


def _placed(rows: Rows, states: int, width: int, layer: Attention, where: int) -> int:
    return rows.new(width, states, where) if layer.places else states


def _turned(rows: Rows, states: int, width: int, turn: int | None) -> int:
    return states if turn is None else rows.new(width, turn, states)


def _heads(rows: Rows, query: int, layer: Attention, cached: Cached) -> int:
    outputs = rows.of(layer.heads * layer.value)
    if layer.flash:
        widened = cached.cells * cached.streams * layer.widened_bytes
        return rows.graph.new(outputs + widened, query, cached.mask)
    scores = rows.new(layer.heads * cached.cells, query)
    scores = rows.new(layer.heads * cached.cells, scores, cached.mask, over=(scores,))
    sums = rows.graph.new(outputs, scores)
    return rows.graph.new(outputs, sums)


def feed(rows: Rows, states: int, mlp: Mlp) -> int:
    """Return what an MLP makes of *states*."""
    if not mlp.gated:
        inner = rows.new(mlp.width, states)
        return rows.new(rows.hidden, inner)
    if mlp.joined:
        inner = rows.new(mlp.width, rows.new(2 * mlp.width, states))
        return rows.new(rows.hidden, inner)
    gate = rows.new(mlp.width, states)
    inner = rows.new(mlp.width, gate, rows.new(mlp.width, states))
    return rows.new(rows.hidden, inner)


def mix(rows: Rows, states: int, mixture: Mixture, ahead: Callable[[], None] | None = None) -> int:
    """Return what a mixture and its shared MLP make of *states*; *ahead* reads what is due between both."""
    chosen, weights, choice = _choose(rows, _normed(rows, states, mixture), mixture)
    routed = _routed(rows, _normed(rows, states, mixture), mixture, (chosen, weights, choice))
    if ahead is not None:
        ahead()
    if mixture.latent is not None:
        routed = rows.new(rows.hidden, routed)
    if mixture.shared is None:
        return routed
    beside = feed(rows, _normed(rows, states, mixture), mixture.shared)
    if mixture.gates_shared:
        gate = rows.new(1, states)
        beside = rows.new(rows.hidden, beside, gate, over=(beside,))
    over = (beside, routed) if mixture.own_norms else (routed, beside)
    return rows.new(rows.hidden, routed, beside, over=over)


def _normed(rows: Rows, states: int, mixture: Mixture) -> int:
    return rows.new(rows.hidden, states) if mixture.own_norms else states


def _routed(rows: Rows, states: int, mixture: Mixture, choice: tuple[int, int, tuple[int, ...]]) -> int:
    """Return the sum of what the chosen experts make of *states*."""
    chosen, weights, steps = choice
    hidden = rows.hidden if mixture.latent is None else mixture.latent
    if mixture.latent is not None:
        states = rows.new(hidden, states)
    if steps:
        rows.graph.read(*steps)
    if mixture.weighs_first:
        states = rows.new(hidden, states, weights)
    width = mixture.used * mixture.width
    inner = rows.new(width, states, chosen)
    if mixture.gated:
        inner = rows.new(width, inner, rows.new(width, states, chosen))
    outputs = rows.new(mixture.used * hidden, inner, chosen)
    if mixture.weighs_first:
        return rows.new(hidden, outputs)
    fused = mixture.fused and 1 < mixture.used <= _MOST_SUMMED
    scaled, scales = outputs, tuple[int, ...]()
    if mixture.own_norms:
        scales = (rows.new(mixture.used, rows.new(mixture.experts), chosen),)
        scaled = rows.new(mixture.used * hidden, outputs, *scales, over=(outputs,))
    weighted = rows.new(mixture.used * hidden, scaled, weights, over=(scaled,))
    # The sum of two experts, over which all others are added.
    total = rows.new(hidden, weighted)
    if fused:
        rows.graph.read(outputs, weights, *scales)
    return total


def _choose(rows: Rows, states: int, mixture: Mixture) -> tuple[int, int, tuple[int, ...]]:
    """Return the numbers of each token's experts, their weights, and what is kept until these are there."""
    fused = _chosen_at_once(mixture)
    late = mixture.chooses == "softmax of chosen"
    logits = rows.new(mixture.experts, states)
    over = () if mixture.weighs_first else (logits,)
    chances = logits if late else rows.new(mixture.experts, logits, over=over)
    ranked = rows.new(mixture.experts, chances) if mixture.biased else chances
    if mixture.groups > 1:
        ranked = _in_best_groups(rows, ranked, mixture)
    chosen = rows.new(mixture.experts, logits if mixture.weighs_first else ranked)
    steps = [logits, chances, ranked, chosen]
    weights = rows.new(mixture.used, chances, chosen)
    steps.append(weights)
    if late:
        weights = rows.new(mixture.used, weights)
    if mixture.normed:
        sums = rows.new(1, weights)
        clamped = rows.new(1, sums, over=(sums,))
        weights = rows.new(mixture.used, weights, clamped)
        steps += [sums, clamped, weights]
        if mixture.scaled:
            weights = rows.new(mixture.used, weights)
            steps.append(weights)
    return chosen, weights, tuple(dict.fromkeys(steps)) if fused else ()


def _in_best_groups(rows: Rows, ranked: int, mixture: Mixture) -> int:
    """Return the ranks of experts in the best groups, which are those whose two best are."""
    order = rows.new(mixture.experts, ranked)
    best = rows.new(2 * mixture.groups, ranked, order)
    groups = rows.new(mixture.groups, rows.new(mixture.groups, best))
    within = rows.new(mixture.experts // mixture.groups * mixture.chosen_groups, ranked, groups)
    masked = rows.new(mixture.experts, ranked)
    rows.graph.read(within, groups, masked)
    return masked


def _chosen_at_once(mixture: Mixture) -> bool:
    """Return whether CUDA chooses experts in one kernel, until the end of which all its tensors are kept."""
    experts = mixture.experts
    whole = experts & (experts - 1) == 0 and experts <= _MOST_FUSED_EXPERTS
    early = mixture.fused and mixture.chooses != "softmax of chosen" and mixture.groups == 1
    early = early and not mixture.weighs_first
    return early and (whole or experts in _FUSED_EXPERTS)
