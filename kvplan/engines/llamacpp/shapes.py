"""
From a spec to the layers of llama.cpp's graph: which mixer and which MLP each has.

What an architecture computes beside its dimensions stands in architectures.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from kvplan.attention.ssm import Mamba as Ssm
from kvplan.attention.ssm import Mamba2 as Ssd
from kvplan.attention.windowed import Chunked, Sliding
from kvplan.engines.llamacpp.architectures import Traits
from kvplan.engines.llamacpp.blocks import Attention, Mixture, Mlp
from kvplan.engines.llamacpp.layers import NOTHING, STATES, Layer, Mixer
from kvplan.engines.llamacpp.mamba import Convolving
from kvplan.engines.llamacpp.mixers import NotKnownError, Reading
from kvplan.engines.llamacpp.recurrent import DeltaNet
from kvplan.engines.llamacpp.traits import honours_windows
from kvplan.engines.profile_run import ProfileRun
from kvplan.specs.parts import Measure

if TYPE_CHECKING:
    from kvplan.attention import Kind
    from kvplan.specs.mlp import Mlp as Widths
    from kvplan.specs.parts import LayerParts

_FULL, _WINDOW = 0, 1
"""The numbers of the two caches: of all tokens, and of a window's."""


def window_of(run: ProfileRun) -> int | None:
    """Return the tokens of a model's window, if any layer has a cache for one."""
    kinds = {kind for kinds in run.mixers for kind in kinds}
    windows = {kind.window for kind in kinds if isinstance(kind, Sliding)}
    windows |= {kind.chunk for kind in kinds if isinstance(kind, Chunked)}
    return max(windows, default=None) if honours_windows(run.architecture) else None


def layers_of(run: ProfileRun, traits: Traits, *, flash: bool) -> tuple[Layer, ...] | None:
    """Return the layers of a model, from the first to the last; None where one of them is not known."""
    try:
        return tuple(_layers(run, traits, flash=flash))
    except NotKnownError:
        return None


def _layers(run: ProfileRun, traits: Traits, *, flash: bool) -> Iterator[Layer]:
    if run.kv is None:
        raise NotKnownError
    reading = Reading(
        traits=traits,
        kv=run.kv,
        flash=flash,
        windows=window_of(run) is not None,
        scans=any(isinstance(kind, Ssm | Ssd) for kind in run.kinds),
    )
    # Most layers have the same kinds.
    mixers = {kinds: reading.mixer(kinds) for kinds in {*run.mixers}}
    for number, kinds in enumerate(run.mixers):
        mixer = mixers[kinds]
        if isinstance(mixer, Attention) and traits.stands_every and (number + 1) % traits.stands_every == 0:
            mixer = replace(mixer, places=False)
        yield Layer(
            mixer=mixer,
            cache=_cache(mixer, kinds, windows=reading.windows),
            feeds=None if traits.alternates and mixer is not None else _feeds(run, number, traits),
            parallel=traits.parallel,
            normed_before=traits.normed_before,
            onto_states=traits.onto_states,
            mixed_onto_states=traits.mixed_onto_states,
        )


def _cache(mixer: Mixer | None, kinds: "tuple[Kind, ...]", *, windows: bool) -> int:
    if mixer is None:
        return NOTHING
    if isinstance(mixer, DeltaNet | Convolving):
        return STATES
    return _WINDOW if windows and isinstance(kinds[0], Sliding | Chunked) else _FULL


def _feeds(run: ProfileRun, number: int, traits: Traits) -> Mlp | Mixture:
    """Return what a layer has beside its mixer."""
    layer = None if run.parts is None else run.parts.of_layers[number]
    if run.mlp is None or (layer is None and run.has_experts):
        raise NotKnownError
    if layer is not None and layer.experts:
        return _mixture(run, layer, run.mlp, traits)
    if run.mlp.intermediate is None:
        raise NotKnownError
    joined = traits.joined_gate and run.mlp.gated
    return Mlp(width=run.mlp.intermediate, gated=run.mlp.gated, joined=joined)


def _mixture(run: ProfileRun, layer: "LayerParts", mlp: "Widths", traits: Traits) -> Mixture:
    known = traits.mixes and mlp.gated != traits.alternates
    known = known and not (traits.weighs_first and mlp.experts_per_token != 1)
    if mlp.experts_per_token is None or run.hidden is None or not known:
        raise NotKnownError
    count, matrices = Measure(element_bytes=None).of, 3 if mlp.gated else 2
    shared = count(layer.shared) // (matrices * run.hidden)
    read = count(layer.expert) // (matrices * layer.width) if traits.alternates else run.hidden
    return Mixture(
        experts=layer.experts,
        used=mlp.experts_per_token,
        width=layer.width,
        shared=Mlp(width=shared, gated=mlp.gated) if shared else None,
        chooses=traits.chooses,
        biased=traits.biased,
        groups=mlp.expert_groups,
        chosen_groups=mlp.groups_per_token,
        scaled=mlp.scaled,
        normed=traits.normed_weights,
        fused=traits.fused,
        gated=mlp.gated,
        own_norms=traits.own_norms,
        gates_shared=traits.gates_shared,
        weighs_first=traits.weighs_first,
        latent=None if read == run.hidden else read,
    )
