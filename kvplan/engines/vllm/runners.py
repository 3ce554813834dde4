"""Which of vLLM's two model runners a release takes for a model: it decides what a start-up needs."""

from typing import Literal

Default = Literal["v1", "named", "dense", "v2"]
"""Which models a release runs with Model Runner V2: none, some named, all but experts and hybrids, all."""

NAMED = frozenset({"deepseek_v2", "granitemoe", "llama", "mistral", "qwen2_moe", "qwen3"})
"""DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES in config/vllm.py of 0.24, by their model types."""

NAMED_MIXTURES = frozenset({"deepseek_v2", "granitemoe", "inkling", "kimi_k3", "qwen2_moe"})
"""
Those of 0.26 and 0.28 that count beside all models without experts; 0.28 adds DeepSeek-V4, off ROCm.
"""


def takes_v2(
    default: Default, architecture: str | None, *, has_experts: bool, has_states: bool, asked: bool | None
) -> bool:
    """
    Return whether a release whose rule is *default* runs a model with Model Runner V2.

    *asked* is VLLM_USE_V2_MODEL_RUNNER, where it is set. Source: use_v2_model_runner and
    _is_default_v2_model_runner_model in config/vllm.py of 0.20.1, 0.24, 0.26, 0.28, 0.30 and 0.32.
    """
    if asked is not None:
        return asked
    match default:
        case "v1":
            return False
        case "named":
            return architecture in NAMED
        case "dense":
            return not has_states and (not has_experts or architecture in NAMED_MIXTURES)
        case "v2":
            return True
