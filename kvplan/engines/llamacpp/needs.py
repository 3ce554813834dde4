"""
What llama.cpp takes on a GPU beside weights and caches: the buffer of its graph, and the driver's share.

The buffer is arithmetic where the graph of an architecture is known (shapes.py); of others it is estimated.
What it prints is `CUDA0 compute buffer size`. Source: sched_reserve in src/llama-context.cpp of v0.5.0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from kvplan.dtypes import CacheFormat
from kvplan.engines.llamacpp.architectures import traits_of
from kvplan.engines.llamacpp.blocks import Attention, Mixture
from kvplan.engines.llamacpp.cells import CacheId, Slots
from kvplan.engines.llamacpp.latents import LatentAttention, Sparse
from kvplan.engines.llamacpp.layers import Beside, Layer
from kvplan.engines.llamacpp.mamba import Convolving
from kvplan.engines.llamacpp.options import asked_of
from kvplan.engines.llamacpp.shapes import layers_of, window_of
from kvplan.engines.llamacpp.versions import NEWEST, LlamaRules
from kvplan.engines.llamacpp.whole import Batch, Cache, graph_of
from kvplan.engines.overheads import DRIVER_BYTES, compute_buffers
from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.loads import tokens_in, uniform
from kvplan.units import MAX_COUNT, MIB, ceil_div

_HALF, _FLOAT = 2, 4
_LEAST_TURN = 64
"""The smallest matrix that turns rows, which values always take (build_input_k_rot, llama-kv-cache.cpp)."""


_OLDER_ABOVE_BYTES = 549 * MIB
"""
What builds of spring 2026 printed above the graph of today, whose masks are float16 from the start.

And they had logits of all tokens: llama-server asks for fewer since github.com/ggml-org/llama.cpp/pull/23861.

Llama-3.2-3B of 2048 tokens had 28 MiB more (284.90), Gemma 4 26B of 262144 with its cache in q8_0 549
(1887.86): stored public logs.
"""


def start_up(run: ProfileRun, rules: LlamaRules = NEWEST) -> Estimate:
    """Return what llama.cpp takes for *run*; where its graph is not known, what compute_buffers estimates."""
    size = compute_bytes(run, rules)
    if size is None:
        return compute_buffers(run, _outputs(run, _slots(run)))
    older = compute_bytes(run._replace(settings={**run.settings, "n_outputs_max": str(MAX_COUNT)}), rules)
    return Estimate(
        activation_bytes=size,
        overhead_bytes=DRIVER_BYTES,
        low_bytes=size,
        high_bytes=(older or size) + DRIVER_BYTES + _OLDER_ABOVE_BYTES,
        evidence="derived from llama.cpp's graph; the driver's share from a published breakdown",
    )


def compute_bytes(run: ProfileRun, rules: LlamaRules = NEWEST) -> int | None:
    """
    Return the bytes of the buffer in which the graph of a micro-batch is computed; None if it is not known.

    On the GPU that takes most, with all layers on GPUs, in a build for CUDA. With several, micro-batches are
    in flight (ggml_backend_sched_new in ggml/src/ggml-backend.cpp).
    """
    traits = traits_of(run.computed_as or run.architecture, fused=rules.fused)
    if traits is None or run.hidden is None or run.vocab is None or run.kv is None or not all(run.stages):
        return None
    slots = _slots(run)
    if slots.options.flash_attn and not _has_kernel(run.kv, rules):
        return None
    layers = layers_of(run, traits, flash=slots.options.flash_attn)
    if layers is None or run.stages[0] <= traits.stacked or _reads_over(layers, run.stages):
        return None
    tokens = _tokens(slots)
    kinds = _ALL, CacheId(name="swa", rule="window", window=window_of(run) or 0)
    full, window = (_cache(slots, cache, layers, number, run.kv) for number, cache in enumerate(kinds))
    whole = Batch(
        tokens=ceil_div(tokens, slots.batch) * slots.batch,
        outputs=min(tokens, _outputs(run, slots)),
        hidden=run.hidden,
        vocab=run.vocab,
        layers=layers,
        caches=(replace(full, scales=traits.whole_scaled), window),
        positions=traits.positions if any(map(_places, layers)) else 0,
        stacked=traits.stacked,
        slots=slots.batch,
        states_first=traits.states_first,
        picked=traits.picked,
        centred=traits.centred,
        copies=1 if len(run.stages) == 1 else _COPIES,
    )
    return max(_peak(stage) for stage in _stages(whole, run.stages))


_TYPES = frozenset({"fp16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"})
_TYPES_BEFORE = frozenset({"fp16", "q4_0", "q8_0"})
"""Types of K and V that flash attention reads on CUDA; before fused kernels both had to be of one."""


def _has_kernel(kv: CacheFormat, rules: LlamaRules) -> bool:
    """Return whether flash attention runs on the GPU; without a kernel the graph is another."""
    types = {kv.dtype("key").name, kv.dtype("value").name}
    return types <= _TYPES if rules.fused else types <= _TYPES_BEFORE and len(types) == 1


_COPIES = 4
"""GGML_SCHED_MAX_COPIES, the micro-batches in flight over several GPUs (ggml/CMakeLists.txt)."""


def _stages(whole: Batch, sizes: Sequence[int]) -> Iterator[Batch]:
    """Yield the part of each GPU, with so many layers."""
    first = 0
    for number, size in enumerate(sizes):
        layers = whole.layers[first : first + size]
        stacked = 0 if number else whole.stacked
        yield replace(whole, layers=layers, stacked=stacked, head=number == len(sizes) - 1)
        first += size


def _reads_over(layers: Sequence[Layer], sizes: Sequence[int]) -> bool:
    """
    Return whether a GPU reads the past of a convolution amid what the one before it computes.

    What is copied from one to the other then is not known, but behind a mixture's experts. Nor is it known
    which of several GPUs has the zeros of sparse attention.
    """
    if len(sizes) > 1 and any(_sparse(layer) is not None for layer in layers):
        return True
    first = 0
    for size in sizes[:-1]:
        first += size
        before = next(layer for layer in reversed(layers[:first]) if not layer.waits)
        after = next((layer for layer in layers[first:] if not layer.waits), None)
        scans = after is not None and isinstance(after.mixer, Convolving)
        if scans and not isinstance(before.feeds, Mixture):
            return True
    return False


_ALL = CacheId(name="kv", rule="full")


def _slots(run: ProfileRun) -> Slots:
    options = asked_of(run.settings, run.batched_tokens)
    return Slots(load=uniform(max(1, run.context), run.sequences or 1), options=options)


def _outputs(run: ProfileRun, slots: Slots) -> int:
    """Return the tokens that may have logits: each slot's next, and drafted ones (server_output_limits)."""
    options = slots.options
    if options.n_outputs_max is not None:
        return options.n_outputs_max
    return slots.batch * (1 + (options.spec_draft_n_max if run.drafts else 0))


def _attention(layer: Layer) -> Attention | None:
    mixer = layer.mixer.attention if isinstance(layer.mixer, Beside) else layer.mixer
    return mixer if isinstance(mixer, Attention) else None


def _sparse(layer: Layer) -> Sparse | None:
    return layer.mixer.sparse if isinstance(layer.mixer, LatentAttention) else None


def _places(layer: Layer) -> bool:
    """Return whether a layer reads where tokens stand."""
    mixer = _attention(layer)
    return isinstance(layer.mixer, LatentAttention) if mixer is None else mixer.places


def _tokens(slots: Slots) -> int:
    """Return the tokens of a micro-batch: no more than the slots hold together."""
    return min(tokens_in(slots.load), slots.options.n_ubatch)


def _cache(slots: Slots, cache: CacheId, layers: Sequence[Layer], number: int, kv: CacheFormat) -> Cache:
    every = [(layer.cache, mixer) for layer in layers if (mixer := _attention(layer)) is not None]
    attentions = [mixer for own, mixer in every if own == number]
    flash = slots.options.flash_attn
    # Latents, which alone have no such layer, are values too and have no row of their own.
    widest = max((mixer.kv_heads * mixer.value for _, mixer in every), default=0)
    return Cache(
        cells=slots.cells(cache),
        streams=slots.streams(cache),
        mask_bytes=_HALF if flash else _FLOAT,
        value_indices=min(1, widest) if flash else widest,
        key_turn=_turn([each.key for each in attentions], kv.dtype("key").block),
        index_width=max((each.width for layer in layers if (each := _sparse(layer)) is not None), default=0),
        value_turn=_LEAST_TURN
        if _turn([each.value for each in attentions], kv.dtype("value").block)
        else None,
    )


def _turn(widths: Sequence[int], block: int) -> int | None:
    """Return the side of the matrix that turns heads of such *widths* for a cache in blocks, if any."""
    if block == 1 or not widths or widths[0] % _LEAST_TURN:
        return None
    return widths[0] & -widths[0]


@lru_cache(maxsize=256)
def _peak(batch: Batch) -> int:
    return graph_of(replace(batch, layers=_without_repeats(batch.layers))).peak_bytes()


_FOREVER = 6
"""After so many alike stretches of layers the buffer is as it was so many stretches before."""

_UNLIKE = 4
"""Layers that may stand before the first stretch, which are dense where the others are mixtures."""


def _without_repeats(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return layers without most of those that repeat: states take turns at one, two or three places."""
    if any(_sparse(layer) is not None for layer in layers):
        # Each has zeros of its own from the start, whose place is free behind it.
        return tuple(layers)
    known = {layer: number for number, layer in enumerate(dict.fromkeys(layers))}
    numbers = [known[layer] for layer in layers]
    for before in range(_UNLIKE):
        rest = numbers[before:]
        stretch = next((size for size in range(1, len(rest)) if rest[size:] == rest[:-size]), len(rest) or 1)
        dropped = max(0, len(rest) // stretch // _FOREVER - 1) * _FOREVER * stretch
        if dropped:
            return (*layers[:before], *layers[before + dropped :])
    return tuple(layers)
