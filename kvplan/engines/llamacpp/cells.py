"""How many cells a cache has: contexts padded to 256, windows, compressed rows, and streams of slots."""

from typing import Literal

from kvplan.engines.llamacpp.options import LlamaOptions
from kvplan.loads import Load, longest_in, sequences_in, tokens_in
from kvplan.records import record
from kvplan.units import ceil_div

CELL_PADDING = 256
"""Cells of a context (llama-context.cpp), of a window (llama-kv-cache-iswa.cpp) and of compressed rows."""

MAX_SEQUENCES = 256
"""LLAMA_MAX_SEQ (llama-cparams.h): more slots than these are refused."""

Rule = Literal["full", "window", "compressed", "ring", "state"]
"""What a cache's cells follow: the context, a window, tokens per row, a ring of tokens, or the slots."""


@record
class CacheId:
    """
    One of llama.cpp's caches: its name, and what decides its cells.

    `window` are the tokens of a window or of a ring, `stride` the tokens that share a row. `apart`
    says that each slot has cells of its own even in a unified cache (llama-kv-cache-dsv4.cpp).
    """

    name: str
    rule: Rule
    window: int = 0
    stride: int = 1
    apart: bool = False


@record
class Slots:
    """
    A slot for each sequence of a load: llama.cpp's n_seq_max and what it makes of n_ctx.

    Slots are alike, each for the longest sequence, but in a unified cache, whose cells they share.
    Without slots there are no cells; llama.cpp itself starts with one at least.
    """

    load: Load
    options: LlamaOptions

    @property
    def batch(self) -> int:
        """The number of slots."""
        return sequences_in(self.load)

    @property
    def tokens(self) -> int:
        """Tokens that one stream of cells is for: all slots' in a unified cache."""
        return tokens_in(self.load) if self.options.kv_unified else longest_in(self.load)

    @property
    def kv_size(self) -> int:
        """Cells of a stream that keeps every token, n_ctx_seq (llama-context.cpp)."""
        return padded(self.tokens)

    def streams(self, cache: CacheId) -> int:
        """Return how often the cells are there: once per slot, or once for all slots."""
        if self.options.kv_unified and not cache.apart and cache.rule != "state":
            return min(1, self.batch)
        return self.batch

    def rows(self, cache: CacheId) -> int:
        """Return the rows that one stream needs before they are padded."""
        if cache.rule == "window":
            return min(self.tokens, self._window_cells(cache))
        return self.tokens // cache.stride

    def cells(self, cache: CacheId) -> int:
        """Return the cells of one stream."""
        match cache.rule:
            case "full":
                return self.kv_size
            case "window":
                return padded(min(self.kv_size, self._window_cells(cache)))
            case "compressed":
                return padded(ceil_div(self.kv_size, cache.stride))
            case "ring":
                return cache.window
            case "state":
                return 1

    def _window_cells(self, cache: CacheId) -> int:
        """Return a window's cells: of each slot that shares them, and one batch (llama-kv-cache-iswa.cpp)."""
        if self.options.swa_full:
            return self.kv_size
        shared = self.options.kv_unified and not cache.apart
        return cache.window * (self.batch if shared else 1) + self.options.n_ubatch


def padded(cells: int) -> int:
    """Return *cells* rounded up to a multiple of 256."""
    return ceil_div(cells, CELL_PADDING) * CELL_PADDING
