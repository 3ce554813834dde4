"""What vLLM keeps for one allocation of one layer: its KVCacheSpec, as a value."""

from typing import Literal

from kvplan.records import record
from kvplan.units import ceil_div

Paging = Literal["full", "sliding", "chunked", "cross", "mla", "sliding mla", "state"]


@record
class PageSpec:
    """
    What one allocation of one layer takes of a block, on one rank.

    A page holds `heads` x `block_size` / `stride` rows of `row_bytes` (K and V of a head together),
    rounded up to `alignment`; that of a state has one row, and no block size. `window` is that of
    sliding attention, or the chunk. `padded_bytes` replaces the size where pages of layers must be
    equal. `checkpoints` are state blocks beside those that a request works on. Layers with equal
    specs share groups. Source: vLLM 0.33, v1/kv_cache_interface.py.
    """

    paging: Paging
    heads: int
    widths: tuple[int, ...]
    dtype: str
    row_bytes: int
    block_size: int = 0
    stride: int = 1
    window: int | None = None
    alignment: int = 1
    padded_bytes: int | None = None
    checkpoints: int = 0

    @property
    def content_bytes(self) -> int:
        """Bytes of the page before it is padded to the pages of other layers."""
        if self.paging == "state":
            return self.row_bytes
        rows = self.block_size // self.stride
        return ceil_div(self.heads * rows * self.row_bytes, self.alignment) * self.alignment

    @property
    def page_bytes(self) -> int:
        """Bytes that the page takes in a block."""
        return self.content_bytes if self.padded_bytes is None else self.padded_bytes

    @property
    def whole_context(self) -> bool:
        """Whether every token of a sequence keeps its row: MLA is a form of full attention."""
        return self.paging in ("full", "mla")

    @property
    def windowed(self) -> bool:
        """Whether tokens leave the page when a window has passed them."""
        return self.paging in ("sliding", "sliding mla")
