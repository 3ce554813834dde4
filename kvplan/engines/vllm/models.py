"""Which models a release of vLLM has a class for, as far as it took some away or never had one."""

from collections.abc import Sequence

from kvplan.engines.base import EngineOptions
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.profiling import EAGER_STATES
from kvplan.engines.vllm.versions import RELEASES, VllmRules
from kvplan.terms import Layer, distinct

_LAST = {
    "phi3small": (0, 9),
    "bart": (0, 10),
    "mllama_text_model": (0, 10),
    "phi4flash": (0, 10),
    "baichuan": (0, 23),
    "bamba": (0, 23),
    "dots1": (0, 23),
    "internlm": (0, 23),
    "minimax": (0, 23),
    "minimax_m1": (0, 23),
    "minimax_text_01": (0, 23),
    "qwen": (0, 23),
    "xverse": (0, 23),
    "plamo2": (0, 26),
    "mpt": (0, 28),
}
"""
The last release that serves a model type, where a later one no longer does.

Source: vLLM 0.33, model_executor/models/registry.py: _PREVIOUSLY_SUPPORTED_MODELS, and
_OOT_SUPPORTED_MODELS for what needs a plugin since encoder-decoders went with 0.11.
"""


_NEVER = frozenset(
    {"codegen", "diffllama", "git", "gla", "gla_swa", "gpt_neo", "gpt_neox_japanese", "lara_mini", "lfm3"}
    | {"cpmant", "longcat2", "openai-gpt", "recurrent_gemma", "retnet", "xglm", "yuan", "zamba"}
)
"""
Published model types without a class, whose layers vLLM could page.

Source: model_executor/models/registry.py, alike in 0.12.0, 0.19.1, 0.24.0, 0.28.0 and 0.33.0; transformers'
own classes of these, where there are any, are none that its Transformers backend takes: they have another
attention than the interface's, or layers with states (_try_resolve_transformers there, and
_create_attention_instances in model_executor/models/transformers/base.py).
"""

_OF_OWN_CODE = frozenset({"bunny-phi", "llava", "llava_llama"})
"""
Model types of LLaVA's and Bunny's own code, whose classes no release has: not those of transformers' LLaVA.

Source: model_executor/models/registry.py at commit 0002bff, without LlavaLlamaForCausalLM and BunnyPhi.
"""

_OTHER_DESIGN = frozenset({"chatglm_6b"})
"""
Models that share a model_type with one that has a class, and whose weights and layers are not that one's.

Source: ChatGLMForCausalLM in model_executor/models/chatglm.py of 0.33 is ChatGLM2 and later, whose layers are
`encoder.layers`, with one position per token and a gated MLP; its ChatGLMConfig gives ChatGLM2's sizes to a
file without them.
"""

_ENCODER_DECODERS = frozenset({"cohere_asr", "nemotron_parse", "whisper"})
"""The model types with CrossAttention in model_executor/models of 0.33, Bart's having gone with 0.11."""

_STATE_PER_BLOCK = frozenset(
    {
        "bamba",
        "falcon_h1",
        "falcon_mamba",
        "granitemoehybrid",
        "jamba",
        "mamba",
        "mamba2",
        "nemotron_h",
        "zamba2",
    }
)
"""
Model types whose class has SupportsMambaPrefixCaching, in vLLM 0.12.0, 0.14.1, 0.17.1, 0.19.1, 0.24.0 and
0.26.0 (model_executor/models).
"""

_EXPANDED = {
    "minicpm3": "keys and values of every query head for",
}
"""
What vLLM stores in place of the latent that a spec has.

Source: model_executor/models/minicpm3.py, alike in 0.11.0, 0.19.1, 0.24.0, 0.30.0 and 0.33.0.
"""


_UNREAD = frozenset(
    {
        "dots3_note_text",
        "glm5_next_text",
        "inkling2_loop_text",
        "inkling2_text",
        "inkling_text",
        "qwen4_exp_text",
        "zaya",
    }
)
"""
Model types with states beside keys, windows over latents or pooled keys, whose classes kvplan has not read.
"""


_EMBEDDED_OUTSIDE = frozenset(
    {"deepseek_v41_text", "gemma3_text", "gemma3n_text", "gemma4_text", "gemma4_unified_text"}
    | {"llama4_text", "mllama_text_model", "qwen2_5_vl", "qwen2_vl", "qwen3_5", "qwen3_5_moe_text"}
    | {"qwen3_5_text", "qwen3_vl_moe_text", "qwen3_vl_text", "phi3_v", "mistral", "ministral3"}
    | {"deepseek_v3", "kimi_k2"}
)
"""
Text models of models that see: vLLM embeds tokens and images first, so that what is compiled has no
embedding.

Source: SupportsMultiModal in model_executor/models and _preprocess in v1/worker/gpu_model_runner.py, alike
in 0.24 and 0.28.
"""


_EAGER = {"llama": 3, "mistral": 3, "phi3": 3} | dict.fromkeys(
    ("exaone4", "granite", "opt", "qwen2", "qwen3", "qwen3_vl_text"), 4
)
"""
The hidden states beside an MLP, of classes that let go of some before it: start-ups of 0.21 to 0.33.

Qwen3 of 32B has one more.
"""


def eager_states(architecture: str | None) -> int:
    """Return the hidden states that a layer has beside its MLP without torch.compile."""
    return _EAGER.get(architecture or "", EAGER_STATES)


_SOME_SEE = frozenset({"gemma3_text", "mistral", "ministral3", "deepseek_v3", "kimi_k2"})
"""Those of which some do not see: Gemma 3 of 1B and 270M, Mistral 7B, Devstral 2, DeepSeek-V3, Kimi-K2."""


def embeds_outside(architecture: str | None, *, sees: bool) -> bool:
    """Return whether what torch.compile compiles of a model has no embedding: not where it never *sees*."""
    return architecture in _EMBEDDED_OUTSIDE and (sees or architecture not in _SOME_SEE)


_WITHOUT_WORKSPACES = frozenset({"gpt_oss"})
"""Model types whose experts are in MXFP4, and take Triton's kernels (gpt_oss_triton_kernels_moe.py, 0.28)."""


def keeps_workspaces(architecture: str | None) -> bool:
    """Return whether a model's experts share workspaces that stay after the profile run."""
    return architecture not in _WITHOUT_WORKSPACES


def may_keep_every_state(architecture: str | None) -> bool:
    """Return whether some releases keep a state per block under prefix caching; True for an unknown type."""
    return architecture is None or architecture in _STATE_PER_BLOCK


_ATTENTION_FREE = frozenset({"falcon_mamba", "mamba", "mamba2", "ov_mamba"})
"""
Model types of states alone, by their class (IsAttentionFree in model_executor/models/mamba.py and mamba2.py).

A class with IsHybrid stays one for a file whose layers are all states: is_hybrid in config/model.py, alike in
0.19.1, 0.24.0, 0.26.0, 0.28.0, 0.30.0, 0.32.0 and 0.33.0.
"""


def is_hybrid_class(architecture: str | None) -> bool:
    """Return whether states are those of a class that may have attention, too; False for an unknown type."""
    return architecture is not None and architecture not in _ATTENTION_FREE


def require_served(architecture: str | None, layers: Sequence[Layer], rules: VllmRules) -> None:
    """
    Raise RefusedError for a model type that a release, as vLLM itself says, no longer serves, or never did.

    The oldest known rules stand for the releases before them, too. One that vLLM caches otherwise than its
    spec says is refused, too. A design without a type is taken for one that somebody has a class for.
    """
    if architecture in _EXPANDED:
        raise RefusedError(
            f"{rules.name} stores {_EXPANDED[architecture]} {architecture}, not its latent: give a spec "
            "of the kind mha, without an architecture"
        )
    if architecture in _UNREAD:
        raise RefusedError(
            f"how {rules.name} keeps the cache of {architecture} is not known to kvplan: "
            "choose another engine"
        )
    last = _LAST.get(architecture or "")
    if last is not None and rules.version > max(last, RELEASES[0].version):
        raise RefusedError(
            f"{rules.name} no longer serves {architecture}: {last[0]}.{last[1]} was the last release that did"
        )
    never = architecture in _NEVER | _OF_OWN_CODE | _OTHER_DESIGN
    if last is None and (never or _has_no_cross_attention(architecture, layers)):
        raise RefusedError(f"{rules.name} has no class that serves {architecture}: choose another engine")


_UNDIVIDED = {"biogpt": (0, 0), "persimmon": (0, 25)}
"""
Model types without a class since a release, and without a tensor parallel plan for the Transformers backend.

Their queries stay whole on each rank, and the attention behind them has but a rank's heads, so that shapes
differ in the first batch: vllm_attention_forward and _create_attention_instances in
model_executor/models/transformers of vLLM 0.33. Releases before it refuse such a model at once. Persimmon's
own class went after 0.25 (registry.py); BioGPT never had one.
"""


def require_divided(architecture: str | None, tp: int, rules: VllmRules) -> None:
    """Raise RefusedError for a model type that a release does not divide over tensor-parallel ranks."""
    since = _UNDIVIDED.get(architecture or "")
    if since is not None and tp > 1 and rules.version > since:
        raise RefusedError(
            f"{rules.name} does not divide {architecture} over tp={tp}: transformers has no tensor parallel "
            "plan for it, and its layers would stay whole on each rank, unlike their attention: use tp=1"
        )


_HIDDEN_BY_HEADS = frozenset({"bamba", "granitemoehybrid", "jamba"})
"""
Model types whose class takes hidden / heads for the size of a head, whatever `head_dim` says.

Source: model_executor/models of these names, alike in 0.19.1, 0.24.0, 0.28.0 and 0.33.0.
"""

_ALIGNS_WITHOUT_STATES = frozenset(
    {"nemotron_h", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text"}
)
"""
Model types whose blocks are aligned to a state though no layer keeps one.

The size of that state is the class's (get_mamba_state_shape_from_config), as is_hybrid in config/model.py of
0.33 goes by the outer file's `layer_types`, which these do not have.
"""


def require_own_shape(options: EngineOptions, layers: Sequence[Layer], rules: VllmRules) -> None:
    """Raise RefusedError for a model whose class makes something else of it than its spec says."""
    if options.architecture in _HIDDEN_BY_HEADS and not options.heads.filled:
        raise RefusedError(
            f"{rules.name} takes hidden / heads for the size of a head of {options.architecture}, whatever "
            "head_dim says: choose another engine, or leave head_dim out"
        )
    if options.architecture in _ALIGNS_WITHOUT_STATES and not options.has_states and layers:
        raise RefusedError(
            f"to which states {rules.name} aligns the blocks of {options.architecture} without any is not "
            "known to kvplan: choose another engine"
        )


def _has_no_cross_attention(architecture: str | None, layers: Sequence[Layer]) -> bool:
    """Return whether a published model type attends to an encoder, which no class of vLLM does for it."""
    if architecture is None or architecture in _ENCODER_DECODERS:
        return False
    return any(term.allocation.pool == "cross" for layer in distinct(layers) for term in layer)
