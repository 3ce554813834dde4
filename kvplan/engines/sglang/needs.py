"""What is gone from a card before SGLang loads weights; the rest is in the share that it keeps back."""

from kvplan.engines.base import Estimate, ProfileRun
from kvplan.units import GIB

# A card's memory minus "Load weight begin. avail mem", or minus what is free and used after loading:
# RTX PRO 6000, TP 4, github.com/sgl-project/sglang/issues/40558: 94.97 - 94.01;
# H200, TP 8, github.com/SemiAnalysisAI/InferenceX/issues/2128: 139.80 - (12.25 + 125.65);
# H200, TP 8, github.com/sgl-project/sglang/pull/11716: 139.80 - 137.29.
_LEAST_BYTES = 96 * GIB // 100
_MIDDLE_BYTES = 190 * GIB // 100
_MOST_BYTES = 251 * GIB // 100
# One H100: what 35 start-ups of vLLM found taken before their weights came, a CUDA context and its handles:
# github.com/llm-d-incubation/llm-d-planner/pull/205.
_ALONE_BYTES = 51 * GIB // 100


def before_weights(workload: ProfileRun) -> Estimate:
    """
    Return what the CUDA context and communication take.

    Activations and graphs are 0 here: SGLang keeps 1 - mem_fraction_static back for them.
    """
    if workload.tp * workload.pp > 1:
        return Estimate(
            activation_bytes=0,
            overhead_bytes=_MIDDLE_BYTES,
            low_bytes=_LEAST_BYTES,
            high_bytes=_MOST_BYTES,
            evidence="from 3 published SGLang start-ups with TP, 0.96 to 2.51 GiB",
        )
    return Estimate(
        activation_bytes=0,
        overhead_bytes=_ALONE_BYTES,
        low_bytes=0,
        high_bytes=_LEAST_BYTES,
        evidence="from 35 published start-ups on one GPU, 0.51 GiB",
    )
