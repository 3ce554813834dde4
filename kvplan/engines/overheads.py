"""What engines need on a card beside weights and cache, as far as published start-ups tell."""

from kvplan.engines.base import Estimate, Workload
from kvplan.units import GIB

_LARGE_CARD_BYTES = 70 * GIB
"""From here up vLLM takes 8192 tokens in flight by default, and 2048 below (0.33, engine/arg_utils.py)."""


def published_start_ups(workload: Workload) -> Estimate:
    """
    Return the median and the extremes of what vLLM printed for activations, graphs and the rest.

    Sources: github.com/llm-d-incubation/llm-d-planner/pull/205, llm-d/llm-d-benchmark/pull/732 and
    vllm-project/vllm/pull/10511 for large cards; vllm-project/vllm/issues/13882, issues/15815 and
    xming521/WeClone/issues/101 for small ones.
    """
    if workload.gpu_bytes >= _LARGE_CARD_BYTES:
        return Estimate(
            low_bytes=163 * GIB // 100,
            middle_bytes=334 * GIB // 100,
            high_bytes=854 * GIB // 100,
            evidence="median of 55 published vLLM start-ups, 1.63 to 8.54 GiB",
        )
    return Estimate(
        low_bytes=145 * GIB // 100,
        middle_bytes=146 * GIB // 100,
        high_bytes=156 * GIB // 100,
        evidence="median of 3 published vLLM start-ups, 1.45 to 1.56 GiB",
    )
