"""
Where llama.cpp puts the tensors of a graph: its allocator, address by address.

Source: ggml_dyn_tallocr_alloc, ggml_dyn_tallocr_free_bytes and ggml_gallocr_alloc_graph_impl in
ggml/src/ggml-alloc.c of llama.cpp v0.5.0.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from kvplan.units import ceil_div

ALIGNMENT = 128
"""Bytes to which CUDA's buffers round tensors (ggml_backend_cuda_buffer_type_get_alignment)."""


class Node(NamedTuple):
    """
    One tensor of a graph, which comes into being after its `sources`, by their numbers.

    Its operation may write `over` the first of those that is as large and has no other reader. `first` says
    that it is there before anything is computed. A `kept` tensor is an output of the graph. One of no bytes
    is written into a cache.
    """

    size_bytes: int
    sources: tuple[int, ...] = ()
    over: tuple[int, ...] = ()
    first: bool = False
    kept: bool = False


class Heap:
    """A buffer that grows: the smallest hole that is large enough is taken, else what is behind all."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._end = 0
        self.peak_bytes = 0

    def take(self, size: int) -> int:
        """Return the address of *size* bytes, a multiple of the alignment."""
        best = None
        for hole, room in enumerate(self._sizes):
            if room >= size and (best is None or room <= self._sizes[best]):
                best = hole
        if best is None:
            address = self._end
            self._end += size
            self.peak_bytes = max(self.peak_bytes, self._end)
            return address
        address = self._starts[best]
        if self._sizes[best] == size:
            del self._starts[best], self._sizes[best]
        else:
            self._starts[best] += size
            self._sizes[best] -= size
        return address

    def give(self, address: int, size: int) -> None:
        """Take back *size* bytes at an address, and join them with the holes beside them."""
        at = bisect_left(self._starts, address)
        if at < len(self._starts) and address + size == self._starts[at]:
            size += self._sizes.pop(at)
            del self._starts[at]
        if at and self._starts[at - 1] + self._sizes[at - 1] == address:
            at -= 1
            address = self._starts.pop(at)
            size += self._sizes.pop(at)
        if address + size == self._end:
            self._end = address
        else:
            self._starts.insert(at, address)
            self._sizes.insert(at, size)


def peak_bytes(nodes: Sequence[Node]) -> int:
    """Return the bytes of the buffer in which a graph of *nodes* is computed, in their order."""
    return _Placing(nodes).peak_bytes()


class _Placing:
    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._heap = Heap()
        self._sizes = [ceil_div(node.size_bytes, ALIGNMENT) * ALIGNMENT for node in nodes]
        self._at: dict[int, int] = {}
        self._left = [0] * len(nodes)
        for node in nodes:
            for source in node.sources:
                self._left[source] += 1

    def peak_bytes(self) -> int:
        for number, node in enumerate(self._nodes):
            if node.first:
                self._at[number] = self._heap.take(self._sizes[number])
        for number, node in enumerate(self._nodes):
            self._place(number, node)
            for source in node.sources:
                self._left[source] -= 1
                if not self._left[source] and source in self._at and not self._nodes[source].kept:
                    self._heap.give(self._at.pop(source), self._sizes[source])
        return self._heap.peak_bytes

    def _place(self, number: int, node: Node) -> None:
        if node.first or not self._sizes[number]:
            return
        reused = self._reused(number, node)
        self._at[number] = self._heap.take(self._sizes[number]) if reused is None else self._at.pop(reused)

    def _reused(self, number: int, node: Node) -> int | None:
        """Return the source over which a tensor is written, if any."""
        for source in node.over:
            same = self._sizes[source] == self._sizes[number] and source in self._at
            if same and self._left[source] == 1 and not self._nodes[source].kept:
                return source
        return None
