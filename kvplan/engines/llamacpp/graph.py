"""
The graph that llama.cpp reserves when it starts: a micro-batch through layers of attention and MLPs.

Every tensor that is computed stands here in the order in which it is, with what it is computed of, so that
its buffer can be laid out (heap.py); views and what is written over its own source are left out. Source:
src/llama-graph.cpp (build_attn, build_ffn, build_moe_ffn) and src/models/ of llama.cpp v0.5.0.
"""

from dataclasses import dataclass, field

from kvplan.engines.llamacpp.heap import Node, peak_bytes

FLOAT32 = 4
"""Bytes of what is computed: all activations are float32."""


@dataclass(slots=True)
class Graph:
    """
    Tensors in the order of their computation, each known by its number.

    Of several `copies` of each input, for micro-batches in flight, none gives its place away.
    """

    copies: int = 1
    nodes: list[Node] = field(default_factory=list)

    def first(self, size_bytes: int) -> int:
        """Add an input of *size_bytes*, which is copied to the GPU before anything is computed."""
        for _ in range(self.copies - 1):
            self._add(Node(size_bytes, first=True, kept=True))
        return self._add(Node(size_bytes, first=True, kept=self.copies > 1))

    def constant(self, size_bytes: int) -> int:
        """Add what is there from the start, but is no input: it has no copies."""
        return self._add(Node(size_bytes, first=True))

    def new(self, size_bytes: int, *sources: int, over: tuple[int, ...] = (), kept: bool = False) -> int:
        """Add a tensor that is computed of *sources*, written over one of *over* if nothing else reads it."""
        self.nodes.append(Node(size_bytes, sources, over, False, kept))  # noqa: FBT003 - a tuple, by place
        return len(self.nodes) - 1

    def read(self, *sources: int) -> None:
        """Add what reads tensors last, and takes nothing itself."""
        self._add(Node(0, sources, placed=False))

    def peak_bytes(self) -> int:
        """Return the bytes of the buffer for all of them."""
        return peak_bytes(self.nodes)

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1
