"""Softmax attention over keys and values: full, sliding, with sinks, chunked, cross, shared, none."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.attention.uncached import Cross, NoCache, Shared
from kvplan.validate.reference.core import (
    HIDDEN,
    Cache,
    Reference,
    Weights,
    append,
    causal,
    keep_newest,
    masked_softmax,
    rope,
    rope_at,
)


def attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return [heads * v] for one query [heads, d] over keys [slot, groups, d] and values."""
    sharing = len(query) // keys.shape[1]
    by_group = query.view(keys.shape[1], sharing, -1)
    scores = torch.einsum("gsd,ngd->gsn", by_group, keys) / query.shape[-1] ** 0.5
    return torch.einsum("gsn,ngv->gsv", scores.softmax(dim=-1), values).flatten()


def attend_all(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
    """Return [tokens, heads * v]: keys and values repeated for every head, then masked attention."""
    sharing = queries.shape[1] // keys.shape[1]
    keys, values = (each.repeat_interleave(sharing, dim=1) for each in (keys, values))
    scores = torch.einsum("thd,shd->hts", queries, keys) / queries.shape[-1] ** 0.5
    return torch.einsum("hts,shv->thv", masked_softmax(scores, visible), values).flatten(1)


class Grouped(Reference):
    """Grouped-query attention with RoPE, over all tokens, a sliding window or a chunk of them."""

    axes: ClassVar = {"keys": ("slot", "group", "channel"), "values": ("slot", "group", "channel")}

    def __init__(  # noqa: PLR0913 - each is one fact of the kind
        self,
        *,
        heads: int,
        groups: int,
        head_dim: int,
        v_head_dim: int | None = None,
        window: int | None = None,
        chunk: int | None = None,
    ) -> None:
        weights = Weights(seed=heads)
        self.queries = weights.matrix(HIDDEN, heads, head_dim)
        self.keys = weights.matrix(HIDDEN, groups, head_dim)
        self.values = weights.matrix(HIDDEN, groups, v_head_dim or head_dim)
        self.window, self.chunk = window, chunk

    def full(self, inputs: Tensor) -> Tensor:
        positions = torch.arange(len(inputs))
        queries, keys, values = (
            torch.einsum("te,ehd->thd", inputs, each) for each in (self.queries, self.keys, self.values)
        )
        visible = causal(len(inputs))
        if self.window is not None:
            visible &= positions[None, :] > positions[:, None] - self.window
        if self.chunk is not None:
            visible &= positions[None, :] // self.chunk == positions[:, None] // self.chunk
        return attend_all(rope(queries, positions), rope(keys, positions), values, visible)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (self.queries, self.keys, self.values)
        )
        append(cache, "keys", rope_at(key, position))
        append(cache, "values", value)
        return attend(rope_at(query, position), cache["keys"], cache["values"])

    def forget(self, cache: Cache, position: int) -> None:
        for name in cache:
            if self.window is not None:
                keep_newest(cache, name, self.window - 1)
            if self.chunk is not None and (position + 1) % self.chunk == 0:
                keep_newest(cache, name, 0)


class Streaming(Reference):
    """
    A sliding window with sinks, positions counted within the cache: arXiv 2309.17453, section 3.2.

    Keys are therefore kept without RoPE, and rotated by their place in the cache when read.
    """

    axes: ClassVar = Grouped.axes

    def __init__(self, *, heads: int, groups: int, head_dim: int, window: int, sinks: int) -> None:
        weights = Weights(seed=heads)
        self.queries = weights.matrix(HIDDEN, heads, head_dim)
        self.keys = weights.matrix(HIDDEN, groups, head_dim)
        self.values = weights.matrix(HIDDEN, groups, head_dim)
        self.window, self.sinks = window, sinks

    def full(self, inputs: Tensor) -> Tensor:
        queries, keys, values = (
            torch.einsum("te,ehd->thd", inputs, each) for each in (self.queries, self.keys, self.values)
        )
        outputs = []
        for newest in range(len(inputs)):
            seen = [old for old in range(newest + 1) if old < self.sinks or old > newest - self.window]
            places = torch.arange(len(seen))
            query = rope(queries[newest][None], places[-1:])
            everything = torch.ones(1, len(seen), dtype=torch.bool)
            outputs.append(attend_all(query, rope(keys[seen], places), values[seen], everything)[0])
        return torch.stack(outputs)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - not used
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (self.queries, self.keys, self.values)
        )
        append(cache, "keys", key)
        append(cache, "values", value)
        places = torch.arange(len(cache["keys"]))
        return attend(rope_at(query, int(places[-1])), rope(cache["keys"], places), cache["values"])

    def forget(self, cache: Cache, position: int) -> None:  # noqa: ARG002 - the rows say it
        for name, rows in cache.items():
            if len(rows) >= self.sinks + self.window:
                cache[name] = torch.cat([rows[: self.sinks], rows[self.sinks + 1 :]])


class Encoded(Reference):
    """Cross-attention: the encoder's keys and values are there before the first token."""

    axes: ClassVar = Grouped.axes

    def __init__(self, kind: Cross) -> None:
        weights = Weights(seed=kind.heads)
        self.encoder = weights.normal(kind.encoder_tokens, HIDDEN)
        self.queries = weights.matrix(HIDDEN, kind.heads, kind.head_dim)
        self.keys = weights.matrix(HIDDEN, kind.groups, kind.head_dim)
        self.values = weights.matrix(HIDDEN, kind.groups, kind.head_dim)

    def begin(self) -> Cache:
        return {
            "keys": torch.einsum("te,ehd->thd", self.encoder, self.keys),
            "values": torch.einsum("te,ehd->thd", self.encoder, self.values),
        }

    def full(self, inputs: Tensor) -> Tensor:
        queries = torch.einsum("te,ehd->thd", inputs, self.queries)
        encoded = self.begin()
        everything = torch.ones(len(inputs), len(self.encoder), dtype=torch.bool)
        return attend_all(queries, encoded["keys"], encoded["values"], everything)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        return attend(torch.einsum("e,ehd->hd", token, self.queries), cache["keys"], cache["values"])


class Sharing(Reference):
    """A layer with a cache, and one above it that reads the same keys and values (CLA, YOCO)."""

    axes: ClassVar = Grouped.axes

    def __init__(self, owner: Grouped, reader: Shared) -> None:
        weights = Weights(seed=reader.heads)
        self.owner = owner
        self.out = weights.matrix(owner.queries.shape[1] * owner.values.shape[2], HIDDEN)
        (width,) = reader.needed("head_dim", by="its queries")
        self.queries = weights.matrix(HIDDEN, reader.heads, width)

    def full(self, inputs: Tensor) -> Tensor:
        positions = torch.arange(len(inputs))
        below = inputs + self.owner.full(inputs) @ self.out
        queries = rope(torch.einsum("te,ehd->thd", below, self.queries), positions)
        keys = rope(torch.einsum("te,ehd->thd", inputs, self.owner.keys), positions)
        values = torch.einsum("te,ehd->thd", inputs, self.owner.values)
        return attend_all(queries, keys, values, causal(len(inputs)))

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        below = token + self.owner.step(cache, token, position) @ self.out
        query = rope_at(torch.einsum("e,ehd->hd", below, self.queries), position)
        return attend(query, cache["keys"], cache["values"])


class TokenWise(Reference):
    """A layer without a mixer, an MLP: nothing of one token is needed for the next."""

    def __init__(self, kind: NoCache) -> None:  # noqa: ARG002 - such a layer has no facts
        weights = Weights()
        self.up, self.down = weights.matrix(HIDDEN, 3 * HIDDEN), weights.matrix(3 * HIDDEN, HIDDEN)

    def full(self, inputs: Tensor) -> Tensor:
        return (inputs @ self.up).relu() @ self.down

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - needs neither
        return (token @ self.up).relu() @ self.down
