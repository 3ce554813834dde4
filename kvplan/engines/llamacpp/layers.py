"""
One layer of llama.cpp's graph: what mixes tokens, what is fed with them, and what is added to the states.

Source: src/models/ of llama.cpp v0.5.0. Nodes stand in the order in which ggml_build_forward_expand gets to
them: attention, scans and mixtures are there at once, what is made of them later.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from kvplan.engines.llamacpp.blocks import Attention, Cached, Mixture, Mlp, Rows, attend, feed, mix, project
from kvplan.engines.llamacpp.latents import LatentAttention, attend_latents
from kvplan.engines.llamacpp.mamba import Convolving, Mamba, Mamba2, ShortConv, convolve, finish, gate, scan
from kvplan.engines.llamacpp.recurrent import DeltaNet, States, remember
from kvplan.records import record

STATES, NOTHING = -1, -2
"""The numbers of the cache of recurrent states, and of none."""


@record
class Beside:
    """Attention and a scan of the same states, whose sum is what a layer mixes."""

    attention: Attention
    scan: Mamba2


Mixer = Attention | LatentAttention | DeltaNet | Convolving | Beside


@record
class Layer:
    """
    One layer: attention over the cache of its number, or a recurrence, then an MLP or a mixture.

    Either may be missing. Layers in `parallel` feed the same states to both. `normed_before` is False where
    only outputs are normed. What the MLP makes may be added `onto_states` in place of these to it, and what
    is mixed, too (`mixed_onto_states`).
    """

    mixer: Mixer | None
    cache: int
    feeds: Mlp | Mixture | None
    parallel: bool = False
    normed_before: bool = True
    onto_states: bool = False
    mixed_onto_states: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is an MLP alone, of which nothing is asked for before the next attention or scan."""
        return self.mixer is None and isinstance(self.feeds, Mlp)


@record
class Inputs:
    """
    What a layer reads beside states: where tokens stand, what it remembers, and which are left of them.

    Those may be picked of the sum of states and what is mixed (`picks_sum`), or of both before.
    `past` is what its convolution reads of tokens before, if that was read behind another layer; `ahead`
    reads that of a later layer. `between` is due before what is mixed goes through the output matrix.
    """

    where: int
    cached: Cached | None = None
    states: States | None = None
    picks: int | None = None
    left: int = 0
    picks_sum: bool = False
    past: int | None = None
    ahead: Callable[[], None] | None = None
    between: Callable[[], None] | None = None


def pass_layer(
    rows: Rows, states: int, layer: Layer, inputs: Inputs, *, kept: bool = False
) -> tuple[int, Rows]:
    """Return the states behind a layer, and the rows that are left of them."""
    if isinstance(layer.mixer, Convolving) and inputs.past is None:
        inputs = replace(inputs, past=_known(inputs.states).read(rows.graph, layer.mixer.past_bytes))
    if layer.parallel:
        return _side_by_side(rows, states, layer, inputs)
    made, states, rows = _made(rows, states, layer, inputs)
    # What some recurrences make is seen through a view, over which nothing is written.
    viewed = isinstance(layer.mixer, DeltaNet | Mamba) and inputs.picks is None
    over = (states,) if viewed else (states, made) if layer.mixed_onto_states else (made, states)
    alone = layer.mixer is None or layer.feeds is None
    states = rows.graph.new(rows.of(rows.hidden), made, states, over=over, kept=kept and alone)
    if inputs.picks is not None and inputs.picks_sum:
        rows = rows.picked(inputs.left)
        states = rows.new(rows.hidden, states, inputs.picks)
    return (states if alone else _with_fed(rows, states, layer, inputs, kept=kept)), rows


def _made(rows: Rows, states: int, layer: Layer, inputs: Inputs) -> tuple[int, int, Rows]:
    """Return what a layer's first part makes, the states to which it is added, and the rows left of both."""
    early = _Early(rows=rows, states=states, inputs=inputs)
    if layer.mixed_onto_states and inputs.picks is not None:
        inputs = replace(inputs, between=early.pick)
    normed = rows.new(rows.hidden, states) if layer.normed_before else states
    if layer.mixer is None:
        made = _fed(rows, normed, layer, inputs)
    else:
        made = _mixed(rows, states, normed, layer, inputs)
    if inputs.picks is None or inputs.picks_sum:
        return made, states, rows
    rows = rows.picked(inputs.left)
    made = rows.new(rows.hidden, made, inputs.picks)
    states = rows.new(rows.hidden, states, inputs.picks) if early.picked is None else early.picked
    return made, states, rows


def _with_fed(rows: Rows, states: int, layer: Layer, inputs: Inputs, *, kept: bool) -> int:
    """Return states to which that is added which an MLP or a mixture makes of them."""
    own = isinstance(layer.feeds, Mixture) and layer.feeds.own_norms
    normed = rows.new(rows.hidden, states) if layer.normed_before and not own else states
    fed = _fed(rows, normed, layer, inputs)
    over = (states, fed) if layer.onto_states else (fed, states)
    return rows.graph.new(rows.of(rows.hidden), fed, states, over=over, kept=kept)


@dataclass(slots=True)
class _Early:
    """States that are picked before what is mixed, where it is added to them."""

    rows: Rows
    states: int
    inputs: Inputs
    picked: int | None = None

    def pick(self) -> None:
        """Pick them now."""
        left = self.rows.picked(self.inputs.left)
        self.picked = left.new(left.hidden, self.states, _known(self.inputs.picks))


def _mixed(rows: Rows, states: int, normed: int, layer: Layer, inputs: Inputs) -> int:
    """Return what the mixer of a layer makes of normed states."""
    ahead = None if isinstance(layer.feeds, Mixture) else inputs.ahead
    match layer.mixer:
        case DeltaNet() as mixer:
            return remember(rows, normed, mixer, _known(inputs.states))
        case LatentAttention() as mixer:
            return attend_latents(rows, normed, mixer, _known(inputs.cached), inputs.where)
        case Attention() as mixer:
            seen = attend(rows, normed, mixer, _known(inputs.cached), inputs.where)
            _read(ahead)
            _read(inputs.between)
            return project(rows, seen, mixer, _known(inputs.cached))
        case Mamba() | Mamba2() as mixer:
            scanned = scan(rows, normed, mixer, _known(inputs.past), _known(inputs.states))
            _read(ahead)
            _read(inputs.between)
            return finish(rows, scanned, mixer)
        case ShortConv() as mixer:
            made = convolve(rows, normed, mixer, _known(inputs.past), _known(inputs.states))
            _read(ahead)
            _read(inputs.between)
            return gate(rows, made, mixer)
        case Beside() as mixer:
            return _sum_of(rows, states, normed, mixer, inputs)
        case _:
            raise TypeError("a layer mixes nothing")


def _sum_of(rows: Rows, states: int, normed: int, mixer: Beside, inputs: Inputs) -> int:
    """Return the sum of what attention and a scan make, each of states that it norms."""
    cached, found = _known(inputs.cached), _known(inputs.states)
    seen = attend(rows, normed, mixer.attention, cached, inputs.where)
    past = found.read(rows.graph, mixer.scan.past_bytes)
    scanned = scan(rows, rows.new(rows.hidden, states), mixer.scan, past, found)
    attended = project(rows, seen, mixer.attention, cached)
    finished = finish(rows, scanned, mixer.scan)
    return rows.new(rows.hidden, attended, finished, over=(attended, finished))


def _side_by_side(rows: Rows, states: int, layer: Layer, inputs: Inputs) -> tuple[int, Rows]:
    """Return the states behind a layer whose MLP reads what its attention reads, and the rows left."""
    picks, mixer, cached = inputs.picks, layer.mixer, _known(inputs.cached)
    if not isinstance(mixer, Attention):
        raise TypeError("a recurrence stands beside no MLP")
    normed = rows.new(rows.hidden, states) if layer.normed_before else states
    seen = attend(rows, normed, mixer, cached, inputs.where)
    left = rows if picks is None else rows.picked(inputs.left)
    if picks is not None:
        normed = left.new(rows.hidden, normed, picks)
    fed = _fed(left, normed, layer, inputs)
    if picks is not None:
        states = left.new(rows.hidden, states, picks)
    total = left.new(rows.hidden, fed, states, over=(fed, states))
    mixed = project(rows, seen, mixer, cached)
    if picks is not None:
        mixed = left.new(rows.hidden, mixed, picks)
    return left.new(rows.hidden, total, mixed, over=(total, mixed)), left


def _fed(rows: Rows, states: int, layer: Layer, inputs: Inputs) -> int:
    match layer.feeds:
        case Mlp() as mlp:
            return feed(rows, states, mlp)
        case Mixture() as mixture:
            return mix(rows, states, mixture, inputs.ahead)
        case None:
            raise TypeError("a layer feeds nothing")


def _read(ahead: Callable[[], None] | None) -> None:
    if ahead is not None:
        ahead()


_T = TypeVar("_T")


def _known(found: _T | None) -> _T:
    if found is None:
        raise TypeError("a layer remembers as its mixer does")
    return found
