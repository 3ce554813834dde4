"""
What TensorRT-LLM needs beside weights and cache.

Before it sizes the cache it runs requests of max_num_tokens in all, whose last tokens alone have logits, and
takes the peak of torch's memory and what lies outside it (configure_kv_cache_capacity in
_torch/pyexecutor/_util.py). The layers of that run are arithmetic; the rest is known from six start-ups.
"""

from kvplan.engines.overheads import OUTSIDE, borrowed_start_up
from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.engines.trtllm.versions import TrtllmRules
from kvplan.units import GIB, ceil_div

_STATES = 3
"""Copies of the hidden states beside an MLP: residual, input and output."""

_ALONE_BYTES = 155 * GIB // 100
"""
What is left of Qwen3-Reranker-0.6B on an H100 of 79.18 GiB, which kept 68.69 GiB of KV cache.

That is 0.9 of 76.32; weights are 1.11, the run of its layers 0.19, rotations 0.01. The rest are context,
kernels, workspaces and graphs. SmolLM2-135M on an RTX 4070 SUPER of 11.99 GiB left 1.6 (1.2.1, under WSL:
9.06 GiB of cache, stored public file 61634826145).
"""

_LEAST_BYTES = GIB
_ABOVE_BYTES = GIB
"""
How far the range reaches on one GPU: from so much and half of the run to twice the run and so much above.

Beside what was left of Qwen3-Reranker, Llama-3.1-8B in fp8 took 1.4 of its runs of 23552 tokens (0.20.0:
52.51 GiB of cache in 0.8 of an H100, 8.46 of weights, github.com/NVIDIA/TensorRT-LLM/issues/6294), and two
layers of MiMo-V2-Flash 2.2 of theirs (1.3.0rc0: 59.50 GiB of cache on an H100, 8.8 of weights, stored public
file 59474166547).
"""

_SEVERAL_LEAST_BYTES = GIB // 2
_SEVERAL_ABOVE_BYTES = 10 * GIB
"""
The same on several, of which one start-up is known.

Kimi-K2.5 in NVFP4 on eight B300 (1.3.0rc7) kept 166.02 GiB of 268.59, so that beside 67.7 GiB of weights as
kvplan counts them 16.4 GiB were taken: layers that its file has in 16 bits, and what eight GPUs share.
"""


def start_up(workload: ProfileRun, rules: TrtllmRules) -> Estimate:
    """Return what a rank needs for *workload*: vLLM's estimate where the widths of MLPs are not known."""
    several = workload.ranks > 1
    above = _SEVERAL_ABOVE_BYTES if several else _ABOVE_BYTES
    least = _SEVERAL_LEAST_BYTES if several else _LEAST_BYTES
    if workload.mlp is None or workload.hidden is None:
        borrowed = borrowed_start_up(workload)
        return borrowed._replace(low_bytes=least, high_bytes=borrowed.high_bytes + above)
    run = _run_bytes(workload, rules)
    shared = (OUTSIDE.tensor_parallel - OUTSIDE.alone) * GIB // 100 if several else 0
    overhead = _ALONE_BYTES + shared + workload.rotations_bytes
    return Estimate(
        activation_bytes=run,
        overhead_bytes=overhead,
        low_bytes=run // 2 + least,
        high_bytes=2 * run + overhead + above,
        evidence=f"derived from {rules.name}'s profile run; what is not its layers' from six start-ups",
    )


def _run_bytes(workload: ProfileRun, rules: TrtllmRules) -> int:
    """
    Return what a layer has at once of all tokens on a rank, in the model's dtype.

    An MLP has its inner rows. Of experts, a token's rows lie side by side: those that go in or come out of
    the first matrices, and those between or out of the last (getWorkspaceDeviceBufferSizes in
    cpp/tensorrt_llm/kernels/cutlass_kernels/moe_gemm/moe_kernels.cu).
    """
    mlp, hidden = workload.mlp, workload.hidden or 0
    if mlp is None:
        return 0
    tokens = workload.batched_tokens or rules.max_num_tokens
    into = 2 if mlp.gated else 1
    dense = (into + 1) * ceil_div(mlp.intermediate or 0, workload.tp)
    expert = ceil_div(mlp.expert_intermediate or 0, workload.tp)
    experts = (mlp.experts_per_token or 0) * (max(hidden, expert) + max(into * expert, hidden))
    return tokens * (max(dense, experts) + _STATES * hidden) * workload.element_bytes
