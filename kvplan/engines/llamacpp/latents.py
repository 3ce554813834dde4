"""
A layer of latent attention in llama.cpp's graph, whose heads all read one row of a token.

Source: src/models/deepseek2.cpp and build_attn_mha in src/llama-graph.cpp of llama.cpp v0.5.0: keys are
absorbed by the queries, and values are made of the latent behind the scores.
"""

from kvplan.engines.llamacpp.blocks import Cached, Rows
from kvplan.records import record


@record
class LatentAttention:
    """
    Attention of `heads` over a latent and a `rotated` key beside it, which all of them share.

    A head's query has a `plain` part besides, and what it sees has the width `value`. Queries may be made of
    a latent of their own, `query_latent` wide. With flash attention `widened_bytes` are what CUDA takes for a
    token's row in float16, where it is cached in another type; without it `latent_bytes` are those of a
    token's latent, which is copied as values.
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


def attend_latents(rows: Rows, states: int, layer: LatentAttention, cached: Cached, where: int) -> int:
    """Return the states that the output matrix makes of what heads see of normed *states*."""
    query = _queries(rows, states, layer, where)
    made = rows.new(layer.latent + layer.rotated, states)
    latent = rows.new(layer.latent, made)
    rotated = rows.new(layer.rotated, made, where)
    key = rows.new(layer.latent + layer.rotated, latent, rotated)
    rows.graph.read(key, cached.key_rows)
    seen = _seen(rows, query, layer, cached)
    for _ in ("opened to values", "put in order"):
        seen = rows.new(layer.heads * layer.value, seen)
    return rows.new(rows.hidden, seen)


def _queries(rows: Rows, states: int, layer: LatentAttention, where: int) -> int:
    if layer.query_latent is not None:
        states = rows.new(layer.query_latent, states)
    asked = rows.new(layer.heads * (layer.plain + layer.rotated), states)
    absorbed = rows.new(layer.heads * layer.latent, asked)
    rotated = rows.new(layer.heads * layer.rotated, asked, where)
    return rows.new(layer.heads * (layer.latent + layer.rotated), absorbed, rotated)


def _seen(rows: Rows, query: int, layer: LatentAttention, cached: Cached) -> int:
    """Return the latent that each head sees."""
    graph, width, cells = rows.graph, layer.heads * layer.latent, cached.cells * cached.streams
    if layer.flash:
        return graph.new(rows.of(width) + cells * layer.widened_bytes, query, cached.mask)
    copied = graph.new(cells * layer.latent_bytes)
    scores = rows.new(layer.heads * cached.cells, query)
    scores = rows.new(layer.heads * cached.cells, scores, cached.mask, over=(scores,))
    return rows.new(width, copied, scores)
