"""
A layer of Mamba-2 in llama.cpp's graph.

Source: build_mamba2_layer in src/models/mamba-base.cpp and build_rs in src/llama-graph.cpp of llama.cpp
v0.5.0, whose scan is one kernel of CUDA.
"""

from kvplan.engines.llamacpp.blocks import Rows
from kvplan.engines.llamacpp.graph import FLOAT32, Graph
from kvplan.engines.llamacpp.recurrent import States
from kvplan.records import record


@record
class Mamba2:
    """
    A scan of an `inner` width in `heads`, with a state of so many numbers, behind a convolution.

    That reads the token and `kept` ones before it, of the inner width and of what heads share (`shared`, B
    and C).
    """

    inner: int
    heads: int
    shared: int
    state: int
    kept: int

    @property
    def convolved(self) -> int:
        """The width of the convolution."""
        return self.inner + self.shared

    @property
    def past_bytes(self) -> int:
        """Bytes of what the convolution reads of a slot's tokens before the micro-batch."""
        return FLOAT32 * self.kept * self.convolved


@record
class Scanned:
    """What a scan makes (`outputs`), beside what it is made of."""

    projected: int
    convolved: int
    outputs: int


def read_past(graph: Graph, layer: Mamba2, found: States) -> int:
    """Return what the convolution reads of tokens before the micro-batch."""
    return found.read(graph, layer.past_bytes)


def scan(rows: Rows, states: int, layer: Mamba2, past: int, found: States) -> Scanned:
    """Return the scan of normed *states*, when its last states are written."""
    graph = rows.graph
    projected = rows.new(2 * layer.inner + layer.shared + layer.heads, states)
    both = graph.new(rows.of(layer.convolved) + layer.past_bytes * found.slots, past, projected)
    graph.read(both)
    convolved = rows.new(layer.convolved, both)
    steps = rows.new(layer.heads, projected)
    size = rows.of(layer.inner) + FLOAT32 * layer.state * found.slots
    outputs = graph.new(size, convolved, steps, found.copied)
    found.pass_others(graph)
    graph.read(outputs)
    return Scanned(projected=projected, convolved=convolved, outputs=outputs)


def finish(rows: Rows, scanned: Scanned, layer: Mamba2) -> int:
    """
    Return the states that the output matrix makes of a scan, gated and normed.

    Some of Falcon-H1 do not norm it, and have a buffer as large.
    """
    gate = rows.new(layer.inner, scanned.projected)
    skipped = rows.new(layer.inner, scanned.convolved)
    total = rows.new(layer.inner, scanned.outputs, skipped, over=(skipped,))
    normed = rows.new(layer.inner, rows.new(layer.inner, gate, total))
    return rows.new(rows.hidden, normed)
