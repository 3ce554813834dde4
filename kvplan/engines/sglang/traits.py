"""What only a model's class in SGLang decides, by the name of its spec."""

from dataclasses import dataclass
from typing import Literal

from kvplan.engines.sglang.errors import RefusedError
from kvplan.engines.sglang.versions import SglangRules

Strategy = Literal["no_buffer", "extra_buffer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """
    Facts of a class of SGLang; None where the class has no such layers, or is not known.

    `two_pools`: whether its windows have a pool of their own (is_hybrid_swa_model in
    configs/model_config.py, without the classes for which arg_groups/model_overrides turns it off).
    `strategy`: how its states are kept in the radix cache unless told (arg_groups/overrides.py,
    _mamba_radix_cache_resolution, with the overlap scheduler and the triton kernels, its defaults).
    `prefill_graphs`: whether prefill is captured in CUDA graphs on one pipeline stage
    (arg_groups/cuda_graph_hook.py, disable_breakable_cudagraph_if_incompatible).
    """

    two_pools: bool | None = None
    strategy: Strategy | None = None
    prefill_graphs: bool = True


UNKNOWN = Traits()

_ONE_POOL = Traits(two_pools=False)
_TWO_POOLS = Traits(two_pools=True)
_BUFFERED = Traits(strategy="extra_buffer")
_UNBUFFERED = Traits(strategy="no_buffer")
# Kimi Delta Attention has no graphs of prefill.
_DELTA = Traits(strategy="extra_buffer", prefill_graphs=False)

_TRAITS = (
    # Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3n...: arg_groups/model_overrides/gemma2_gemma3.py.
    ("gemma-2-", _ONE_POOL),
    ("gemma-3-", _ONE_POOL),
    ("gemma-3n-", _ONE_POOL),
    ("exaone-4.0-", _ONE_POOL),  # Exaone4ForCausalLM: arg_groups/model_overrides/exaone.py
    # In none of the lists of is_hybrid_swa_model: Cohere2ForCausalLM, MistralForCausalLM,
    # MistralModel, Phi3ForCausalLM, Phi3VForCausalLM, PhiMoEForCausalLM, Starcoder2ForCausalLM.
    ("command-a", _ONE_POOL),
    ("command-r7b", _ONE_POOL),
    ("mistral-7b-v0.1", _ONE_POOL),
    ("e5-mistral-7b", _ONE_POOL),
    ("phi-3", _ONE_POOL),
    ("phi-4-mini-flash", UNKNOWN),  # Phi4FlashForCausalLM has no class in models/
    ("phi-4-mini", _ONE_POOL),
    ("phi-mini-moe", _ONE_POOL),
    ("starcoder2-", _ONE_POOL),
    ("gemma-4-", _TWO_POOLS),  # Gemma4ForConditionalGeneration
    ("gpt-oss-", _TWO_POOLS),  # GptOssForCausalLM
    ("llama-4-", _TWO_POOLS),  # Llama4ForConditionalGeneration: chunked layers are windowed ones
    ("mimo-v2-", _TWO_POOLS),  # MiMoV2FlashForCausalLM
    ("step-3.5-", _TWO_POOLS),  # Step3p5ForCausalLM
    ("step-3.7-", _TWO_POOLS),  # Step3p7ForConditionalGeneration
    ("falcon-h1-", _BUFFERED),  # FalconH1ForCausalLM
    ("granite-4.0-h-", _BUFFERED),  # GraniteMoeHybridForCausalLM
    ("kimi-k3", _DELTA),  # KimiK3ForConditionalGeneration
    ("kimi-linear-", _DELTA),  # KimiLinearForCausalLM
    ("nemotron-3", _BUFFERED),  # NemotronHForCausalLM, as the three that follow
    ("nemotron-h-", _BUFFERED),
    ("nemotron-nano-9b-v2", _BUFFERED),
    ("nemotron-nano-12b-v2", _BUFFERED),
    ("qwen3-next-", _BUFFERED),  # Qwen3NextForCausalLM
    ("qwen3.5-", _BUFFERED),  # Qwen3_5ForConditionalGeneration, Qwen3_5MoeForConditionalGeneration
    ("qwen3.6-", _BUFFERED),
    ("lfm2", _UNBUFFERED),  # Lfm2ForCausalLM, Lfm2VlForConditionalGeneration
    # PURE_SSM_ARCHITECTURES of configs/model_config.py: Mamba2ForCausalLM, MambaForCausalLM,
    # FalconMambaForCausalLM.
    ("mamba2-", _UNBUFFERED),
    ("mamba-", _UNBUFFERED),
    ("falcon-mamba-", _UNBUFFERED),
)
"""Models by how the spec's name begins; the first applies."""


def traits_of(model: str) -> Traits:
    """Return what is known of the class that serves a model, by the spec's name."""
    return next((traits for start, traits in _TRAITS if model.startswith(start)), UNKNOWN)


def has_two_pools(model: str, *, disabled: bool | None, rules: SglangRules) -> bool:
    """
    Return whether windows get a pool of their own; *disabled* is disable_hybrid_swa_memory as given.

    Raises RefusedError for a class that kvplan does not know, if it is not given.
    """
    known = traits_of(model).two_pools
    if disabled or known is False:
        return False
    if known is None and disabled is None:
        raise RefusedError(
            f"whether {rules.name} has a pool of its own for windows depends on the model's class, which "
            f"kvplan does not know for {model or 'this model'}: give disable_hybrid_swa_memory=true or =false"
        )
    return True


def state_strategy(model: str, *, asked: str | None, rules: SglangRules) -> str:
    """
    Return how states are kept in the radix cache; *asked* is mamba_radix_cache_strategy as given.

    Raises RefusedError for a class that kvplan does not know, if it is not given.
    """
    strategy = traits_of(model).strategy if asked in (None, "auto") else asked
    if strategy is None:
        raise RefusedError(
            f"kvplan knows no class of {rules.name} that serves the recurrent states of "
            f"{model or 'this model'}: if there is one, give its mamba_radix_cache_strategy"
        )
    return strategy
