"""
Layers in llama.cpp's graph that convolve: scans of Mamba and Mamba-2, and short convolutions alone.

Source: src/models/mamba-base.cpp, src/models/lfm2.cpp and build_rs in src/llama-graph.cpp of llama.cpp
v0.5.0, whose scans are one kernel of CUDA.
"""

from kvplan.engines.llamacpp.blocks import Rows
from kvplan.engines.llamacpp.graph import FLOAT32
from kvplan.engines.llamacpp.recurrent import States
from kvplan.records import record


@record
class ShortConv:
    """A gated convolution of a `width` over the token and the `kept` ones before it."""

    width: int
    kept: int

    @property
    def past_bytes(self) -> int:
        """Bytes of what the convolution reads of a slot's tokens before the micro-batch."""
        return FLOAT32 * self.kept * self.width


@record
class Mamba:
    """
    A scan of an `inner` width with so many numbers of `state` for each, behind a convolution.

    That reads the token and `kept` ones before it. Time steps have a `rank`; they, B and C may be `normed`.
    """

    inner: int
    state: int
    rank: int
    kept: int
    normed: bool = False

    @property
    def past_bytes(self) -> int:
        """Bytes of what the convolution reads of a slot's tokens before the micro-batch."""
        return FLOAT32 * self.kept * self.inner


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
    def past_bytes(self) -> int:
        """Bytes of what the convolution reads of a slot's tokens before the micro-batch."""
        return FLOAT32 * self.kept * (self.inner + self.shared)


Scanning = Mamba | Mamba2
Convolving = ShortConv | Scanning


@record
class Scanned:
    """What a scan makes (`outputs`), beside what it is made of."""

    projected: int
    convolved: int
    outputs: int


def scan(rows: Rows, states: int, layer: Scanning, past: int, found: States) -> Scanned:
    """Return the scan of normed *states*, when its last states are written."""
    more = layer.shared + layer.heads if isinstance(layer, Mamba2) else 0
    projected = rows.new(2 * layer.inner + more, states)
    both = _joined(rows, layer, past, projected, found)
    if isinstance(layer, Mamba2):
        convolved = rows.new(layer.inner + layer.shared, both)
        read = [convolved, rows.new(layer.heads, projected)]
    else:
        convolved = rows.new(layer.inner, both)
        read = [convolved, *_steps(rows, convolved, layer)]
    size = layer.state if isinstance(layer, Mamba2) else layer.state * layer.inner
    outputs = rows.graph.new(rows.of(layer.inner) + FLOAT32 * size * found.slots, *read, found.copied)
    found.pass_others(rows.graph)
    rows.graph.read(outputs)
    return Scanned(projected=projected, convolved=convolved, outputs=outputs)


def _steps(rows: Rows, convolved: int, layer: Mamba) -> tuple[int, ...]:
    """Return the time steps, and what B and C are read from."""
    made = rows.new(layer.rank + 2 * layer.state, convolved)
    steps = rows.new(layer.inner, rows.new(layer.rank, made))
    if not layer.normed:
        return steps, made
    return steps, rows.new(layer.state, made), rows.new(layer.state, made)


def finish(rows: Rows, scanned: Scanned, layer: Scanning) -> int:
    """
    Return the states that the output matrix makes of a scan, gated, and of Mamba-2 normed.

    Some of Falcon-H1 do not norm it, and have a buffer as large.
    """
    gate = rows.new(layer.inner, scanned.projected)
    over = () if isinstance(layer, Mamba2) else (scanned.convolved,)
    skipped = rows.new(layer.inner, scanned.convolved, over=over)
    total = rows.new(layer.inner, scanned.outputs, skipped, over=(skipped,))
    made = rows.new(layer.inner, gate, total)
    if isinstance(layer, Mamba2):
        made = rows.new(layer.inner, made)
    return rows.new(rows.hidden, made)


def convolve(rows: Rows, states: int, layer: ShortConv, past: int, found: States) -> tuple[int, int]:
    """Return what a short convolution reads of normed *states*, and the projection that gates it."""
    projected = rows.new(3 * layer.width, states)
    product = rows.new(layer.width, projected)
    return _joined(rows, layer, past, product, found), projected


def gate(rows: Rows, made: tuple[int, int], layer: ShortConv) -> int:
    """Return the states that the output matrix makes of what a short convolution reads."""
    convolved = rows.new(layer.width, made[0])
    gated = rows.new(layer.width, made[1], convolved, over=(convolved,))
    return rows.new(rows.hidden, gated)


def _joined(rows: Rows, layer: Convolving, past: int, projected: int, found: States) -> int:
    """Return tokens behind those of before, the last of which are kept."""
    width = layer.past_bytes // (FLOAT32 * layer.kept)
    both = rows.graph.new(rows.of(width) + layer.past_bytes * found.slots, past, projected)
    rows.graph.read(both)
    return both
