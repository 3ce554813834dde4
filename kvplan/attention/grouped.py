"""Attention over all tokens: keys and values per KV head, one head for each query head or fewer."""

from typing import ClassVar, Literal

from kvplan.attention.base import Count, Kind, Part, fixed, groups_split, growing, heads_split, pairs, whole
from kvplan.dtypes import Role
from kvplan.terms import Layer, Split, Target


class Indexer(Part):
    """
    A sparse indexer: small keys of its own, one head for all its query heads, that pick tokens.

    Its keys have no head axis to shard, so every rank stores them whole (DeepSeek-V3.2,
    arXiv 2512.02556, section 2.1). A token reads `top_k` tokens (index_topk), which no cache depends on.
    """

    heads: Count | None = None
    head_dim: Count
    top_k: Count | None = None

    def lower(self, target: Target, stride: int = 1) -> Layer:
        """Return the term of the indexer's keys, one per *stride* tokens."""
        return growing(
            target,
            "indexer",
            "indexer keys",
            pool="indexer",
            split=whole("indexer key head"),
            width=self.head_dim,
            stride=stride,
        )

    def projections(self, hidden: int, query_input: int) -> int:
        """Return the elements of the query, key and head-weight matrices."""
        (heads,) = self.needed("heads")
        return query_input * heads * self.head_dim + hidden * (self.head_dim + heads)


class SoftmaxKind(Kind):
    """
    Keys and values of `kv_heads` heads, each read by heads / kv_heads query heads.

    An `output_gate` (Qwen3-Next) adds a matrix as large as the output's, and nothing to the cache.
    `prefix_tokens` are learned tokens before the context (the 128 meta tokens of Hymba,
    arXiv 2411.13676, section 2.3), whose K and V every sequence keeps, outside any window.
    """

    heads: Count
    head_dim: Count
    v_head_dim: Count | None = None
    output_gate: bool = False
    prefix_tokens: Count | None = None

    @property
    def kv_heads(self) -> int:
        """The heads of K and V that are cached, G."""
        raise NotImplementedError

    def fills(self, hidden: int) -> bool:
        return self.heads * self.head_dim == hidden

    def keys_and_values(self, target: Target, *, window: int | None = None, chunked: bool = False) -> Layer:
        """Return the terms of K and V, and of the learned prefix's where there is one."""
        widths: tuple[tuple[Role, str, int], ...] = (
            ("key", "K", self.head_dim),
            ("value", "V", self.v_head_dim or self.head_dim),
        )
        rows = tuple(
            term
            for role, name, width in widths
            for term in growing(
                target,
                role,
                name,
                pool="attention",
                split=groups_split(self.kv_heads),
                width=width,
                window=window,
                chunked=chunked,
            )
        )
        return rows + self._prefix(target, widths)

    def _prefix(self, target: Target, widths: tuple[tuple[Role, str, int], ...]) -> Layer:
        if self.prefix_tokens is None:
            return ()
        return tuple(
            fixed(
                role,
                f"prefix {name}",
                pool="attention",
                split=groups_split(self.kv_heads),
                width=width,
                dtype=target.kv.dtype(role),
                rows=self.prefix_tokens,
            )
            for role, name, width in widths
        )

    def lower(self, target: Target) -> Layer:
        """Return the terms of K and V."""
        return self.keys_and_values(target)

    def splits(self) -> tuple[Split, ...]:
        return (heads_split(self.heads),)

    def projections(self, hidden: int) -> int:
        key_dim, value_dim = self.head_dim, self.v_head_dim or self.head_dim
        gate = self.heads * value_dim if self.output_gate else 0
        return hidden * ((self.heads + self.kv_heads) * (key_dim + value_dim) + gate)

    def attended(self, tokens: int) -> int:
        return self.seen(tokens) * self.heads * (self.head_dim + (self.v_head_dim or self.head_dim))

    def seen(self, tokens: int) -> int:
        """Return the pairs of tokens of a prompt that see each other."""
        return pairs(tokens)


class Grouped(SoftmaxKind):
    """Attention whose KV heads are given as `groups`, G."""

    groups: Count

    @property
    def kv_heads(self) -> int:
        return self.groups

    def sharing(self) -> tuple[tuple[Split, Split], ...]:
        return ((heads_split(self.heads), groups_split(self.groups)),)


class GQA(Grouped):
    """
    Grouped-query attention: `groups` KV heads, G, serve `heads` query heads.

    Caches G (d_k + d_v) elements per token and layer. Source: Ainslie et al., arXiv 2305.13245.
    K and V sizes may differ (`v_head_dim`); `indexer` adds the keys of a block-sparse selector.
    """

    kind: Literal["gqa"]
    indexer: Indexer | None = None
    formula: ClassVar[str] = "G (d_k + d_v) per token"
    source: ClassVar[str] = "GQA, arXiv 2305.13245"

    def lower(self, target: Target) -> Layer:
        """Return the terms of K and V, and of the indexer's keys where there is one."""
        return self.keys_and_values(target) + (self.indexer.lower(target) if self.indexer else ())

    def projections(self, hidden: int) -> int:
        indexer = self.indexer.projections(hidden, hidden) if self.indexer else 0
        return super().projections(hidden) + indexer

    def attended(self, tokens: int) -> int:
        return 0 if self.indexer else super().attended(tokens)


class MHA(SoftmaxKind):
    """
    Multi-head attention: every head has its own keys and values.

    Caches h (d_k + d_v) elements per token and layer. Source: Vaswani et al., arXiv 1706.03762.
    """

    kind: Literal["mha"]
    formula: ClassVar[str] = "h (d_k + d_v) per token"
    source: ClassVar[str] = "Attention Is All You Need, arXiv 1706.03762"

    @property
    def kv_heads(self) -> int:
        return self.heads


class MQA(SoftmaxKind):
    """
    Multi-query attention: one head of keys and values serves all query heads.

    Caches d_k + d_v elements per token and layer; the one KV head has nothing to shard, so every
    rank stores it. Source: Shazeer, arXiv 1911.02150.
    """

    kind: Literal["mqa"]
    formula: ClassVar[str] = "d_k + d_v per token"
    source: ClassVar[str] = "Fast Transformer Decoding, arXiv 1911.02150"

    @property
    def kv_heads(self) -> int:
        return 1
