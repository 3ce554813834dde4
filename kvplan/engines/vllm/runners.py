"""Which of vLLM's two model runners a release takes for a model: it decides memory and batches in flight."""

from kvplan.gpus import Card
from kvplan.records import record


@record
class SecondRunner:
    """
    Which models a release runs with Model Runner V2, by their model types.

    Those that are `named`, where `plain` says only with weights in the model's dtype; `dense` also says all
    without experts and recurrent states, and `every` all.
    On AMD's cards the `not_on_rocm` stay with the older runner.
    """

    named: frozenset[str] = frozenset()
    plain: bool = False
    dense: bool = False
    every: bool = False
    not_on_rocm: frozenset[str] = frozenset()


NO_MODEL = SecondRunner()
"""Up to 0.21 (VLLM_USE_V2_MODEL_RUNNER is off in envs.py of 0.20.1 and 0.21)."""

PLAIN_QWEN3 = SecondRunner(named=frozenset({"qwen3"}), plain=True)
"""DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES and is_quantized in config/vllm.py of 0.22.0 and 0.22.1."""

PLAIN = SecondRunner(named=frozenset({"llama", "mistral", "qwen3"}), plain=True)
"""The same of 0.23; a start-up of a LlamaForCausalLM printed its lines (stored public file 54603410239)."""

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
    plain_weights: bool = True,
    card: Card | None = None,
) -> bool:
    """
    Return whether a release runs a model with Model Runner V2.

    *asked* is VLLM_USE_V2_MODEL_RUNNER, where it is set; it counts before all else. *plain_weights* are
    those in the model's dtype, of which 0.22 and 0.23 alone ask, that let go of batches in flight alike with
    both runners. Without a *card* it is none of AMD's.
    Source: use_v2_model_runner and _is_default_v2_model_runner_model in config/vllm.py of 0.20.1, 0.21 to
    0.24, 0.26, 0.28, 0.30, 0.32 and 0.33: is_hybrid and is_attention_free are layers with states.
    """
    if asked is not None:
        return asked
    if card is not None and card.vendor == "amd" and architecture in taken.not_on_rocm:
        return False
    if taken.every or (taken.dense and has_states) or (taken.plain and not plain_weights):
        return taken.every
    return architecture in taken.named or (taken.dense and not has_experts)
