"""
One layer of llama.cpp's graph: what mixes tokens, what is fed with them, and what is added to the states.

Source: src/models/ of llama.cpp v0.5.0. Nodes stand in the order in which ggml_build_forward_expand gets to
them: attention, scans and mixtures are there at once, what is made of them later.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from kvplan.engines.llamacpp.blocks import Attention, Cached, Mixture, Mlp, Rows, attend, feed, mix, project
from kvplan.engines.llamacpp.latents import LatentAttention, attend_latents
from kvplan.engines.llamacpp.mamba import Mamba2, finish, read_past, scan
from kvplan.engines.llamacpp.recurrent import DeltaNet, States, remember
from kvplan.records import record

STATES, NOTHING = -1, -2
"""The numbers of the cache of recurrent states, and of none."""


@record
class Beside:
    """Attention and a scan of the same states, whose sum is what a layer mixes."""

    attention: Attention
    scan: Mamba2


Mixer = Attention | LatentAttention | DeltaNet | Mamba2 | Beside


@record
class Layer:
    """
    One layer: attention over the cache of its number, or a recurrence, then an MLP or a mixture.

    Either may be missing. Layers in `parallel` feed the same states to both. `normed_before` is False where
    only outputs are normed. What the MLP makes may be added `onto_states` in place of these to it.
    """

    mixer: Mixer | None
    cache: int
    feeds: Mlp | Mixture | None
    parallel: bool = False
    normed_before: bool = True
    onto_states: bool = False

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
    reads that of a later layer.
    """

    where: int
    cached: Cached | None = None
    states: States | None = None
    picks: int | None = None
    left: int = 0
    picks_sum: bool = False
    past: int | None = None
    ahead: Callable[[], None] | None = None


def pass_layer(
    rows: Rows, states: int, layer: Layer, inputs: Inputs, *, kept: bool = False
) -> tuple[int, Rows]:
    """Return the states behind a layer, and the rows that are left of them."""
    if isinstance(layer.mixer, Mamba2) and inputs.past is None:
        inputs = replace(inputs, past=read_past(rows.graph, layer.mixer, _known(inputs.states)))
    hidden = rows.hidden
    normed = rows.new(hidden, states) if layer.normed_before else states
    if layer.parallel:
        return _side_by_side(rows, states, normed, layer, inputs)
    if layer.mixer is None or layer.feeds is None:
        made = _alone(rows, states, normed, layer, inputs)
    else:
        made = _mixed(rows, states, normed, layer, inputs)
    if inputs.picks is not None and not inputs.picks_sum:
        rows = rows.picked(inputs.left)
        made = rows.new(hidden, made, inputs.picks)
        states = rows.new(hidden, states, inputs.picks)
    # What a recurrence made is seen through a view, over which nothing is written.
    over = (states,) if isinstance(layer.mixer, DeltaNet) else (made, states)
    if layer.mixer is None or layer.feeds is None:
        return rows.graph.new(rows.of(hidden), made, states, over=over, kept=kept), rows
    states = rows.new(hidden, made, states, over=over)
    if inputs.picks is not None and inputs.picks_sum:
        rows = rows.picked(inputs.left)
        states = rows.new(hidden, states, inputs.picks)
    own = isinstance(layer.feeds, Mixture) and layer.feeds.own_norms
    normed = rows.new(hidden, states) if layer.normed_before and not own else states
    fed = _fed(rows, normed, layer.feeds, inputs)
    over = (states, fed) if layer.onto_states else (fed, states)
    return rows.graph.new(rows.of(hidden), fed, states, over=over, kept=kept), rows


def _alone(rows: Rows, states: int, normed: int, layer: Layer, inputs: Inputs) -> int:
    if layer.feeds is not None:
        return _fed(rows, normed, layer.feeds, inputs)
    return _mixed(rows, states, normed, layer, inputs)


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
            return project(rows, seen, mixer, _known(inputs.cached))
        case Mamba2() as mixer:
            scanned = scan(rows, normed, mixer, _known(inputs.past), _known(inputs.states))
            _read(ahead)
            return finish(rows, scanned, mixer)
        case Beside() as mixer:
            return _sum_of(rows, states, normed, mixer, inputs)
        case _:
            raise TypeError("a layer mixes nothing")


def _sum_of(rows: Rows, states: int, normed: int, mixer: Beside, inputs: Inputs) -> int:
    """Return the sum of what attention and a scan make, each of states that it norms."""
    cached, found = _known(inputs.cached), _known(inputs.states)
    seen = attend(rows, normed, mixer.attention, cached, inputs.where)
    past = read_past(rows.graph, mixer.scan, found)
    scanned = scan(rows, rows.new(rows.hidden, states), mixer.scan, past, found)
    attended = project(rows, seen, mixer.attention, cached)
    finished = finish(rows, scanned, mixer.scan)
    return rows.new(rows.hidden, attended, finished, over=(attended, finished))


def _side_by_side(rows: Rows, states: int, normed: int, layer: Layer, inputs: Inputs) -> tuple[int, Rows]:
    """Return the states behind a layer whose MLP reads what its attention reads, and the rows left."""
    picks, mixer, cached = inputs.picks, layer.mixer, _known(inputs.cached)
    if not isinstance(mixer, Attention) or layer.feeds is None:
        raise TypeError("a recurrence stands beside no MLP")
    seen = attend(rows, normed, mixer, cached, inputs.where)
    left = rows if picks is None else rows.picked(inputs.left)
    if picks is not None:
        normed = left.new(rows.hidden, normed, picks)
    fed = _fed(left, normed, layer.feeds, inputs)
    if picks is not None:
        states = left.new(rows.hidden, states, picks)
    total = left.new(rows.hidden, fed, states, over=(fed, states))
    mixed = project(rows, seen, mixer, cached)
    if picks is not None:
        mixed = left.new(rows.hidden, mixed, picks)
    return left.new(rows.hidden, total, mixed, over=(total, mixed)), left


def _fed(rows: Rows, states: int, feeds: Mlp | Mixture, inputs: Inputs) -> int:
    if isinstance(feeds, Mlp):
        return feed(rows, states, feeds)
    return mix(rows, states, feeds, inputs.ahead)


def _read(ahead: Callable[[], None] | None) -> None:
    if ahead is not None:
        ahead()


_T = TypeVar("_T")


def _known(found: _T | None) -> _T:
    if found is None:
        raise TypeError("a layer remembers as its mixer does")
    return found
