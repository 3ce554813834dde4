"""
What an engine needs on a card beside weights and cache.

vLLM runs the largest batch that it may get when it starts, and keeps free what that took. What it
takes is known from its code; what else it printed is calibrated on published start-ups:
github.com/llm-d-incubation/llm-d-planner/pull/205, github.com/llm-d/llm-d-benchmark/pull/732 and
github.com/vllm-project/vllm/pull/10511, issues/13882 and issues/15815.
"""

from typing import TYPE_CHECKING

from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.gpus import Card
from kvplan.records import record
from kvplan.units import GIB, MIB

if TYPE_CHECKING:
    from kvplan.specs.mlp import Mlp

_LARGEST_CARD_BYTES = 160 * GIB
MOST_BATCHED_TOKENS = 16384
"""What vLLM batches on cards of 160 GiB and more, since 0.28 (engine/arg_utils.py)."""

_LARGE_CARD_BYTES = 70 * GIB
_H100_AT_ONCE = 8192, 1024
"""The tokens and sequences that vLLM takes at once from there up, but on A100 (engine/arg_utils.py)."""


@record
class Sampler:
    """What a sampler keeps beside the logits: bytes for each of them, and float32 rows of the vocabulary."""

    bytes_per_logit: int
    rows: int


DRAWS = Sampler(bytes_per_logit=12, rows=0)
"""Logits in float32, probabilities and the noise of the draw (up to 0.11, v1/sample/ops)."""

SORTS = Sampler(bytes_per_logit=36, rows=0)
"""And the sorted logits, their places, and the sort's second buffers (up to 0.16, v1/sample/ops)."""

SELECTS = Sampler(bytes_per_logit=12, rows=132)
"""And a row per multiprocessor, here of an H100 (since 0.17, v1/sample/ops/topk_topp_triton.py)."""

_CUBLAS_BYTES = 32 * MIB
"""The workspace that torch gives cuBLAS on Hopper (aten/src/ATen/cuda/CublasHandlePool.cpp)."""


@record
class OutsideTorch:
    """What the CUDA context, NCCL and all-reduces take beside torch's memory, in hundredths of a GiB."""

    alone: int
    tensor_parallel: int
    stages_alone: int


OLD_OUTSIDE = OutsideTorch(alone=13, tensor_parallel=30, stages_alone=7)
"""Up to 0.17: the medians of 7 start-ups on one GPU and the larger of 2 with TP."""

OUTSIDE = OutsideTorch(alone=25, tensor_parallel=207, stages_alone=7)
"""Since 0.18: the medians of 36 start-ups on one GPU, 9 with TP and 2 with PP alone."""

_GRAPHS_BYTES = 34 * GIB // 100
_GRAPHS_LAYER_BYTES = 18 * GIB // 1000
"""CUDA graphs: a line through 15 start-ups of dense models on one GPU, whose largest error is 14 %."""


_UNKNOWN_HIDDEN = 4096
_UNKNOWN_VOCAB = 131_072
_VOCABS = (32_000, 262_208)
"""What is assumed of a model whose spec does not tell its width and vocabulary, and how far it may be off."""

_BELOW_BYTES = 30 * GIB // 100
_ABOVE_BYTES = 120 * GIB // 100
"""Nine of ten of 56 start-ups lie so near; most of what is above are workspaces of experts and images."""


def vllm_start_up(
    workload: ProfileRun,
    *,
    sampler: Sampler = SELECTS,
    outside: OutsideTorch = OUTSIDE,
    counts_graphs: bool = True,
    most_tokens: int = MOST_BATCHED_TOKENS,
) -> Estimate:
    """
    Return what vLLM keeps free for *workload*.

    *sampler* is what draws the tokens, *outside* what is not torch's, and *counts_graphs* whether CUDA
    graphs are set aside, *most_tokens* what is batched on the largest cards, all by release. The table
    of rotations is a part of what vLLM prints as weights.
    """
    overhead = outside_torch(workload, outside) + workload.rotations_bytes
    if counts_graphs:
        overhead += _GRAPHS_BYTES + workload.layers * _GRAPHS_LAYER_BYTES
    low, middle, high = (
        activation_peak(workload, vocab=vocab, sampler=sampler, most_tokens=most_tokens)
        for vocab in _vocabularies(workload)
    )
    unknown = "" if low == high else "; the spec does not tell the vocabulary"
    return Estimate(
        activation_bytes=middle,
        overhead_bytes=overhead,
        low_bytes=max(0, low + overhead - _BELOW_BYTES),
        high_bytes=high + overhead + _ABOVE_BYTES,
        evidence=f"from vLLM's profile run and 56 published start-ups{unknown}",
    )


def borrowed_start_up(workload: ProfileRun) -> Estimate:
    """Return vLLM's needs for an engine whose own are not known, or that has none."""
    estimate = vllm_start_up(workload)
    return estimate._replace(evidence=f"borrowed {estimate.evidence}")


def _vocabularies(workload: ProfileRun) -> tuple[int, int, int]:
    """Return the smallest, the likely and the largest vocabulary."""
    if workload.vocab is not None:
        return (workload.vocab,) * 3
    return _VOCABS[0], _UNKNOWN_VOCAB, _VOCABS[1]


def outside_torch(workload: ProfileRun, outside: OutsideTorch) -> int:
    """Return what is not torch's for the spread of *workload*."""
    if workload.tp > 1:
        return outside.tensor_parallel * GIB // 100
    return (outside.stages_alone if workload.pp > 1 else outside.alone) * GIB // 100


def activation_peak(
    workload: ProfileRun,
    *,
    vocab: int,
    sampler: Sampler = SELECTS,
    most_tokens: int = MOST_BATCHED_TOKENS,
) -> int:
    """
    Return the peak of vLLM's profile run on a rank.

    The sampler makes the peak: every sequence's logits in the model's dtype, what else it keeps of
    them, and the hidden states. The workspaces of experts and images come on top and are in the range.
    Source: profile_run in v1/worker/gpu_model_runner.py.
    """
    tokens, sequences = at_once(workload.card, most_tokens=most_tokens)
    tokens = workload.batched_tokens or tokens
    sequences = min(workload.sequences or sequences, tokens)
    logits = (sampler.bytes_per_logit + workload.element_bytes) * sequences + 4 * sampler.rows
    # A stage between others also holds the hidden states that it receives and sends.
    copies = 3 if workload.pp > 1 else 1
    states = (copies * tokens + 2 * sequences) * (workload.hidden or _UNKNOWN_HIDDEN) * workload.element_bytes
    return logits * vocab + states + _CUBLAS_BYTES


def at_once(card: Card | None, *, most_tokens: int = MOST_BATCHED_TOKENS) -> tuple[int, int]:
    """
    Return the tokens and the sequences that vLLM runs at once on a card unless it is told.

    Without a card these are an H100's. On the largest cards it takes *most_tokens*, 16384 since 0.28. NVML
    does not tell it the memory of a card that is the host's, which so counts as small (GB10 captured whole
    graphs of up to 256 sequences). Source: get_batch_defaults in engine/arg_utils.py, for its server, and
    get_device_total_memory in platforms/cuda.py, alike in 0.19.1 to 0.32.
    """
    if card is None:
        return _H100_AT_ONCE
    small = card.total_bytes < _LARGE_CARD_BYTES or card.is_integrated
    if small or "a100" in (card.device or "").lower():
        return 2048, 256
    tokens, sequences = _H100_AT_ONCE
    return (most_tokens if card.total_bytes >= _LARGEST_CARD_BYTES else tokens), sequences


_MICRO_BATCH = 512
_ROWS = 6
_INNER_ROWS, _WIDER = 3, 4
DRIVER_BYTES = 456 * MIB
"""What llama.cpp's breakdown has as unaccounted for: github.com/ggml-org/llama.cpp/pull/15860."""

_COMPUTE_ABOVE_BYTES = 1365 * MIB
"""What a breakdown has at most above the estimate: long contexts, recurrent states and quantised caches."""


def _widest(mlp: "Mlp | None") -> int:
    """Return the numbers of a token in the widest MLP, or in all experts that it visits; 0 if not known."""
    if mlp is None:
        return 0
    return max(mlp.intermediate or 0, (mlp.experts_per_token or 0) * (mlp.expert_intermediate or 0))


def compute_buffers(workload: ProfileRun, outputs: int | None = None) -> Estimate:
    """
    Return what llama.cpp takes beside weights and caches: buffers for its graph, and the driver's share.

    The graph is reserved for a micro-batch of which so many *outputs* have logits in float32, all unless
    told; rows as wide as the model stand beside them, or beside those of an MLP (graph_reserve in
    llama-context.cpp). Llama-3.2-3B of 2048 tokens prints 284.9 MiB, Qwen3.6-27B of 200192 tokens 654.8 and
    Gemma 4 26B of 262144 tokens, with its cache in q8_0, 1887.9, all of them with logits of all tokens,
    which llama-server has not had since github.com/ggml-org/llama.cpp/pull/23861; pull/15860 has 456 MiB
    unaccounted for.
    """
    tokens = workload.batched_tokens or _MICRO_BATCH
    picked = tokens if outputs is None else min(outputs, tokens)
    hidden = workload.hidden or _UNKNOWN_HIDDEN
    states = 4 * tokens * _ROWS * hidden
    inner = 4 * tokens * _INNER_ROWS * (_widest(workload.mlp) or _WIDER * hidden)
    _, likely, largest = _vocabularies(workload)
    middle = states + max(4 * picked * likely, inner)
    return Estimate(
        activation_bytes=middle,
        overhead_bytes=DRIVER_BYTES,
        low_bytes=states + DRIVER_BYTES,
        high_bytes=states + max(4 * tokens * largest, inner) + DRIVER_BYTES + _COMPUTE_ABOVE_BYTES,
        evidence="of a micro-batch's rows and logits, and from 7 published breakdowns of llama.cpp's memory",
    )
