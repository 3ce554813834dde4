"""
What SGLang runs in beside its share: CUDA graphs, the forward pass of a chunk, and the draw of tokens.

Source: model_executor/runner and runner_backend of SGLang 0.5.23, and start-ups in
tests/rehearsed/sglang.jsonl. Graphs of prefill are captured from the largest down in one pool, whose
size so is what the layers make of a whole chunk; a chunk that is replayed there takes little beside it.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kvplan.engines.profile_run import Aside, ProfileRun
from kvplan.engines.sglang.fraction import decode_graphs
from kvplan.engines.sglang.graphs import is_latent, kept_back_of
from kvplan.engines.sglang.images import decodes_in_flashinfer
from kvplan.engines.sglang.mxfp4 import CLASSES
from kvplan.engines.sglang.pages import runs_trtllm_mla
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
    kept, seen = kept_back_of(workload), workload.card.smi_bytes or workload.card.total_bytes
    tokens, largest = kept.prefilled_tokens(seen), kept.decoded(seen)
    # disable_prefill_cuda_graph_for_deepseek_trtllm_mla in arg_groups/cuda_graph_hook.py, after the share.
    without = runs_trtllm_mla(workload.architecture, workload.card)
    lengths = () if without else kept.captured(seen)
    longest, hidden_bytes = max(lengths, default=0), workload.hidden * workload.element_bytes
    each, peak = (width * workload.element_bytes for width in _rows(workload, workload.mlp, workload.hidden))
    logits = largest * workload.vocab * _FLOAT_BYTES
    driver = _driver(workload, len(lengths), largest)
    graphs = _WORKSPACES_BYTES + _attention(workload, largest) + logits + driver + longest * each
    # A chunk longer than all graphs runs without them.
    activation = tokens * (peak if tokens > longest else hidden_bytes)
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


def _driver(workload: ProfileRun, prefills: int, largest: int) -> int:
    """Return what a driver holds for so many graphs of prefill, and for those of decoding."""
    if not prefills and not largest:
        return 0
    kernels = workload.layers * (_KERNELS_OF_EXPERTS if workload.has_experts else _KERNELS) * _DRIVER.kernel
    pieces = (workload.layers + 1) * _DRIVER.piece
    return _DRIVER.first + prefills * (pieces + kernels) + decode_graphs(largest) * kernels


def _attention(workload: ProfileRun, largest: int) -> int:
    """Return what attention has of its own: workspaces, and what it makes in graphs of decoding."""
    latents = is_latent(workload)
    decodes = (_LATENT_DECODES_BYTES if latents else _DECODES_BYTES) if largest else 0
    capability = workload.card.capability
    major = _HOPPER if capability is None else capability[0]
    own = _LARGER_FLASHINFER_BYTES if workload.architecture in _LARGER else _FLASHINFER_BYTES
    if major == _BLACKWELL:
        return decodes + own + (_LATENT_TENSORRT_BYTES if latents else _TENSORRT_BYTES)
    flashinfer = (
        decodes_in_flashinfer(workload.architecture, workload.card) if major == _HOPPER else not latents
    )
    if flashinfer and workload.architecture not in CLASSES:
        return decodes + own + decode_graphs(largest) * _WRAPPER_BYTES
    return decodes


def _rows(workload: ProfileRun, mlp: "Mlp", hidden: int) -> tuple[int, int]:
    """
    Return the numbers that layers make of a token on a rank: each tensor once, and the most of them at once.

    The second is what a chunk outside of graphs takes: 832 MiB of 8192 tokens of Qwen3-8B, beside which the
    allocator keeps 98, are four hidden states and an MLP.
    """
    mixers = ceil_div(max((_mixed(kind, hidden) for kind in workload.kinds), default=0), workload.tp)
    mlps, states = _mlps(workload, mlp, hidden), _STATES * hidden
    return states + mixers + mlps, states + max(mixers, mlps)


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
    """
    Return what goes into a mixer and comes out of it; of MLA all heads' queries and outputs as latents.

    Of recurrent mixers twice as much, as their inputs are convolved into others: the pool of Qwen3.5-35B-A3B
    had 1256 MiB after its largest graph, 64 to 256 MiB each, where rehearsals of hybrids end.
    """
    from kvplan.attention.grouped import SoftmaxKind  # noqa: PLC0415 - a cold command has no kind but its own
    from kvplan.attention.latent import MLA  # noqa: PLC0415

    if isinstance(kind, MLA):
        (d_nope,) = kind.needed("d_nope", by="SGLang's prefill of MLA")
        return kind.heads * (d_nope + kind.d_rope + 2 * kind.d_c) + kind.d_c + kind.d_rope
    return kind.projections(hidden) // hidden * (1 if isinstance(kind, SoftmaxKind) else 2)
