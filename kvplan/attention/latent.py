"""Latent attention: one compressed row per token serves every head."""

from typing import ClassVar, Literal

from pydantic import model_validator

from kvplan.attention.base import (
    Count,
    Kind,
    StateDtype,
    Width,
    growing,
    heads_split,
    pairs,
    state_dtype,
    state_split,
    whole,
)
from kvplan.attention.grouped import Indexer
from kvplan.dtypes import Role
from kvplan.terms import Allocation, Growing, Layer, Pool, Split, Target, Term


class MLA(Kind):
    """
    Multi-head latent attention: a latent of `d_c` and a decoupled RoPE key of `d_rope` per token.

    Caches d_c + d_rope elements per token and layer, for keys and values together and whatever the
    number of heads: DeepSeek-V2, arXiv 2405.04434, section 2.1. There is no head axis to shard, so
    every tensor-parallel rank stores the row whole. An `indexer` adds its own keys
    (DeepSeek-V3.2, arXiv 2512.02556); layers that own none leave it out. `d_nope` and `v_head_dim`,
    the parts of a head without RoPE, are in no cache: what expands the latent to heads asks for them. A
    layer that does not rotate at all has a `d_rope` of 0 and keeps the latent alone.
    """

    kind: Literal["mla"]
    heads: Count
    d_c: Count
    d_rope: Width
    d_nope: Count | None = None
    v_head_dim: Count | None = None
    q_lora_rank: Count | None = None
    indexer: Indexer | None = None
    formula: ClassVar[str] = "d_c + d_rope per token, on every rank"
    source: ClassVar[str] = "DeepSeek-V2, arXiv 2405.04434, section 2.1"

    def lower(self, target: Target) -> Layer:
        """Return the terms of the latent, the RoPE key, and the indexer's keys if any."""
        rows: tuple[tuple[Role, str, int], ...] = (
            ("latent", "latent d_c", self.d_c),
            ("rope", "RoPE key d_rope", self.d_rope),
        )
        terms = tuple(
            term
            for role, label, width in rows
            if width
            for term in growing(target, role, label, pool="mla", split=whole("latent"), width=width)
        )
        return terms + (self.indexer.lower(target) if self.indexer else ())

    def expanded(self) -> tuple[int, int, int] | None:
        known = self.d_nope and self.v_head_dim
        return (self.d_nope or 0, self.d_rope, self.v_head_dim or 0) if known else None

    def selects(self) -> bool:
        return self.indexer is not None

    def splits(self) -> tuple[Split, ...]:
        return (heads_split(self.heads),)

    def projections(self, hidden: int) -> int:
        d_nope, v_head_dim = self.needed("d_nope", "v_head_dim")
        queries = self.heads * (d_nope + self.d_rope)
        rank = self.q_lora_rank
        down_up = hidden * queries if rank is None else rank * (hidden + queries)
        latent = hidden * (self.d_c + self.d_rope) + self.d_c * self.heads * (d_nope + v_head_dim)
        output = self.heads * v_head_dim * hidden
        indexer = self.indexer.projections(hidden, rank or hidden) if self.indexer else 0
        return down_up + latent + output + indexer

    def attended(self, tokens: int) -> int:
        # With the latent expanded to heads, which takes fewer operations than the absorbed form.
        if self.indexer or self.d_nope is None or self.v_head_dim is None:
            return 0
        return pairs(tokens) * self.heads * (self.d_nope + self.d_rope + self.v_head_dim)


class Compressed(Kind):
    """
    DeepSeek-V4's compressed sparse attention: one entry stands for `ratio` tokens.

    An entry of `head_dim` (the last `d_rope` of it with RoPE) is key and value at once. A layer
    keeps the newest `window` entries uncompressed, one compressed entry per `ratio` tokens, the
    indexer's keys at the same rate where there is one, and, in `state_dtype`, the key and gate
    vectors of the newest `overlap` x `ratio` tokens that wait to be compressed (`overlap` vectors
    of each per token; again for the indexer). At a `ratio` of 1 nothing waits. Indexer keys that
    are projected from the entry (`keys_from_entry`) never wait either. Without `ratio` there is
    the window alone: in DeepSeek-V4.1 also where a layer reads the compressed entries of one below
    it, with which it must share a pipeline stage. Every rank stores it whole. Sources:
    inference/model.py of the DeepSeek-V4 release; vLLM 0.33, models/deepseek_v4 and deepseek_v41.
    """

    kind: Literal["compressed"]
    heads: Count
    head_dim: Count
    d_rope: Count
    window: Count
    ratio: Count | None = None
    overlap: Count | None = None
    state_dtype: StateDtype | None = None
    indexer: Indexer | None = None
    keys_from_entry: bool = False
    q_lora_rank: Count | None = None
    o_groups: Count
    o_lora_rank: Count | None = None
    formula: ClassVar[str] = "head_dim for each of min(tokens, window) tokens, and per ratio tokens"
    source: ClassVar[str] = "inference/model.py of the DeepSeek-V4 release; vLLM 0.33"

    @model_validator(mode="after")
    def _compression_is_whole(self) -> "Compressed":
        waiting = {"overlap": self.overlap, "state_dtype": self.state_dtype}
        given = [name for name, value in {**waiting, "indexer": self.indexer}.items() if value]
        if self.ratio is None and given:
            raise ValueError(f"{given[0]} belongs to a layer that compresses: give its ratio")
        if self.ratio == 1 and (extra := [name for name in waiting if name in given]):
            raise ValueError(f"at a ratio of 1 no token waits to be compressed: leave out {extra[0]}")
        if self.ratio is not None and self.ratio > 1 and not all(waiting.values()):
            raise ValueError("a layer with a ratio above 1 needs overlap and state_dtype")
        if self.keys_from_entry and self.indexer is None:
            raise ValueError("keys_from_entry says whence the indexer's keys come: give its indexer")
        return self

    def lower(self, target: Target) -> Layer:
        """Return the terms of the window, the compressed entries, the indexer and the states."""
        terms = self._entry(target, "window", window=self.window)
        if self.ratio is None:
            return terms
        terms += self._entry(target, "compressed", stride=self.ratio)
        if self.indexer:
            terms += self.indexer.lower(target, self.ratio)
        return terms + self._states(self.ratio)

    def _entry(
        self,
        target: Target,
        pool: Literal["window", "compressed"],
        *,
        window: int | None = None,
        stride: int = 1,
    ) -> Layer:
        parts: tuple[tuple[Role, str, int], ...] = (
            ("entry", f"{pool} entry", self.head_dim - self.d_rope),
            ("rope", f"{pool} RoPE part", self.d_rope),
        )
        return tuple(
            term
            for role, label, width in parts
            for term in growing(
                target,
                role,
                label,
                pool=pool,
                split=whole("entry"),
                width=width,
                window=window,
                stride=stride,
            )
        )

    def _states(self, ratio: int) -> Layer:
        if self.overlap is None or self.state_dtype is None:
            return ()
        pools: list[tuple[Pool, int]] = [("compressor state", self.head_dim)]
        if self.indexer and not self.keys_from_entry:
            pools.append(("indexer compressor state", self.indexer.head_dim))
        return tuple(
            Term(
                role="state",
                label=pool,
                allocation=Allocation(pool=pool),
                split=whole("entry"),
                width=2 * self.overlap * width,
                dtype=state_dtype(self.state_dtype),
                rows=Growing(window=self.overlap * ratio),
            )
            for pool, width in pools
        )

    def splits(self) -> tuple[Split, ...]:
        return (heads_split(self.heads), state_split(self.o_groups, "output groups"))

    def projections(self, hidden: int) -> int:
        q_lora_rank, o_lora_rank = self.needed("q_lora_rank", "o_lora_rank")
        queries = q_lora_rank * (hidden + self.heads * self.head_dim)
        output = o_lora_rank * (self.heads * self.head_dim + self.o_groups * hidden)
        pooled = self.head_dim
        indexer = 0
        if self.indexer:
            heads, width = self.indexer.needed("heads", "head_dim")
            indexer = q_lora_rank * heads * width + hidden * heads
            if self.keys_from_entry:
                indexer += self.head_dim * width
            else:
                pooled += width
        # A pool of tokens has a key and a gate matrix, for each of the blocks that overlap.
        matrices = 1 if self.ratio == 1 else 2 * (self.overlap or 0)
        return queries + hidden * self.head_dim + output + indexer + matrices * hidden * pooled
