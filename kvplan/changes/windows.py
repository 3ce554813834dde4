"""Attention over fewer tokens by design: sliding windows and chunks, with some layers left whole."""

from typing import ClassVar, cast

from kvplan.attention import Kind
from kvplan.attention.base import Count
from kvplan.attention.grouped import SoftmaxKind
from kvplan.attention.windowed import Chunked, Sliding
from kvplan.changes.base import Change, Kinds, each_layer, swapped
from kvplan.changes.softmax import is_full, shape
from kvplan.specs.model import ModelSpec


def stays_full(number: int, full_every: int | None) -> bool:
    """Return whether a layer, counted from 0, is the last of *full_every*, which stays as it is."""
    return full_every is not None and (number + 1) % full_every == 0


class Window(Change):
    """Full attention sees the newest `window` tokens and first `sinks`; each `full_every`-th layer all."""

    window: Count
    sinks: Count | None = None
    full_every: Count | None = None
    name: ClassVar[str] = "window"
    help: ClassVar[str] = "A sliding window, some layers left full: 4k, or 1k,full_every=6."
    source: ClassVar[str] = "Mistral 7B, arXiv 2310.06825, section 2; Gemma 3, arXiv 2503.19786, section 2"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def windowed(kind: Kind) -> Kind:
            facts = shape(cast("SoftmaxKind", kind))
            return Sliding(kind="sliding", window=self.window, sinks=self.sinks, **facts)

        def layer(number: int, kinds: Kinds) -> Kinds:
            return kinds if stays_full(number, self.full_every) else swapped(kinds, is_full, windowed)

        return each_layer(spec, self, layer, is_full)


class Chunk(Change):
    """Full attention sees the tokens of its own chunk; each `full_every`-th layer sees all."""

    chunk: Count
    full_every: Count | None = None
    name: ClassVar[str] = "chunk"
    help: ClassVar[str] = "Chunked local attention, some layers left full: 8k,full_every=4."
    source: ClassVar[str] = "Llama 4's config.json, attention_chunk_size"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def chunked(kind: Kind) -> Kind:
            return Chunked(kind="chunked", chunk=self.chunk, **shape(cast("SoftmaxKind", kind)))

        def layer(number: int, kinds: Kinds) -> Kinds:
            return kinds if stays_full(number, self.full_every) else swapped(kinds, is_full, chunked)

        return each_layer(spec, self, layer, is_full)
