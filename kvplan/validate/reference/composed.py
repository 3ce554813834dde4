"""Dynamically composable attention: heads are mixed anew for every pair of tokens."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.validate.reference.core import (
    HIDDEN,
    Cache,
    Reference,
    Weights,
    append,
    causal,
    masked_softmax,
    rope,
    rope_at,
)

_STAGES = 2
"""Scores are mixed before the softmax, and weights after it."""


class HeadMixing(Reference):
    """
    Multi-head attention whose scores and weights each key mixes over the heads, by matrices of its own.

    What a query adds to the mixing is needed for its own token alone, and left out: arXiv 2405.08553.
    """

    axes: ClassVar = {
        "keys": ("slot", "head", "channel"),
        "values": ("slot", "head", "channel"),
        "mixing": ("slot", "stage", "head", "mixed head"),
    }

    def __init__(self, *, heads: int, head_dim: int, v_head_dim: int) -> None:
        weights = Weights(seed=heads)
        self.queries = weights.matrix(HIDDEN, heads, head_dim)
        self.keys = weights.matrix(HIDDEN, heads, head_dim)
        self.values = weights.matrix(HIDDEN, heads, v_head_dim)
        self.mixing = weights.matrix(HIDDEN, _STAGES, heads, heads)

    def full(self, inputs: Tensor) -> Tensor:
        positions = torch.arange(len(inputs))
        queries, keys, values = (
            torch.einsum("te,ehd->thd", inputs, each) for each in (self.queries, self.keys, self.values)
        )
        before, after = torch.einsum("te,emhg->mthg", inputs, self.mixing)
        scores = torch.einsum("thd,shd->tsh", rope(queries, positions), rope(keys, positions))
        mixed = torch.einsum("tsh,shg->gts", scores / queries.shape[-1] ** 0.5, before)
        weights = masked_softmax(mixed, causal(len(inputs)))
        return torch.einsum("hts,shg,sgv->tgv", weights, after, values).flatten(1)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (self.queries, self.keys, self.values)
        )
        append(cache, "keys", rope_at(key, position))
        append(cache, "values", value)
        append(cache, "mixing", torch.einsum("e,emhg->mhg", token, self.mixing))
        scores = (cache["keys"] * rope_at(query, position)).sum(dim=-1) / query.shape[-1] ** 0.5
        mixed = (scores[:, :, None] * cache["mixing"][:, 0]).sum(dim=1)
        weights = (mixed.softmax(dim=0)[:, :, None] * cache["mixing"][:, 1]).sum(dim=1)
        return (weights[:, :, None] * cache["values"]).sum(dim=0).flatten()
