"""
A layer of latent attention in llama.cpp's graph, whose heads all read one row of a token.

Source: src/models/deepseek2.cpp and deepseek32.cpp, build_attn_mha and build_attn in src/llama-graph.cpp of
llama.cpp v0.5.0: keys are absorbed by the queries, and values are made of the latent behind the scores. An
indexer is one kernel of CUDA.
"""

from kvplan.engines.llamacpp.blocks import Cached, IndexInputs, Rows
from kvplan.records import record


@record
class Sparse:
    """An indexer of so many `heads` of a `width`, which choose `most` tokens for each."""

    heads: int
    width: int
    most: int

    def chosen(self, cells: int) -> int:
        """Return how many of so many cells a token reads."""
        return min(self.most, cells)


@record
class LatentAttention:
    """
    Attention of `heads` over a latent and a `rotated` key beside it, which all of them share.

    A head's query has a `plain` part besides, and what it sees has the width `value`. Queries may be made of
    a latent of their own, `query_latent` wide. With flash attention `widened_bytes` are what CUDA takes for a
    token's row in float16, where it is cached in another type; without it `latent_bytes` are those of a
    token's latent, which is copied as values. What is seen may be `sparse`.
    """

    heads: int
    latent: int
    rotated: int
    plain: int
    value: int
    query_latent: int | None = None
    flash: bool = True
    widened_bytes: int = 0
    latent_bytes: int = 0
    sparse: Sparse | None = None


def attend_latents(rows: Rows, states: int, layer: LatentAttention, cached: Cached, where: int) -> int:
    """Return the states that the output matrix makes of what heads see of normed *states*."""
    sparse, index = layer.sparse, cached.index
    if sparse is not None and index is not None:
        _index(rows, states, sparse, index, where)
    low = states if layer.query_latent is None else rows.new(layer.query_latent, states)
    query = _queries(rows, low, layer, where)
    made = rows.new(layer.latent + layer.rotated, states)
    latent = rows.new(layer.latent, made)
    rotated = rows.new(layer.rotated, made, where)
    key = rows.new(layer.latent + layer.rotated, latent, rotated)
    rows.graph.read(key, cached.key_rows)
    mask = cached.mask
    if sparse is not None and index is not None:
        asked = _asked(rows, low, sparse, index, where)
        mask = _masked(rows, _chosen(rows, asked, states, sparse, cached), cached)
    seen = _seen(rows, query, layer, cached, mask)
    for _ in ("opened to values", "put in order"):
        seen = rows.new(layer.heads * layer.value, seen)
    return rows.new(rows.hidden, seen)


def _index(rows: Rows, states: int, sparse: Sparse, index: IndexInputs, where: int) -> None:
    """Add the key by which an indexer finds a token later."""
    key = rows.new(sparse.width, rows.new(sparse.width, states))
    key = rows.new(sparse.width, index.turn, rows.new(sparse.width, key, where))
    rows.graph.read(key, index.rows)


def _asked(rows: Rows, low: int, sparse: Sparse, index: IndexInputs, where: int) -> int:
    """Return the queries of an indexer, which are made of what others are made of."""
    width = sparse.heads * sparse.width
    return rows.new(width, index.turn, rows.new(width, rows.new(width, low), where))


def _chosen(rows: Rows, asked: int, states: int, sparse: Sparse, cached: Cached) -> int:
    """Return the tokens that are chosen for each token of *states*."""
    weights = rows.new(sparse.heads, rows.new(sparse.heads, states))
    scores = rows.new(cached.cells, asked, weights, _index_of(cached).mask)
    most = sparse.chosen(cached.cells)
    return rows.new(most, rows.new(most, scores))


def _masked(rows: Rows, chosen: int, cached: Cached) -> int:
    """Return a mask of the chosen tokens that are seen."""
    graph, size = rows.graph, rows.tokens * cached.cells * cached.mask_bytes
    filled = graph.new(size, cached.mask)
    graph.read(_index_of(cached).zeros, chosen)
    return graph.new(size, filled, cached.mask, over=(cached.mask,))


def _index_of(cached: Cached) -> IndexInputs:
    if cached.index is None:
        raise TypeError("sparse attention has inputs of its own")
    return cached.index


def _queries(rows: Rows, states: int, layer: LatentAttention, where: int) -> int:
    asked = rows.new(layer.heads * (layer.plain + layer.rotated), states)
    absorbed = rows.new(layer.heads * layer.latent, asked)
    rotated = rows.new(layer.heads * layer.rotated, asked, where)
    return rows.new(layer.heads * (layer.latent + layer.rotated), absorbed, rotated)


def _seen(rows: Rows, query: int, layer: LatentAttention, cached: Cached, mask: int) -> int:
    """Return the latent that each head sees."""
    graph, width, cells = rows.graph, layer.heads * layer.latent, cached.cells * cached.streams
    if layer.flash:
        return graph.new(rows.of(width) + cells * layer.widened_bytes, query, mask)
    copied = graph.new(cells * layer.latent_bytes)
    scores = rows.new(layer.heads * cached.cells, query)
    scores = rows.new(layer.heads * cached.cells, scores, mask, over=(scores,))
    return rows.new(width, copied, scores)
