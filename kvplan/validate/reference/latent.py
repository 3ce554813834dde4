"""Multi-head latent attention: the cache holds a latent and a RoPE key, the weights absorb the rest."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.attention.grouped import Indexer
from kvplan.attention.latent import MLA
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
from kvplan.validate.reference.sparse import Selecting, Selector, best, best_visible


class Latent(Reference):
    """
    MLA, arXiv 2405.04434, section 2.1: expanded keys and values in full, absorbed weights in decode.

    W_uk moves to the query and W_uv behind the sum, so that the latent is key and value at once; the
    decoupled RoPE key is added to the score.
    """

    axes: ClassVar = {"latent": ("slot", "channel"), "RoPE key": ("slot", "channel")}

    def __init__(self, kind: MLA) -> None:
        weights = Weights(seed=kind.heads)
        d_nope, v_head_dim = kind.needed("d_nope", "v_head_dim", by="its heads")
        self.queries = weights.matrix(HIDDEN, kind.heads, d_nope + kind.d_rope)
        self.latent = weights.matrix(HIDDEN, kind.d_c)
        self.rope_key = weights.matrix(HIDDEN, kind.d_rope)
        self.up_keys = weights.matrix(kind.d_c, kind.heads, d_nope)
        self.up_values = weights.matrix(kind.d_c, kind.heads, v_head_dim)
        self.d_nope = d_nope
        self.scale = (d_nope + kind.d_rope) ** -0.5

    def visible(self, inputs: Tensor) -> Tensor:
        """Return [query, key]: what the full forward may read."""
        return causal(len(inputs))

    def full(self, inputs: Tensor) -> Tensor:
        positions = torch.arange(len(inputs))
        queries = torch.einsum("te,ehd->thd", inputs, self.queries)
        latent = inputs @ self.latent
        keys = torch.einsum("tr,rhd->thd", latent, self.up_keys)
        values = torch.einsum("tr,rhv->thv", latent, self.up_values)
        with_rope = rope(queries[..., self.d_nope :], positions), rope(inputs @ self.rope_key, positions)
        scores = torch.einsum("thd,shd->hts", queries[..., : self.d_nope], keys)
        scores = (scores + torch.einsum("thd,sd->hts", *with_rope)) * self.scale
        weights = masked_softmax(scores, self.visible(inputs))
        return torch.einsum("hts,shv->thv", weights, values).flatten(1)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        append(cache, "latent", token @ self.latent)
        append(cache, "RoPE key", rope_at(token @ self.rope_key, position))
        return self.attend(token, position, cache["latent"], cache["RoPE key"])

    def attend(self, token: Tensor, position: int, latent: Tensor, rope_keys: Tensor) -> Tensor:
        """Return one token's output over the rows of the latent cache, with absorbed weights."""
        query = torch.einsum("e,ehd->hd", token, self.queries)
        absorbed = torch.einsum("hd,rhd->hr", query[:, : self.d_nope], self.up_keys)
        scores = absorbed @ latent.T + rope_at(query[:, self.d_nope :], position) @ rope_keys.T
        mixed = (scores * self.scale).softmax(dim=-1) @ latent
        return torch.einsum("hr,rhv->hv", mixed, self.up_values).flatten()


class SparseLatent(Latent, Selecting):
    """MLA that reads only the tokens which its indexer picks: arXiv 2512.02556, section 2.1."""

    axes: ClassVar = {**Latent.axes, "indexer keys": ("slot", "channel")}
    top: ClassVar = 6

    def __init__(self, kind: MLA, indexer: Indexer) -> None:
        Selecting.__init__(self)
        Latent.__init__(self, kind)
        self.selector = Selector(Weights(seed=1), indexer)

    def visible(self, inputs: Tensor) -> Tensor:
        scores = self.selector.all_scores(inputs, self.selector.all_keys(inputs))
        chosen = best_visible(scores, causal(len(inputs)), self.top)
        self.log_full(chosen)
        return chosen

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        append(cache, "latent", token @ self.latent)
        append(cache, "RoPE key", rope_at(token @ self.rope_key, position))
        append(cache, "indexer keys", self.selector.key(token, position))
        rows = best(self.selector.scores(token, position, cache["indexer keys"]), self.top)
        self.log(rows)
        return self.attend(token, position, cache["latent"][rows], cache["RoPE key"][rows])
