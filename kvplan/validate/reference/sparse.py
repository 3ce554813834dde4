"""Sparse indexers: small keys of their own that pick which tokens, or blocks of tokens, are read."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.attention.grouped import GQA, Indexer
from kvplan.validate.reference.core import HIDDEN, Cache, Reference, Weights, append, causal, rope, rope_at
from kvplan.validate.reference.grouped import Grouped, attend, attend_all


class Selector:
    """
    The lightning indexer: score(t, s) = sum over heads of w_tj ReLU(q_tj . k_s).

    Source: DeepSeek-V3.2, arXiv 2512.02556, equation 1. Equal scores pick the older token.
    """

    def __init__(self, weights: Weights, indexer: Indexer) -> None:
        (heads,) = indexer.needed("heads", by="its queries")
        self.queries = weights.matrix(HIDDEN, heads, indexer.head_dim)
        self.head_weights = weights.matrix(HIDDEN, heads)
        self.keys = weights.matrix(HIDDEN, indexer.head_dim)

    def key(self, token: Tensor, position: int) -> Tensor:
        """Return what the indexer caches of one token."""
        return rope_at(token @ self.keys, position)

    def scores(self, token: Tensor, position: int, keys: Tensor) -> Tensor:
        """Return one token's score for each of the cached *keys* [slot, d]."""
        query = rope_at(torch.einsum("e,ehd->hd", token, self.queries), position)
        return (token @ self.head_weights) @ (query @ keys.T).relu()

    def all_keys(self, inputs: Tensor) -> Tensor:
        """Return the keys [tokens, d] of all tokens at once."""
        return rope(inputs @ self.keys, torch.arange(len(inputs)))

    def all_scores(self, inputs: Tensor, keys: Tensor) -> Tensor:
        """Return [query, key] scores of all tokens at once."""
        queries = torch.einsum("te,ehd->thd", inputs, self.queries)
        agreement = torch.einsum("thd,sd->ths", rope(queries, torch.arange(len(inputs))), keys).relu()
        return torch.einsum("th,ths->ts", inputs @ self.head_weights, agreement)


def best(scores: Tensor, count: int) -> Tensor:
    """Return the indices of the *count* highest of *scores* [slot], in their own order."""
    return scores.argsort(descending=True, stable=True)[:count].sort().values


def best_visible(scores: Tensor, visible: Tensor, count: int) -> Tensor:
    """Return [query, key]: whether a visible key's score is among the query's *count* highest."""
    order = scores.masked_fill(~visible, float("-inf")).argsort(dim=-1, descending=True, stable=True)
    chosen = torch.zeros_like(visible).scatter(1, order[:, :count], torch.ones_like(visible))
    return chosen & visible


class Selecting(Reference):
    """A reference that logs which rows each token read, decoded and in the full forward."""

    def __init__(self) -> None:
        self.picked: list[tuple[int, ...]] = []
        self.picked_in_full: list[tuple[int, ...]] = []

    def log(self, chosen: Tensor) -> None:
        """Log the rows [slot] that one decoded token reads."""
        self.picked.append(tuple(chosen.tolist()))

    def log_full(self, chosen: Tensor) -> None:
        """Log the mask [query, key] of the full forward."""
        self.picked_in_full = [tuple(row.nonzero()[:, 0].tolist()) for row in chosen]


class BlockSparse(Selecting):
    """
    GQA whose indexer picks whole blocks by their best key, and always the newest block.

    Source: MiniMax-M3 as transformers 5.23 has it (MiniMaxM3VLIndexer): per-key scores, the highest
    of each block of keys, the best blocks. Its selection per group is one for all groups here.
    """

    axes: ClassVar = {**Grouped.axes, "indexer keys": ("slot", "channel")}
    block: ClassVar = 3
    blocks: ClassVar = 3

    def __init__(self, kind: GQA, indexer: Indexer) -> None:
        super().__init__()
        self.attention = Grouped(heads=kind.heads, groups=kind.groups, head_dim=kind.head_dim)
        self.selector = Selector(Weights(seed=1), indexer)

    def full(self, inputs: Tensor) -> Tensor:
        tokens = len(inputs)
        block = torch.arange(tokens) // self.block
        visible = causal(tokens)
        scores = self.selector.all_scores(inputs, self.selector.all_keys(inputs))
        scores = scores.masked_fill(~visible, float("-inf"))
        count = int(block[-1]) + 1
        of_block = torch.stack([scores[:, block == each].max(dim=1).values for each in range(count)], dim=1)
        of_block.scatter_(1, block[:, None], float("inf"))
        started = torch.arange(count)[None, :] <= block[:, None]
        chosen = best_visible(of_block, started, self.blocks)[:, block] & visible
        self.log_full(chosen)
        own, positions = self.attention, torch.arange(tokens)
        queries, keys, values = (
            torch.einsum("te,ehd->thd", inputs, each) for each in (own.queries, own.keys, own.values)
        )
        return attend_all(rope(queries, positions), rope(keys, positions), values, chosen)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        own = self.attention
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (own.queries, own.keys, own.values)
        )
        append(cache, "keys", rope_at(key, position))
        append(cache, "values", value)
        append(cache, "indexer keys", self.selector.key(token, position))
        blocks = self.selector.scores(token, position, cache["indexer keys"]).split(self.block)
        highest = torch.stack([each.max() for each in blocks])
        highest[-1] = float("inf")
        picked = best(highest, self.blocks).tolist()
        rows = torch.cat([torch.arange(len(cache["keys"])).split(self.block)[each] for each in picked])
        self.log(rows)
        return attend(rope_at(query, position), cache["keys"][rows], cache["values"][rows])
