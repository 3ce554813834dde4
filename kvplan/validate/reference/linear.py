"""Linear attention with fixed or given decays: decode with a matrix, full forward without one."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.attention.recurrent import GLA, Lightning, Linear, RetNet
from kvplan.validate.reference.core import HIDDEN, Cache, Reference, Weights, causal, rope, rope_at

_MATRIX = ("head", "key channel", "value channel")


class Kernel(Reference):
    """
    The Linear Transformer: phi(x) = elu(x) + 1 of a linear map, and the sum of the keys beside.

    Sources: arXiv 2006.16236, equations 4 (full) and 10 to 12 (decode); with `feature_dim` other
    than `qk_head_dim`, phi maps to more features as in Hedgehog, arXiv 2402.04347.
    """

    def __init__(self, kind: Linear) -> None:
        weights = Weights(seed=kind.heads)
        (width,) = kind.needed("qk_head_dim", by="its queries")
        self.queries = weights.matrix(HIDDEN, kind.heads, width)
        self.keys = weights.matrix(HIDDEN, kind.heads, width)
        self.values = weights.matrix(HIDDEN, kind.heads, kind.v_head_dim)
        self.features = weights.matrix(width, kind.feature_dim)
        self.normalizer = kind.normalizer

    def layout(self) -> dict[str, tuple[str, ...]]:
        sums = {"normalizer": ("head", "key channel")} if self.normalizer else {}
        return {"state": _MATRIX, **sums}

    def phi(self, vectors: Tensor) -> Tensor:
        """Return the positive features of queries or keys."""
        return torch.nn.functional.elu(vectors @ self.features) + 1

    def begin(self) -> Cache:
        _, heads, width = self.values.shape
        features = self.features.shape[1]
        empty = {"state": torch.zeros(heads, features, width, dtype=torch.float64)}
        if self.normalizer:
            empty["normalizer"] = torch.zeros(heads, features, dtype=torch.float64)
        return empty

    def full(self, inputs: Tensor) -> Tensor:
        queries, keys, values = (
            torch.einsum("te,ehd->htd", inputs, each) for each in (self.queries, self.keys, self.values)
        )
        weights = (self.phi(queries) @ self.phi(keys).mT).masked_fill(~causal(len(inputs)), 0)
        if self.normalizer:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        return (weights @ values).transpose(0, 1).flatten(1)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (self.queries, self.keys, self.values)
        )
        query, key = self.phi(query), self.phi(key)
        cache["state"] = cache["state"] + key[:, :, None] * value[:, None, :]
        out = torch.einsum("hd,hdv->hv", query, cache["state"])
        if self.normalizer:
            cache["normalizer"] = cache["normalizer"] + key
            out = out / (query * cache["normalizer"]).sum(dim=-1, keepdim=True)
        return out.flatten()


class Decayed(Reference):
    """
    A matrix per head that one constant per head decays: retention, and lightning attention.

    Sources: RetNet, arXiv 2307.08621, equations 5 (full) and 6 (decode), with rotated queries and
    keys; Lightning Attention-2, arXiv 2401.04658, and MiniMax-01, arXiv 2501.08313, with SiLU.
    """

    axes: ClassVar = {"state": _MATRIX}

    def __init__(self, kind: RetNet | Lightning) -> None:
        key_dim, value_dim = (
            (kind.qk_head_dim, kind.v_head_dim) if isinstance(kind, RetNet) else (kind.head_dim,) * 2
        )
        weights = Weights(seed=kind.heads)
        self.queries = weights.matrix(HIDDEN, kind.heads, key_dim)
        self.keys = weights.matrix(HIDDEN, kind.heads, key_dim)
        self.values = weights.matrix(HIDDEN, kind.heads, value_dim)
        self.decay = 1 - 2.0 ** (-1 - torch.arange(kind.heads, dtype=torch.float64))
        self.rotates = isinstance(kind, RetNet)

    def begin(self) -> Cache:
        heads, width = self.keys.shape[1:]
        return {"state": torch.zeros(heads, width, self.values.shape[2], dtype=torch.float64)}

    def full(self, inputs: Tensor) -> Tensor:
        positions = torch.arange(len(inputs))
        queries, keys, values = (
            torch.einsum("te,ehd->thd", inputs, each) for each in (self.queries, self.keys, self.values)
        )
        if self.rotates:
            queries, keys = rope(queries, positions), rope(keys, positions)
        else:
            queries, keys, values = (torch.nn.functional.silu(each) for each in (queries, keys, values))
        apart = (positions[:, None] - positions[None, :]).clamp(min=0)
        kept = (self.decay[:, None, None] ** apart).masked_fill(~causal(len(inputs)), 0)
        weights = torch.einsum("thd,shd->hts", queries, keys) * kept
        return torch.einsum("hts,shv->thv", weights, values).flatten(1)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (self.queries, self.keys, self.values)
        )
        if self.rotates:
            query, key = rope_at(query, position), rope_at(key, position)
        else:
            query, key, value = (torch.nn.functional.silu(each) for each in (query, key, value))
        cache["state"] = self.decay[:, None, None] * cache["state"] + key[:, :, None] * value[:, None, :]
        return torch.einsum("hd,hdv->hv", query, cache["state"]).flatten()


class Gated(Reference):
    """GLA: each key channel decays by a gate of its token. Source: arXiv 2312.06635, section 4."""

    axes: ClassVar = {"state": _MATRIX}

    def __init__(self, kind: GLA) -> None:
        weights = Weights(seed=kind.heads)
        self.queries = weights.matrix(HIDDEN, kind.heads, kind.qk_head_dim)
        self.keys = weights.matrix(HIDDEN, kind.heads, kind.qk_head_dim)
        self.values = weights.matrix(HIDDEN, kind.heads, kind.v_head_dim)
        (rank,) = kind.needed("gate_rank", by="its gate")
        self.gate_down = weights.matrix(HIDDEN, rank)
        self.gate_up = weights.matrix(rank, kind.heads, kind.qk_head_dim)

    def log_gates(self, inputs: Tensor) -> Tensor:
        """Return the logarithms of the forget gates [..., head, key channel], below 0."""
        gates = torch.einsum("...r,rhd->...hd", inputs @ self.gate_down, self.gate_up)
        return torch.nn.functional.logsigmoid(gates) / 4

    def begin(self) -> Cache:
        heads, width = self.keys.shape[1:]
        return {"state": torch.zeros(heads, width, self.values.shape[2], dtype=torch.float64)}

    def full(self, inputs: Tensor) -> Tensor:
        queries, keys, values = (
            torch.einsum("te,ehd->thd", inputs, each) for each in (self.queries, self.keys, self.values)
        )
        since = self.log_gates(inputs).cumsum(dim=0)
        weights = torch.einsum("thd,shd->hts", queries * since.exp(), keys * (-since).exp())
        return torch.einsum("hts,shv->thv", weights.masked_fill(~causal(len(inputs)), 0), values).flatten(1)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        query, key, value = (
            torch.einsum("e,ehd->hd", token, each) for each in (self.queries, self.keys, self.values)
        )
        kept = self.log_gates(token).exp()[:, :, None] * cache["state"]
        cache["state"] = kept + key[:, :, None] * value[:, None, :]
        return torch.einsum("hd,hdv->hv", query, cache["state"]).flatten()
