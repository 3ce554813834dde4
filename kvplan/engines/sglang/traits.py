"""What only a model's class in SGLang decides, by the architecture of its spec."""

from fractions import Fraction
from typing import Literal

from kvplan.engines.sglang.errors import RefusedError
from kvplan.engines.sglang.versions import SglangRules
from kvplan.records import record

Strategy = Literal["no_buffer", "extra_buffer"]


@record
class Traits:
    """
    Facts of a class of SGLang; None where the class has no such layers, or is not known.

    `two_pools`: whether its windows have a pool of their own (is_hybrid_swa_model in
    configs/model_config.py, without the classes for which arg_groups/model_overrides turns it off).
    `strategy`: how its states are kept in the radix cache unless told (arg_groups/overrides.py,
    _mamba_radix_cache_resolution, with the overlap scheduler and the triton kernels, its defaults).
    `prefill_graphs`: whether prefill is captured in CUDA graphs on one pipeline stage, and `seen_graphs`
    whether it is in a model with a tower (arg_groups/cuda_graph_hook.py,
    disable_breakable_cudagraph_if_incompatible; multimodal_breakable_cuda_graph_supported_model_archs in
    configs/model_config.py). `multimodal`: whether a tower is served unless told (mm_disabled_models there).
    `tables`: how many tables of rotary embeddings its layers share, one for each base; `turned`: the part of
    a key that is rotated, as partial_rotary_factor of all releases has it. `whole_embedding`: whether every
    tensor-parallel rank has all of the embedding (Gemma3TextScaledWordEmbedding in models/gemma3_causal.py).
    """

    two_pools: bool | None = None
    strategy: Strategy | None = None
    prefill_graphs: bool = True
    seen_graphs: bool = False
    multimodal: bool = True
    whole_embedding: bool = False
    tables: Fraction = Fraction(1)
    turned: Fraction = Fraction(1)


UNKNOWN = Traits()

_ONE_POOL = Traits(two_pools=False)
_BLIND_TWO_POOLS = Traits(two_pools=True, multimodal=False)
_SEEN_GRAPHS = Traits(seen_graphs=True)
_TWO_POOLS = Traits(two_pools=True)
_BUFFERED = Traits(strategy="extra_buffer")
# partial_rotary_factor in the configs of Qwen3-Next and Qwen3.5.
_QUARTER = Fraction(1, 4)
# The heads of windows are half as wide as the others, and have a table of their own.
_GEMMA4 = Traits(two_pools=True, whole_embedding=True, tables=Fraction(3, 2))
_UNBUFFERED = Traits(strategy="no_buffer")
# Kimi Delta Attention has no graphs of prefill.
_DELTA = Traits(strategy="extra_buffer", prefill_graphs=False)
_SEEN_BUFFERED = Traits(strategy="extra_buffer", seen_graphs=True, turned=_QUARTER)

_TRAITS = {
    # Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3n...: arg_groups/model_overrides/gemma2_gemma3.py.
    "gemma2": _ONE_POOL,
    "gemma3_text": Traits(two_pools=False, multimodal=False, whole_embedding=True, tables=Fraction(2)),
    "gemma3n_text": Traits(two_pools=False, whole_embedding=True, tables=Fraction(2)),
    "exaone4": _ONE_POOL,  # Exaone4ForCausalLM: arg_groups/model_overrides/exaone.py
    # In none of the lists of is_hybrid_swa_model: Cohere2ForCausalLM, MistralForCausalLM,
    # MistralModel, Phi3ForCausalLM, Phi3VForCausalLM, PhiMoEForCausalLM, Starcoder2ForCausalLM.
    "cohere2": _ONE_POOL,
    "mistral": _ONE_POOL,
    "phi3": _ONE_POOL,
    "phi3_v": _ONE_POOL,
    "phi3small": _ONE_POOL,
    "phimoe": _ONE_POOL,
    "starcoder2": _ONE_POOL,
    # Gemma4ForConditionalGeneration, Gemma4UnifiedForConditionalGeneration
    "gemma4_text": _GEMMA4,
    "gemma4_unified_text": _GEMMA4,
    "gpt_oss": _TWO_POOLS,  # GptOssForCausalLM
    "llama4_text": _BLIND_TWO_POOLS,  # Llama4ForConditionalGeneration: chunked layers are windowed ones
    "mimo_v2": _TWO_POOLS,  # MiMoV2ForCausalLM
    "mimo_v2_flash": _TWO_POOLS,  # MiMoV2FlashForCausalLM
    "step3p5": _TWO_POOLS,  # Step3p5ForCausalLM
    "step3p7": _TWO_POOLS,  # Step3p7ForConditionalGeneration
    "falcon_h1": _BUFFERED,  # FalconH1ForCausalLM
    "granitemoehybrid": _BUFFERED,  # GraniteMoeHybridForCausalLM
    "kimi_k3": _DELTA,  # KimiK3ForConditionalGeneration
    # KimiLinearForCausalLM, whose latents' keys are not rotated
    "kimi_linear": Traits(strategy="extra_buffer", prefill_graphs=False, tables=Fraction(0)),
    "nemotron_h": Traits(strategy="extra_buffer", tables=Fraction(0)),  # NemotronHForCausalLM
    "qwen3_next": Traits(strategy="extra_buffer", turned=_QUARTER),  # Qwen3NextForCausalLM
    # Qwen3_5ForConditionalGeneration, Qwen3_5MoeForConditionalGeneration
    "qwen3_5": _SEEN_BUFFERED,
    "qwen3_5_text": _SEEN_BUFFERED,
    "qwen3_5_moe": _SEEN_BUFFERED,
    "qwen3_5_moe_text": _SEEN_BUFFERED,
    # KimiK25ForConditionalGeneration, MiniMaxM3SparseForConditionalGeneration, Cohere2Vision...
    "kimi_k2": _SEEN_GRAPHS,
    "deepseek_v3": _SEEN_GRAPHS,
    "minimax_m3": _SEEN_GRAPHS,
    "lfm2": _UNBUFFERED,  # Lfm2ForCausalLM, Lfm2VlForConditionalGeneration
    # PURE_SSM_ARCHITECTURES of configs/model_config.py: Mamba2ForCausalLM, MambaForCausalLM,
    # FalconMambaForCausalLM.
    "mamba2": _UNBUFFERED,
    "mamba": _UNBUFFERED,
    "falcon_mamba": _UNBUFFERED,
}
"""The classes by the model type of the text model."""


FILLS_BLOCKS = frozenset({"dflash"})
"""Drafts that fill a block of tokens at once, whose own rows SGLang counts: speculative/dflash_utils.py."""

UNSAID_MODULES = frozenset({"qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"})
"""
Models whose own config has no num_nextn_predict_layers.

SGLang then leaves no room for the module in its pool: _resolve_eagle_aux_hidden_state in
model_executor/model_runner_components/spec_aux_hidden_state.py.
"""

_UNREAD = frozenset({"glm5_next_text", "qwen4_exp_text"})
"""
Model types whose indexer's keys SGLang pools (get_dsa_index_kpool in configs/model_config.py of 0.5.23) or
keeps beside K and V (models/qwen4_exp.py), whose pools kvplan has not read.
"""


def require_read(architecture: str | None, rules: SglangRules) -> None:
    """Raise RefusedError for a model type whose cache kvplan has not read in SGLang."""
    if architecture in _UNREAD:
        raise RefusedError(
            f"how {rules.name} keeps the cache of {architecture} is not known to kvplan: "
            "choose another engine"
        )


def traits_of(architecture: str | None) -> Traits:
    """Return what is known of the class that serves an architecture; UNKNOWN if nothing is."""
    return UNKNOWN if architecture is None else _TRAITS.get(architecture, UNKNOWN)


def _model(architecture: str | None) -> str:
    return f"the architecture {architecture}" if architecture else "a spec that names no `architecture`"


def has_two_pools(architecture: str | None, *, disabled: bool | None, rules: SglangRules) -> bool:
    """
    Return whether windows get a pool of their own; *disabled* is disable_hybrid_swa_memory as given.

    Raises RefusedError for a class that kvplan does not know, if it is not given.
    """
    known = traits_of(architecture).two_pools
    if disabled or known is False:
        return False
    if known is None and disabled is None:
        raise RefusedError(
            f"whether {rules.name} has a pool of its own for windows depends on the model's class, which "
            f"kvplan does not know for {_model(architecture)}: give disable_hybrid_swa_memory=true or =false"
        )
    return True


def state_strategy(architecture: str | None, *, asked: str | None, tracks: bool, rules: SglangRules) -> str:
    """
    Return how states are kept in the radix cache; *asked* is mamba_radix_cache_strategy as given.

    Unless asked, a class keeps a buffer only where it *tracks* states: with overlapping batches, or pages of
    several tokens (_mamba_radix_cache_resolution in arg_groups/overrides.py). Raises RefusedError for a class
    that kvplan does not know, if it is not given.
    """
    unsaid = asked in (None, "auto")
    strategy = traits_of(architecture).strategy if unsaid else asked
    if strategy == "extra_buffer" and unsaid and not tracks:
        return "no_buffer"
    if strategy is None:
        raise RefusedError(
            f"kvplan knows no class of {rules.name} that serves the recurrent states of "
            f"{_model(architecture)}: if there is one, give its mamba_radix_cache_strategy"
        )
    return strategy
