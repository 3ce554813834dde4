"""What a small model is fed: token ids, what its encoder reads, and the cache of the tokens before."""

from collections.abc import Mapping
from typing import Any

from kvplan.validate.hf_models import cache_key, cache_of, new_cache
from kvplan.validate.toys import Toy

AUDIO_STRIDE = 2
"""Whisper's second convolution halves the frames: two of them make one encoder position."""


def encoder_tokens(toy: Toy, length: int) -> int | None:
    """Return an encoder's tokens: twice the decoder's, so that neither can stand for the other."""
    if toy.encoder == "audio":
        return int(toy.config["max_source_positions"])
    return 2 * length if toy.encoder else None


def encoder_inputs(toy: Toy, tokens: int | None, batch: int, device: str) -> dict[str, Any]:
    """Return random token ids, audio features or states for the encoder, if there is one."""
    import torch  # noqa: PLC0415 - only the checks need it

    length, config = tokens or 0, toy.config
    match toy.encoder:
        case "tokens":
            return {"input_ids": torch.randint(3, 250, (batch, length), device=device)}
        case "states":
            size = (batch, length, config["hidden_size"])
            return {"cross_attention_states": torch.randn(size, device=device, dtype=torch.bfloat16)}
        case "audio":
            size = (batch, config["num_mel_bins"], AUDIO_STRIDE * length)
            return {"input_features": torch.randn(size, device=device, dtype=torch.bfloat16)}
        case _:
            return {}


def feed(toy: Toy, model: Any, ids: Any, encoder: Mapping[str, Any], cache: Any = None) -> Any:  # noqa: ANN401
    """
    Feed token *ids* to a model after those of *cache*, and return the cache of all of them.

    Mllama's decoder takes `input_ids` itself, and reads its image from the cache after the first step.
    """
    decoder = toy.encoder in ("tokens", "audio")
    read = encoder if decoder or cache is None else {}
    if cache is None and toy.give_cache:
        cache = new_cache(model)
    given = {} if cache is None else {cache_key(model): cache}
    output = model(**{"decoder_input_ids" if decoder else "input_ids": ids}, **read, **given, use_cache=True)
    return found(output, cache)


def found(output: Any, given: Any = None) -> Any:  # noqa: ANN401 - transformers' objects
    """Return the cache that a model returned, or the one that it was *given*; raise if there is none."""
    cache = cache_of(output) or given
    if cache is None:
        raise RuntimeError("the model returned no cache")
    return cache
