"""
What llama.cpp makes of a model beside its shape, by the architecture of its spec.

Read in llama.cpp 0c1e57098: src/llama-model.cpp (create_memory), src/models/ and conversion/.
"""

from kvplan.engines.llamacpp.errors import RefusedError

_WINDOWS_KEPT_WHOLE = frozenset(
    {
        # src/models/llama.cpp, which Mistral and Mixtral become, reads no window.
        "mistral",
        "mixtral",
        # Nor do starcoder2.cpp, plamo2.cpp and phimoe.cpp; phi3.cpp reads one and turns it off.
        "starcoder2",
        "plamo2",
        "phimoe",
        "phi3",
        "phi3_v",
        # Nor do qwen2.cpp, which MiMo becomes, qwen2moe.cpp, qwen2vl.cpp, qwen3.cpp and qwen3moe.cpp.
        "mimo",
        "qwen2",
        "qwen2_5_omni_text",
        "qwen2_5_vl",
        "qwen2_5_vl_text",
        "qwen2_moe",
        "qwen2_vl",
        "qwen2_vl_text",
        "qwen3",
        "qwen3_moe",
    }
)

_NO_ARCHITECTURE = frozenset(
    {
        "bart",
        "deepseek_v41_text",
        "gla",
        "gla_swa",
        "hymba",
        "linear_transformer",
        "longcat2",
        "longcat_flash",
        "mllama_text_model",
        "olmo_hybrid",
        "opt",
        "phi3small",
        "phi4flash",
        "recurrent_gemma",
        "retnet",
        "rwkv",
        "rwkv5",
        "whisper",
        "xlstm",
        "yuan",
        "zamba",
        "zamba2",
    }
)

_UNREAD = frozenset(
    {
        "dory",
        "dots3_note_text",
        "glm5_next_text",
        "inkling2_loop_text",
        "inkling2_text",
        "inkling_text",
        "lara_mini",
        "moshi",
        "qwen4_exp_text",
        "zaya",
    }
)
"""Layers run several times, beside convolutions, with windows or indexers, whose graphs are not read."""


def honours_windows(architecture: str | None) -> bool:
    """
    Return whether llama.cpp gives the sliding layers of an architecture a cache of their own.

    A spec without one says of its layers what llama.cpp does, as the metadata of a GGUF file.
    """
    return architecture not in _WINDOWS_KEPT_WHOLE


def require_architecture(architecture: str | None) -> None:
    """Raise RefusedError for an architecture that llama.cpp cannot load."""
    if architecture in _NO_ARCHITECTURE:
        raise RefusedError(f"llama.cpp has no architecture for {architecture}: choose another engine")
    if architecture in _UNREAD:
        raise RefusedError(
            f"how llama.cpp keeps the cache of {architecture} is not known to kvplan: choose another engine"
        )
