"""
From a spec to the layers of llama.cpp's graph: which attention and which MLP each has.

What an architecture computes beside its dimensions stands in architectures.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from kvplan.attention.grouped import GQA, MHA, MQA, SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.attention.recurrent import GatedDeltaNet
from kvplan.attention.windowed import Sliding
from kvplan.engines.llamacpp.architectures import Traits
from kvplan.engines.llamacpp.blocks import Attention, Mixture, Mlp
from kvplan.engines.llamacpp.latents import LatentAttention
from kvplan.engines.llamacpp.recurrent import DeltaNet
from kvplan.engines.llamacpp.traits import honours_windows
from kvplan.engines.llamacpp.whole import STATES, Layer
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
    windows = {kind.window for kinds in run.mixers for kind in kinds if isinstance(kind, Sliding)}
    return max(windows, default=None) if honours_windows(run.architecture) else None


def layers_of(run: ProfileRun, traits: Traits, *, flash: bool) -> tuple[Layer, ...] | None:
    """Return the layers of a model, from the first to the last; None where one of them is not known."""
    windows = honours_windows(run.architecture)
    # Most layers have the same kinds.
    mixers = {kinds: _mixer(run, kinds, traits, flash=flash, windows=windows) for kinds in {*run.mixers}}
    found: list[Layer] = []
    for number, (kinds, feeds) in enumerate(zip(run.mixers, _feeds(run, traits), strict=True), start=1):
        mixer = mixers[kinds]
        if mixer is None or feeds is None:
            return None
        if isinstance(mixer, Attention) and traits.stands_every and number % traits.stands_every == 0:
            mixer = replace(mixer, places=False)
        slides = windows and isinstance(kinds[0], Sliding)
        found.append(
            Layer(
                mixer=mixer,
                cache=STATES if isinstance(mixer, DeltaNet) else _WINDOW if slides else _FULL,
                feeds=feeds,
                parallel=traits.parallel,
                normed_before=traits.normed_before,
                onto_states=traits.onto_states,
            )
        )
    return tuple(found)


def _mixer(
    run: ProfileRun, kinds: "tuple[Kind, ...]", traits: Traits, *, flash: bool, windows: bool
) -> Attention | LatentAttention | DeltaNet | None:
    """Return what a layer of one kind mixes tokens by; None where that is not known."""
    if len(kinds) == 1 and isinstance(kinds[0], GatedDeltaNet) and traits.remembers:
        kind = kinds[0]
        return DeltaNet(
            keys=kind.qk_heads * kind.qk_head_dim,
            values=kind.v_heads * kind.v_head_dim,
            heads=kind.v_heads,
            state=kind.v_heads * kind.v_head_dim * kind.qk_head_dim,
            kept=kind.conv_kernel - 1,
        )
    if len(kinds) == 1 and isinstance(kinds[0], MLA) and traits.latents:
        return _latents(run, kinds[0], flash=flash)
    return _attention(run, kinds, traits, flash=flash, windows=windows)


_LATENT_KERNELS = {(576, 512): 2, (320, 256): 32}
"""How wide a row and its latent are for which CUDA has a kernel, and what heads are a multiple of."""


def _latents(run: ProfileRun, kind: MLA, *, flash: bool) -> LatentAttention | None:
    """Return the latent attention of a layer; None where its heads, an indexer or a kernel are not known."""
    if kind.d_nope is None or kind.v_head_dim is None or kind.indexer is not None or run.kv is None:
        return None
    width = kind.d_c + kind.d_rope
    multiple = _LATENT_KERNELS.get((width, kind.d_c))
    if flash and (multiple is None or kind.heads % multiple):
        return None
    dtype = run.kv.dtype("latent")
    return LatentAttention(
        heads=kind.heads,
        latent=kind.d_c,
        rotated=kind.d_rope,
        plain=kind.d_nope,
        value=kind.v_head_dim,
        query_latent=kind.q_lora_rank,
        flash=flash,
        widened_bytes=0 if dtype.name in _HALVES else _HALF * width,
        latent_bytes=dtype.row_bytes(kind.d_c),
    )


def _attention(
    run: ProfileRun, kinds: "tuple[Kind, ...]", traits: Traits, *, flash: bool, windows: bool
) -> Attention | None:
    """Return the attention of a layer of one kind that all tokens or a window's are seen by; else None."""
    known = len(kinds) == 1 and isinstance(kinds[0], GQA | MHA | MQA | Sliding)
    if traits.latents or not known or not isinstance(kinds[0], SoftmaxKind) or run.kv is None:
        return None
    kind = kinds[0]
    more = (
        kind.output_gate and not traits.remembers,
        kind.prefix_tokens,
        getattr(kind, "indexer", None),
        getattr(kind, "sinks", None),
    )
    value = kind.v_head_dim or kind.head_dim
    if any(more) or (flash and not _has_kernel(kind, value)):
        return None
    slides = windows and isinstance(kind, Sliding)
    has_windows = windows and any(isinstance(each[0], Sliding) for each in run.mixers)
    return Attention(
        heads=kind.heads,
        kv_heads=kind.kv_heads,
        key=kind.head_dim,
        value=value,
        widened_bytes=_widened(run, kind, value) if flash else 0,
        flash=flash,
        key_first=has_windows,
        places=slides or not traits.whole_stand,
        norms_value=traits.norms_value,
        one_with_key=traits.whole_share and not slides,
        joined=traits.joined,
        gated=kind.output_gate,
    )


_KERNELS = frozenset({40, 64, 72, 80, 96, 112, 128, 256})
_SHARED_KERNEL = 512


def _has_kernel(kind: SoftmaxKind, value: int) -> bool:
    """Return whether CUDA has a kernel of flash attention for heads so wide (ggml-cuda/fattn.cu)."""
    shared = kind.head_dim == _SHARED_KERNEL and kind.heads > kind.kv_heads
    return kind.head_dim == value and (kind.head_dim in _KERNELS or shared)


_HALF = 2
_HALVES = ("fp16",)


def _widened(run: ProfileRun, kind: SoftmaxKind, value: int) -> int:
    """Return the bytes of a token's key and value in float16, of those that the cache has in another type."""
    if run.kv is None:
        return 0
    key_elements = kind.head_dim if run.kv.dtype("key").name not in _HALVES else 0
    value_elements = value if run.kv.dtype("value").name not in _HALVES else 0
    return _HALF * kind.kv_heads * (key_elements + value_elements)


def _feeds(run: ProfileRun, traits: Traits) -> "Iterator[Mlp | Mixture | None]":
    """Yield what each layer has beside its attention; None where that is not known."""
    mlp, parts = run.mlp, run.parts
    for number in range(len(run.mixers)):
        layer = None if parts is None else parts.of_layers[number]
        if mlp is None or (layer is None and run.has_experts):
            yield None
        elif layer is not None and layer.experts:
            yield _mixture(run, layer, traits)
        else:
            yield _mlp(mlp, traits)


def _mlp(mlp: "Widths", traits: Traits) -> Mlp | None:
    if mlp.intermediate is None:
        return None
    return Mlp(width=mlp.intermediate, gated=mlp.gated, joined=traits.joined_gate and mlp.gated)


def _mixture(run: ProfileRun, layer: "LayerParts", traits: Traits) -> Mixture | None:
    mlp = run.mlp
    if mlp is None or mlp.experts_per_token is None or run.hidden is None or not (traits.mixes and mlp.gated):
        return None
    shared = Measure(element_bytes=None).of(layer.shared) // (3 * run.hidden)
    return Mixture(
        experts=layer.experts,
        used=mlp.experts_per_token,
        width=layer.width,
        shared=Mlp(width=shared) if shared else None,
        chooses=traits.chooses,
        biased=traits.biased,
        groups=mlp.expert_groups,
        chosen_groups=mlp.groups_per_token,
        scaled=traits.scaled,
        normed=traits.normed_weights,
        fused=traits.fused,
        own_norms=traits.own_norms,
        gates_shared=traits.gates_shared,
    )
