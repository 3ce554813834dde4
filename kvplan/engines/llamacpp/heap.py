"""
Where llama.cpp puts the tensors of a graph: its allocator, address by address.

Source: ggml_dyn_tallocr_alloc, ggml_dyn_tallocr_free_bytes and ggml_gallocr_alloc_graph_impl in
ggml/src/ggml-alloc.c of llama.cpp v0.5.0.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kvplan.units import ceil_div

ALIGNMENT = 128
"""Bytes to which CUDA's buffers round tensors (ggml_backend_cuda_buffer_type_get_alignment)."""


class Node(NamedTuple):
    """
    One tensor of a graph, which comes into being after its `sources`, by their numbers.

    Its operation may write `over` the first of those that is as large and has no other reader. `first` says
    that it is there before anything is computed. A `kept` tensor is an output of the graph. One that is not
    `placed` is written into a cache; one of no bytes has a place all the same.
    """

    size_bytes: int
    sources: tuple[int, ...] = ()
    over: tuple[int, ...] = ()
    first: bool = False
    kept: bool = False
    placed: bool = True


class Heap:
    """
    A buffer that grows: the smallest hole that is large enough is taken, else the last one.

    That is what is behind all, but where a tensor of no bytes was given back behind it: what is joined with
    the hole that it leaves is the last one then, which is not looked at as long as another is large enough.
    """

    def __init__(self) -> None:
        # What is behind all; a hole of no bytes may be left behind that.
        self._starts = [0]
        self._sizes = [_ENDLESS]
        self.peak_bytes = 0

    def take(self, size: int) -> int:
        """Return the address of *size* bytes, a multiple of the alignment."""
        sizes = self._sizes
        best, room = len(sizes) - 1, _ENDLESS
        for hole in range(best):
            if size <= sizes[hole] <= room:
                best, room = hole, sizes[hole]
        address = self._starts[best]
        if sizes[best] == size:
            del self._starts[best], sizes[best]
        else:
            self._starts[best] += size
            sizes[best] -= size
        self.peak_bytes = max(self.peak_bytes, address + size)
        return address

    def give(self, address: int, size: int) -> None:
        """Take back *size* bytes at an address, and join them with the first hole beside them."""
        starts, sizes = self._starts, self._sizes
        end = address + size
        for hole, start in enumerate(starts):
            if start + sizes[hole] == address:
                sizes[hole] += size
                self._join(hole)
                return
            if start == end:
                starts[hole] = address
                sizes[hole] += size
                if hole:
                    self._join(hole - 1)
                return
        at = next((hole for hole, start in enumerate(starts) if start >= address), len(starts))
        starts.insert(at, address)
        sizes.insert(at, size)

    def _join(self, hole: int) -> None:
        """Make one of a hole and the next, if that begins where it ends."""
        starts, sizes = self._starts, self._sizes
        if hole + 1 < len(starts) and starts[hole] + sizes[hole] == starts[hole + 1]:
            sizes[hole] += sizes.pop(hole + 1)
            del starts[hole + 1]


_ENDLESS = 1 << 62


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
        nodes, sizes, left, at, heap = self._nodes, self._sizes, self._left, self._at, self._heap
        for number, node in enumerate(nodes):
            if node.first:
                at[number] = heap.take(sizes[number])
        for number, node in enumerate(nodes):
            if node.placed and not node.first:
                reused = self._reused(number, node) if node.over else None
                at[number] = heap.take(sizes[number]) if reused is None else at.pop(reused)
            for source in node.sources:
                left[source] -= 1
                if not left[source] and source in at and not nodes[source].kept:
                    heap.give(at.pop(source), sizes[source])
        return heap.peak_bytes

    def _reused(self, number: int, node: Node) -> int | None:
        """Return the source over which a tensor is written, if any."""
        for source in node.over:
            same = self._sizes[source] == self._sizes[number] and source in self._at
            if same and self._left[source] == 1 and not self._nodes[source].kept:
                return source
        return None
