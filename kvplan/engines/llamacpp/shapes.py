"""
From a spec to the layers of llama.cpp's graph: which attention and which MLP each has.

What a class computes beside its dimensions is read in src/models/ of llama.cpp v0.5.0, by architecture. Of
architectures that stand nowhere here the graph is not known.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from kvplan.attention.grouped import GQA, MHA, MQA, SoftmaxKind
from kvplan.attention.recurrent import GatedDeltaNet
from kvplan.attention.windowed import Sliding
from kvplan.engines.llamacpp.blocks import Attention, Mixture, Mlp
from kvplan.engines.llamacpp.recurrent import DeltaNet
from kvplan.engines.llamacpp.traits import honours_windows
from kvplan.engines.llamacpp.whole import STATES, Layer
from kvplan.engines.profile_run import ProfileRun
from kvplan.records import record
from kvplan.specs.parts import Measure

if TYPE_CHECKING:
    from kvplan.attention import Kind
    from kvplan.specs.parts import LayerParts

_FULL, _WINDOW = 0, 1
"""The numbers of the two caches: of all tokens, and of a window's."""


@record
class Traits:
    """
    What the graph of an architecture is beside its dimensions, in the words of whole.py and blocks.py.

    Layers without a window may neither norm nor rotate queries and keys (`whole_stand`), or make keys and
    values by one matrix (`whole_share`). `mixes` says that mixtures are known; CUDA keeps tensors for `fused`
    kernels of theirs. Layers may `remember` by Gated DeltaNet beside gated attention.
    """

    mixes: bool = True
    fused: bool = True
    chooses: Literal["softmax", "sigmoid", "softmax of chosen"] = "softmax"
    biased: bool = False
    normed_weights: bool = True
    picked: Literal["in layer", "behind layers", "behind norm"] = "in layer"
    centred: bool = False
    parallel: bool = False
    normed_before: bool = True
    norms_value: bool = False
    whole_stand: bool = False
    whole_share: bool = False
    own_norms: bool = False
    gates_shared: bool = False
    remembers: bool = False
    positions: int = 1


_PLAIN = Traits()
_SIGMOID = Traits(chooses="sigmoid", biased=True)
_GEMMA_4 = Traits(picked="behind norm", norms_value=True, whole_share=True, own_norms=True)
_DELTA = Traits(picked="behind norm", remembers=True, gates_shared=True, positions=4)

_TRAITS = {
    "cohere2": Traits(centred=True, parallel=True, whole_stand=True),
    "exaone4": Traits(normed_before=False),
    "gemma2": _PLAIN,
    "gemma3_text": _PLAIN,
    "gemma4_text": _GEMMA_4,
    "gemma4_unified_text": _GEMMA_4,
    "glm4_moe": _SIGMOID,
    "gpt_oss": Traits(chooses="softmax of chosen", normed_weights=False, picked="behind layers"),
    "llama": _PLAIN,
    "minimax_m2": _SIGMOID,
    "mistral": _PLAIN,
    "mixtral": _PLAIN,
    "olmo2": Traits(normed_before=False),
    "qwen2": _PLAIN,
    "qwen3": _PLAIN,
    "qwen3_5": _DELTA,
    "qwen3_5_moe": _DELTA,
    "qwen3_5_moe_text": _DELTA,
    "qwen3_5_text": _DELTA,
    "qwen3_moe": _PLAIN,
    "starcoder2": Traits(centred=True),
}


_BEFORE_FUSED = {
    **{name: traits for name, traits in _TRAITS.items() if not traits.remembers},
    "gemma4_text": replace(_GEMMA_4, mixes=False),
    "gemma4_unified_text": replace(_GEMMA_4, mixes=False),
    "gpt_oss": replace(_TRAITS["gpt_oss"], picked="in layer"),
}


def traits_of(architecture: str | None, *, fused: bool) -> Traits | None:
    """Return what is known of the graph of an architecture, by LlamaRules.fused; None where it is not."""
    traits = (_TRAITS if fused else _BEFORE_FUSED).get(architecture or "")
    return None if traits is None else replace(traits, fused=fused)


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
    for kinds, feeds in zip(run.mixers, _feeds(run, traits), strict=True):
        mixer = mixers[kinds]
        if mixer is None or feeds is None:
            return None
        slides = windows and isinstance(kinds[0], Sliding)
        found.append(
            Layer(
                mixer=mixer,
                cache=STATES if isinstance(mixer, DeltaNet) else _WINDOW if slides else _FULL,
                feeds=feeds,
                parallel=traits.parallel,
                normed_before=traits.normed_before,
            )
        )
    return tuple(found)


def _mixer(
    run: ProfileRun, kinds: "tuple[Kind, ...]", traits: Traits, *, flash: bool, windows: bool
) -> Attention | DeltaNet | None:
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
    return _attention(run, kinds, traits, flash=flash, windows=windows)


def _attention(
    run: ProfileRun, kinds: "tuple[Kind, ...]", traits: Traits, *, flash: bool, windows: bool
) -> Attention | None:
    """Return the attention of a layer of one kind that all tokens or a window's are seen by; else None."""
    known = len(kinds) == 1 and isinstance(kinds[0], GQA | MHA | MQA | Sliding)
    if not known or not isinstance(kinds[0], SoftmaxKind) or run.kv is None:
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
            yield None if mlp.intermediate is None else Mlp(width=mlp.intermediate, gated=mlp.gated)


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
        normed=traits.normed_weights,
        fused=traits.fused,
        own_norms=traits.own_norms,
        gates_shared=traits.gates_shared,
    )
