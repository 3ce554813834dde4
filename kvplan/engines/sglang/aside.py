"""
What SGLang runs in beside its share: CUDA graphs, the forward pass of a chunk, and the draw of tokens.

Source: model_executor/runner and runner_backend of SGLang 0.5.23, and start-ups in
tests/rehearsed/sglang.jsonl. Graphs of prefill are captured from the largest down in one pool, whose
size so is what the layers make of a whole chunk; a chunk that is replayed there takes little beside it.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kvplan.engines.profile_run import Aside, ProfileRun
from kvplan.engines.sglang.fraction import decode_graphs, prefill_graphs, requests_in_graphs, scale_of
from kvplan.engines.sglang.images import decodes_in_flashinfer, has_images
from kvplan.engines.sglang.mxfp4 import CLASSES
from kvplan.engines.sglang.traits import traits_of
from kvplan.units import MIB, ceil_div

if TYPE_CHECKING:
    from kvplan.attention import Kind
    from kvplan.specs.mlp import Mlp

_FLOAT_BYTES = 4

_FEW_BYTES, _DRAW_BYTES = 8, 12
"""
Of each number of the vocabulary: noise and its quotient in float32, and its logit besides.

Source: sampling_from_probs_torch in layers/sampler.py. Up to as many sequences as there are in the largest
graph have their logits in a buffer of the graphs (graph_shared_output.py).
"""

_STATES = 5
"""
Copies of the hidden states beside the rows of mixers and MLPs.

Tensors of other sizes take no place of each other in the pool, so that a layer's add up. Of dense models
there are three in the pool and the output beside it, of mixtures 4 to 6, of Gemma's with more norms 7.
"""

_WORKSPACES_BYTES = 64 * MIB
"""cuBLAS's of two streams."""

_DECODES_BYTES, _LATENT_DECODES_BYTES = 60 * MIB, 280 * MIB
"""What attention makes of a batch in graphs of decoding, in heads or in their latents: seen in rehearsals."""


_HOPPER, _BLACKWELL = 9, 10
_FLASHINFER_BYTES, _LARGER_FLASHINFER_BYTES = 384 * MIB, 512 * MIB
_LARGER = frozenset({"mimo", "qwen2", "qwen3", "qwen3_vl_text", "qwen3_vl_moe_text"})
"""
FlashInfer's workspace, and that of some classes: layers/attention/flashinfer_backend.py.

FlashAttention 3 of Hopper has none, nor Triton's kernels, which run gpt-oss and latents elsewhere
(get_default_attn_backend in arg_groups/model_override_base.py). Qwen3-VL decodes with FlashInfer on large
Hopper cards (qwen3_vl.py in arg_groups/model_overrides).
"""

_WRAPPER_BYTES = 16 * MIB
"""What it keeps for each graph of decoding: 576 MiB for 36 of them in a rehearsal of Qwen3-VL-8B."""

_TENSORRT_BYTES, _LATENT_TENSORRT_BYTES = 512 * MIB, 150 * MIB
"""What TensorRT-LLM's kernels of large Blackwell cards have besides: trtllm_mha_backend.py and its kin."""


class Driver(NamedTuple):
    """
    What a driver holds: beside all graphs, for each piece of one, and for each kernel.

    Qwen3-30B-A3B-FP8 on an H100 (stored public file 69624180828): 58 graphs of 49 pieces took 7.4 MiB each,
    36 of decoding 2.6, and all that it printed for them is 460 more than torch takes in a rehearsal.
    """

    first: int = 460 * MIB
    piece: int = 112 * 1024
    kernel: int = 3_300


_DRIVER = Driver()
_KERNELS, _KERNELS_OF_EXPERTS = 12, 17
"""Kernels of a layer in a graph, as in kvplan/engines/vllm/graphs.py."""

_LEAST, _MOST = Fraction(7, 10), Fraction(14, 10)
"""
How far it may be off: torch's memory is within 15 % of it in rehearsals, and what a driver holds, known from
one log, is a fifth of it to a half. Graphs of prefill of Qwen3-VL-4B took 1.40 GiB of an H200 (stored public
file 62161606821), for which this would have 1.8.
"""


def aside(workload: ProfileRun) -> Aside | None:
    """Return what SGLang needs in what it keeps back; None where the widths of a model are not known."""
    if workload.mlp is None or workload.hidden is None or workload.vocab is None:
        return None
    tokens = workload.batched_tokens or scale_of(_seen(workload)).chunked_prefill_size
    largest = requests_in_graphs(_seen(workload), workload.ranks, workload.sequences)
    run = tokens * _row(workload, workload.mlp, workload.hidden) * workload.element_bytes
    logits = largest * workload.vocab * _FLOAT_BYTES
    driver = _driver(workload, tokens, largest)
    held = _WORKSPACES_BYTES + _attention(workload, largest) + logits + driver
    states = tokens * workload.hidden * workload.element_bytes
    in_graphs = _has_prefill_graphs(workload)
    graphs, activation = (held + run, states) if in_graphs else (held, run)
    total = graphs + activation
    return Aside(
        graphs_bytes=graphs,
        driver_bytes=driver,
        activation_bytes=activation,
        low_bytes=int(_LEAST * total),
        high_bytes=int(_MOST * total),
        few=largest,
        few_bytes=_FEW_BYTES * workload.vocab,
        draw_bytes=_DRAW_BYTES * workload.vocab,
    )


def _seen(workload: ProfileRun) -> int:
    """Return the memory of the card as nvidia-smi prints it."""
    return workload.card.smi_bytes or workload.card.total_bytes


def _has_prefill_graphs(workload: ProfileRun) -> bool:
    traits = traits_of(workload.architecture)
    sees = has_images(workload.architecture, sees=workload.sees)
    return traits.prefill_graphs and workload.pp == 1 and (traits.seen_graphs or not sees)


def _driver(workload: ProfileRun, tokens: int, largest: int) -> int:
    """Return what a driver holds for the graphs of prefill and of decoding."""
    kernels = workload.layers * (_KERNELS_OF_EXPERTS if workload.has_experts else _KERNELS) * _DRIVER.kernel
    pieces = (workload.layers + 1) * _DRIVER.piece
    prefills = prefill_graphs(tokens) if _has_prefill_graphs(workload) else 0
    return _DRIVER.first + prefills * (pieces + kernels) + decode_graphs(largest) * kernels


def _attention(workload: ProfileRun, largest: int) -> int:
    """Return what attention has of its own: workspaces, and what it makes in graphs of decoding."""
    from kvplan.attention.latent import MLA  # noqa: PLC0415 - a cold command has no kind but its own

    latents = any(isinstance(kind, MLA) for kind in workload.kinds)
    decodes = _LATENT_DECODES_BYTES if latents else _DECODES_BYTES
    capability = workload.card.capability
    major = _HOPPER if capability is None else capability[0]
    own = _LARGER_FLASHINFER_BYTES if workload.architecture in _LARGER else _FLASHINFER_BYTES
    if major == _BLACKWELL:
        return decodes + own + (_LATENT_TENSORRT_BYTES if latents else _TENSORRT_BYTES)
    flashinfer = decodes_in_flashinfer(workload) if major == _HOPPER else not latents
    if flashinfer and workload.architecture not in CLASSES:
        return decodes + own + decode_graphs(largest) * _WRAPPER_BYTES
    return decodes


def _row(workload: ProfileRun, mlp: "Mlp", hidden: int) -> int:
    """Return the numbers that layers make of a token on a rank, each tensor once."""
    mixers = max((_mixed(kind, hidden) for kind in workload.kinds), default=0)
    return _STATES * hidden + ceil_div(mixers, workload.tp) + _mlps(workload, mlp, hidden)


def _mlps(workload: ProfileRun, mlp: "Mlp", hidden: int) -> int:
    """
    Return the rows of MLPs: those that the first matrices make, those between them and the last, and others.

    Experts and dense layers take the same places. A token's rows of all its experts lie side by side, those
    that come out, too; what is between the two matrices of gpt-oss is made as the first ends (fused_moe.py
    and triton_kernels_moe.py in layers/moe).
    """
    into, dense = 2 if mlp.gated else 1, ceil_div(mlp.intermediate or 0, workload.tp)
    visits = mlp.experts_per_token or 0
    expert = visits * ceil_div(mlp.expert_intermediate or 0, workload.tp)
    made = 0 if workload.architecture in CLASSES else into * expert
    return max(into * dense, made) + max(dense, expert) + visits * hidden


def _mixed(kind: "Kind", hidden: int) -> int:
    """Return what goes into a mixer and comes out of it; of MLA all heads' queries and outputs as latents."""
    from kvplan.attention.latent import MLA  # noqa: PLC0415 - a cold command has no kind but its own

    if not isinstance(kind, MLA):
        return kind.projections(hidden) // hidden
    (d_nope,) = kind.needed("d_nope", by="SGLang's prefill of MLA")
    return kind.heads * (d_nope + kind.d_rope + 2 * kind.d_c) + kind.d_c + kind.d_rope
