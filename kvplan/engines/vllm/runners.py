"""Which of vLLM's two model runners a release takes for a model: it decides memory and batches in flight."""

from kvplan.gpus import Card
from kvplan.records import record


@record
class SecondRunner:
    """
    Which models a release runs with Model Runner V2, by their model types.

    Those that are `named`; `dense` also says all without experts and recurrent states, and `every` all.
    On AMD's cards the `not_on_rocm` stay with the older runner.
    """

    named: frozenset[str] = frozenset()
    dense: bool = False
    every: bool = False
    not_on_rocm: frozenset[str] = frozenset()


NO_MODEL = SecondRunner()
"""Up to 0.23 (VLLM_USE_V2_MODEL_RUNNER is off in envs.py of 0.20.1)."""

NAMED = SecondRunner(named=frozenset({"deepseek_v2", "granitemoe", "llama", "mistral", "qwen2_moe", "qwen3"}))
"""DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES in config/vllm.py of 0.24."""

_MIXTURES = frozenset({"deepseek_v2", "granitemoe", "inkling", "longcat_flash_ngram", "qwen2_moe"})

DENSE = SecondRunner(named=_MIXTURES, dense=True)
"""The same name in 0.26, where it counts beside _is_default_v2_model_runner_model."""

DENSE_AND_V4 = SecondRunner(
    named=_MIXTURES | {"deepseek_v4", "kimi_k3"}, dense=True, not_on_rocm=frozenset({"deepseek_v4"})
)
"""The same of 0.28: default_v2_model_runner_architectures."""

ALL_BUT_ON_ROCM = SecondRunner(
    every=True, not_on_rocm=frozenset({"deepseek_v32", "deepseek_v4", "glm_moe_dsa"})
)
"""ROCM_DEFAULT_MRV1_ARCHITECTURES in config/vllm.py of 0.30."""

ALL = SecondRunner(every=True)
"""use_v2_model_runner in config/vllm.py of 0.32 and 0.33."""


def takes_v2(  # noqa: PLR0913 - what the engine asks
    taken: SecondRunner,
    architecture: str | None,
    *,
    has_experts: bool,
    has_states: bool,
    asked: bool | None,
    card: Card | None = None,
) -> bool:
    """
    Return whether a release runs a model with Model Runner V2.

    *asked* is VLLM_USE_V2_MODEL_RUNNER, where it is set; it counts before all else. Without a *card* it is
    none of AMD's. Source: use_v2_model_runner and _is_default_v2_model_runner_model in config/vllm.py of
    0.20.1, 0.24, 0.26, 0.28, 0.30, 0.32 and 0.33: is_hybrid and is_attention_free are layers with states.
    """
    if asked is not None:
        return asked
    if card is not None and card.vendor == "amd" and architecture in taken.not_on_rocm:
        return False
    if taken.every or (taken.dense and has_states):
        return taken.every
    return architecture in taken.named or (taken.dense and not has_experts)
