"""
What llama.cpp makes of a catalogue model beside its shape, by how the spec's name begins.

Read in llama.cpp 0c1e57098: src/llama-model.cpp (create_memory), src/models/ and conversion/.
"""

from kvplan.engines.llamacpp.errors import RefusedError

_WINDOWS_KEPT_WHOLE = (
    # src/models/llama.cpp reads no window.
    "mistral-7b-v0.1",
    "e5-mistral-7b",
    # Nor do starcoder2.cpp, plamo2.cpp and phimoe.cpp; phi3.cpp reads one and turns it off.
    "starcoder2-",
    "plamo-2-",
    "phi-mini-moe",
    "phi-3",
)

_NO_ARCHITECTURE = (
    "bart-",
    "deepseek-v4.1-",
    "gla-",
    "hymba-",
    "linear-transformer-",
    "llama-3.2-11b-vision",
    "longcat-",
    "olmo-hybrid-",
    "opt-",
    "phi-3-small-",
    "phi-4-mini-flash-",
    "recurrentgemma-",
    "retnet-",
    "rwkv-4-",
    "rwkv-5-",
    "spikingbrain-",
    "whisper-",
    "xlstm-",
    "yuan",
    "zamba",
)


def honours_windows(model: str) -> bool:
    """Return whether llama.cpp gives the sliding layers of *model* a cache of their own."""
    return not model.startswith(_WINDOWS_KEPT_WHOLE)


def require_architecture(model: str) -> None:
    """Raise RefusedError for a catalogue model that llama.cpp cannot load."""
    if model.startswith(_NO_ARCHITECTURE):
        raise RefusedError(f"llama.cpp has no architecture for {model}: choose another engine")
