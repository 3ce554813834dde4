"""Attention over a window of the tokens: what lies behind it is dropped from the cache."""

from typing import ClassVar, Literal

from kvplan.attention.base import Count, pairs
from kvplan.attention.grouped import Grouped
from kvplan.terms import Layer, Target


class Sliding(Grouped):
    """
    Sliding-window attention: as GQA, but only the newest `window` tokens (and the sinks) are kept.

    Caches G (d_k + d_v) elements for each of min(tokens, window + sinks) tokens. Sources: Mistral
    7B, arXiv 2310.06825, section 2; StreamingLLM, arXiv 2309.17453, for `sinks`: first tokens that
    are never dropped. A learned sink bias (gpt-oss) caches nothing and is no `sinks`.
    """

    kind: Literal["sliding"]
    window: Count
    sinks: Count | None = None
    formula: ClassVar[str] = "G (d_k + d_v) for each of min(tokens, window + sinks) tokens"
    source: ClassVar[str] = "Mistral 7B, arXiv 2310.06825, section 2; sinks: arXiv 2309.17453"

    def lower(self, target: Target) -> Layer:
        """Return the terms of K and V, bounded by the window."""
        return self.keys_and_values(target, window=self.window + (self.sinks or 0))

    def seen(self, tokens: int) -> int:
        return pairs(tokens, self.window)


class Chunked(Grouped):
    """
    Chunked local attention: a token sees its own chunk of `chunk` tokens only.

    Caches at most `chunk` tokens of G (d_k + d_v) elements. Source: Llama 4, whose config.json
    names the chunk `attention_chunk_size`.
    """

    kind: Literal["chunked"]
    chunk: Count
    formula: ClassVar[str] = "G (d_k + d_v) for each of min(tokens, chunk) tokens"
    source: ClassVar[str] = "Llama 4 config.json, attention_chunk_size"

    def lower(self, target: Target) -> Layer:
        """Return the terms of K and V, bounded by the chunk."""
        return self.keys_and_values(target, window=self.chunk, chunked=True)

    def seen(self, tokens: int) -> int:
        chunks, rest = divmod(tokens, self.chunk)
        return chunks * pairs(self.chunk) + pairs(rest)
