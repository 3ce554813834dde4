"""
A layer of Gated DeltaNet in llama.cpp's graph.

Source: build_layer_attn_linear in src/models/qwen35.cpp and src/models/delta-net-base.cpp of llama.cpp
v0.5.0, whose states go through one kernel of CUDA.
"""

from kvplan.engines.llamacpp.blocks import Rows
from kvplan.engines.llamacpp.graph import FLOAT32, Graph
from kvplan.records import record


@record
class DeltaNet:
    """
    A gated delta rule behind a convolution, of so many `keys` and `values`: heads times their width.

    Each of the `heads` of values has a decay and a strength, and a state as high as a head of keys is wide,
    `state` numbers in all. The convolution reads the token and `kept` ones before it. Queries and keys may be
    repeated for heads of values, with one matrix for decays and strengths (`repeats`).
    """

    keys: int
    values: int
    heads: int
    state: int
    kept: int
    repeats: bool = False


@record
class States:
    """
    The input that says which states are read, and for how many `slots`.

    Others would be copied, too (`others`): there are none, but their tensors of no bytes have places.
    """

    copied: int
    others: int
    slots: int

    def read(self, graph: Graph, size_bytes: int) -> int:
        """Return states of so many bytes for each slot, which are read as a tensor of their own."""
        found = graph.new(size_bytes * self.slots, self.copied)
        self.pass_others(graph)
        return found

    def pass_others(self, graph: Graph) -> None:
        """Read what no slot has."""
        graph.read(graph.new(0, self.others))


def remember(rows: Rows, states: int, layer: DeltaNet, found: States) -> int:
    """Return what a layer makes of normed *states*, behind its output matrix."""
    graph = rows.graph
    read = _read(rows, states, layer, found)
    held = found.read(graph, FLOAT32 * layer.state)
    convolved = rows.new(layer.keys * 2 + layer.values, read)
    query = _for_heads(rows, rows.new(layer.keys, convolved), layer)
    key = _for_heads(rows, rows.new(layer.keys, convolved), layer)
    mixed = rows.new(2 * layer.heads, states) if layer.repeats else None
    decay, strength = (
        rows.new(layer.heads, rows.new(layer.heads, states) if mixed is None else mixed) for _ in range(2)
    )
    size = rows.of(layer.values) + FLOAT32 * layer.state * found.slots
    ruled = graph.new(size, query, key, convolved, decay, strength, held)
    graph.read(ruled)
    normed = rows.new(layer.values, ruled)
    gate = rows.new(layer.values, rows.new(layer.values, states))
    gated = rows.new(layer.values, normed, gate, over=(normed, gate))
    return rows.new(rows.hidden, gated)


def _for_heads(rows: Rows, made: int, layer: DeltaNet) -> int:
    return rows.new(layer.values, made) if layer.repeats else made


def _read(rows: Rows, states: int, layer: DeltaNet, found: States) -> int:
    """Return the tokens that the convolution reads, those of the slot's past before them."""
    graph, width = rows.graph, layer.keys * 2 + layer.values
    past = found.read(graph, FLOAT32 * layer.kept * width)
    projected = rows.new(width, states)
    both = graph.new(rows.of(width) + FLOAT32 * layer.kept * width * found.slots, past, projected)
    graph.read(both)
    return both
