"""
How tokens reach whole experts on other replicas: vLLM's buffers for it, and its batches.

Sources: model_executor/layers/fused_moe/all2all_utils.py, distributed/device_communicators/all2all.py,
config/parallel.py and engine/arg_utils.py of 0.33; alike in 0.24, 0.28 and 0.30 where nothing else is said.
"""

from kvplan.engines.deepep import WORKSPACE_BYTES, low_latency_bytes
from kvplan.engines.profile_run import Dealt
from kvplan.engines.settings import Settings
from kvplan.engines.vllm.versions import VllmRules
from kvplan.units import MIB, ceil_div

_NORMAL, _LOW_LATENCY = "deepep_high_throughput", "deepep_low_latency"
EXCHANGES = ("allgather_reducescatter", _NORMAL, _LOW_LATENCY)

_FIRST_IN_BATCHES = (0, 20)
_BATCHED_TOKENS = 256
"""
DEFAULT_MAX_NUM_BATCHED_TOKENS_FOR_BATCHED_DP in config/scheduler.py.

0.19.1 has it not, 0.24 has it. Before it experts took so many tokens at once (VLLM_MOE_DP_CHUNK_SIZE).
"""

_BUFFER_MB = 1024
"""VLLM_DEEPEP_BUFFER_SIZE_MB in envs.py of 0.19 to 0.33."""


def usual_tokens(given: Settings, rules: VllmRules, *, exchanges: bool) -> int | None:
    """Return the tokens that are batched by default where experts take batches of their own; else None."""
    batched = given.name("all2all_backend") == _LOW_LATENCY and exchanges
    return _BATCHED_TOKENS if batched and rules.version >= _FIRST_IN_BATCHES else None


def exchange_bytes(given: Settings, rules: VllmRules, dealt: Dealt, *, tokens: int, hidden: int) -> int:
    """
    Return the buffers of a GPU outside torch, for batches of *tokens*; 0 where nothing is exchanged.

    The default gathers tokens in torch's memory. What NVSHMEM has beside its buffers is not known.
    """
    backend = given.name("all2all_backend")
    if backend not in (_NORMAL, _LOW_LATENCY) or not dealt.over_replicas:
        return 0
    asked = given.count("deepep_buffer_size_mb")
    buffer = (_BUFFER_MB if asked is None else asked) * MIB
    if backend == _NORMAL:
        return buffer * (2 if dealt.crosses else 1) + WORKSPACE_BYTES
    return buffer + low_latency_bytes(_at_once(rules, tokens), hidden, dealt.experts) + WORKSPACE_BYTES


def places(given: Settings, rules: VllmRules, dealt: Dealt, *, tokens: int) -> int:
    """
    Return for how many tokens a rank's experts have places: each for a batch of every rank.

    0 where they take what comes (BatchedDeepGemmExperts in model_executor/layers/fused_moe/experts).
    """
    if given.name("all2all_backend") != _LOW_LATENCY or not dealt.over_replicas:
        return 0
    return ceil_div(dealt.experts, dealt.ranks) * dealt.ranks * _at_once(rules, tokens)


def _at_once(rules: VllmRules, tokens: int) -> int:
    return tokens if rules.version >= _FIRST_IN_BATCHES else _BATCHED_TOKENS
