"""
What a field that no reader knows could change: by its name and its value.

A name that says nothing here could change the cache, so that a file with it is refused. The rules are
for words that trainers, tools and newer classes put new names to; what is known by its whole name
stands in `harmless`.
"""

import re
from enum import Enum

from kvplan.importers.strict_json import Json


class Consequence(Enum):
    """What a field could change: nothing, the number of weights alone, or the cache."""

    NOTHING = "nothing"
    WEIGHTS = "weights"
    CACHE = "cache"


_NUMBER = (bool, int, float)
_SCALAR = (bool, int, float, str)

_NO_CONSEQUENCE: tuple[tuple[str, tuple[type, ...]], ...] = (
    # Which units are dropped, what is lost, where training starts: gone when the model is served.
    (r"(^|_)(dropout|pdrop|layerdrop)(_|$)", _NUMBER),
    (r"(^|_)(loss|losses)(_|$)", _SCALAR),
    (r"(^|_)(initializer|initialization)_(std|range|factor|scale|method|gain|seed)$", _SCALAR),
    (r"(^|_)init_(std|range|factor|scale|method|gain|seed|strategy)$", _SCALAR),
    (r"(^|_)(learning_rate|weight_decay|grad_clip|warmup|label_smoothing|jitter|seed)(_|$)", _SCALAR),
    (r"(^|_)(coef|coeff|coefficient)$", _NUMBER),
    (r"^(train|training|trainer|eval|dataset|wandb|deepspeed|fsdp|peft|unsloth|axolotl)_", _SCALAR),
    # Which token: an embedding has its row whether or not it is named.
    (r"_(token|tokens)_(id|ids|index|indices)$", (bool, int, list)),
    # The same tensors with other numbers in them, or by another kernel.
    (r"(^|_)(eps|epsilon)$", (int, float)),
    (r"_(theta|temperature|softcap|softcapping|multiplier)$", (int, float)),
    (r"_(implementation|kernel|kernels|backend)$", (bool, str)),
    (r"^(use|enable)_(fused|flash|triton|liger|xformers|sdpa|compile)(_|$)", (bool,)),
    # Who wrote the file, and for what.
    (r"(_|^)(version|commit|hash|revision|date|license|author|language)$", (str,)),
    (r"^for_[a-z_]+$", (bool,)),
)
"""Patterns of names, and the types of value with which a field so called changes nothing."""

_WEIGHTS = """
    expert experts moe router routed routing mlp ffn vocab vocabulary bias biases norm layernorm rmsnorm
"""
"""Words of a name that is about weights."""

_CACHE = """
    attention attn block blocks cache cached cell chunk cla compress context conv cross decoder delta depth
    dsa encoder full gdn gla global gqa group groups head heads index indexer k kda key keys kv latent layer
    layers len length linear local lora mamba memory mha mixer mla mqa nsa pattern position positions prefix
    q qk qkv recurrent retention rwkv seq sequence sink sinks sliding sparse ssm state states stride swa v
    value values window windows yoco
"""
"""Words of a name that could be about what a token or a sequence keeps."""

_WEIGHT_WORDS, _CACHE_WORDS = frozenset(_WEIGHTS.split()), frozenset(_CACHE.split())


def consequence(name: str, value: Json) -> Consequence:
    """Return what the field *name*, which nobody read, could change with this value."""
    # Null is how the config classes write that a part is not there.
    if value is None or any(
        re.search(pattern, name.lower()) and type(value) in types for pattern, types in _NO_CONSEQUENCE
    ):
        return Consequence.NOTHING
    words = set(re.split(r"[^a-z]+", name.lower()))
    if words & _WEIGHT_WORDS and not words & _CACHE_WORDS and type(value) in _SCALAR:
        return Consequence.WEIGHTS
    return Consequence.CACHE
