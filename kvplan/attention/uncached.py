"""Attention whose cache does not grow with the context: over an encoder, shared, or none."""

from typing import ClassVar, Literal

from kvplan.attention.base import Count, Kind, fixed, groups_split, heads_split
from kvplan.dtypes import Role
from kvplan.terms import Layer, Split, Target


class Cross(Kind):
    """
    Cross-attention: keys and values of the encoder's tokens, computed once.

    Caches G (d_k + d_v) elements per encoder token, whatever the decoder's length. `encoder_tokens`
    is what one sequence brings (1500 for a 30 s window of Whisper, 6404 for a 4-tile image of
    Llama 3.2 Vision); a longest input where it varies. Source: arXiv 1706.03762, section 3.2.3.
    """

    kind: Literal["cross"]
    heads: Count
    groups: Count
    head_dim: Count
    encoder_tokens: Count
    formula: ClassVar[str] = "2 G d_k per encoder token"
    source: ClassVar[str] = "Attention Is All You Need, arXiv 1706.03762, section 3.2.3"

    def lower(self, target: Target) -> Layer:
        """Return the terms of the encoder's K and V, which do not grow with the context."""
        parts: tuple[tuple[Role, str], ...] = (("key", "encoder K"), ("value", "encoder V"))
        return tuple(
            fixed(
                role,
                name,
                pool="cross",
                split=groups_split(self.groups),
                width=self.head_dim,
                dtype=target.kv.dtype(role),
                rows=target.encoder_tokens or self.encoder_tokens,
            )
            for role, name in parts
        )

    def splits(self) -> tuple[Split, ...]:
        return (heads_split(self.heads),)

    def sharing(self) -> tuple[tuple[Split, Split], ...]:
        return ((heads_split(self.heads), groups_split(self.groups)),)

    def projections(self, hidden: int) -> int:
        return 2 * hidden * (self.heads + self.groups) * self.head_dim


class Shared(Kind):
    """
    Attention that reuses the keys and values of another layer, and so caches nothing.

    Sources: Cross-Layer Attention, arXiv 2405.12981; YOCO, arXiv 2405.05254; Gemma 3n. Such a layer
    has query and output projections only, and must share a pipeline stage with the layer it reads.
    `window` is that of the rows it reads, where these slide.
    """

    kind: Literal["shared"]
    heads: Count
    head_dim: Count | None = None
    v_head_dim: Count | None = None
    window: Count | None = None
    formula: ClassVar[str] = "nothing: another layer's cache is read"
    source: ClassVar[str] = "CLA, arXiv 2405.12981; YOCO, arXiv 2405.05254"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - nothing to store
        """Return no terms."""
        return ()

    def reads(self) -> tuple[int | None, ...]:
        return (self.window,)

    def splits(self) -> tuple[Split, ...]:
        return (heads_split(self.heads),)

    def projections(self, hidden: int) -> int:
        (head_dim,) = self.needed("head_dim")
        return hidden * self.heads * (head_dim + (self.v_head_dim or head_dim))


class NoCache(Kind):
    """
    A layer that keeps nothing between tokens: an MLP alone, or bidirectional encoder attention.

    Source: BERT, arXiv 1810.04805 (every token sees all others at once); Nemotron-H,
    arXiv 2504.03624, for layers without a mixer. `heads` and `head_dim` are given where there is
    attention, for its parameters and its tensor parallelism.
    """

    kind: Literal["none"]
    heads: Count | None = None
    head_dim: Count | None = None
    formula: ClassVar[str] = "nothing is kept between tokens"
    source: ClassVar[str] = "BERT, arXiv 1810.04805; Nemotron-H, arXiv 2504.03624"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - nothing to store
        """Return no terms."""
        return ()

    def splits(self) -> tuple[Split, ...]:
        return (heads_split(self.heads),) if self.heads else ()

    def projections(self, hidden: int) -> int:
        return 4 * hidden * (self.heads or 0) * (self.head_dim or 0)
