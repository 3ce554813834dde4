"""(a) The cache of real model classes, by the allocator's own count at two lengths."""

from functools import partial
from typing import Any

import torch

from kvplan.units import GIB
from kvplan.validate.feeding import encoder_inputs, encoder_tokens, feed
from kvplan.validate.gpu.grown import Feed, Subject, claims, grown_over
from kvplan.validate.gpu.meter import metered
from kvplan.validate.hf_models import build, is_since, quiet
from kvplan.validate.results import Measurement
from kvplan.validate.toys import Toy, toys

NAMES = (
    *("llama", "gpt-neox", "falcon-7b", "mistral", "gemma3", "gpt-oss", "llama4", "mimo-v2-flash"),
    *("gemma4, shared layers", "deepseek-v3", "deepseek-v3.2", "deepseek-v4"),
    *("falcon-mamba", "bamba", "qwen3-next", "kimi-linear", "minimax-01", "lfm2", "rwkv-4"),
    *("bart", "whisper", "mllama"),
)
"""One or two of each attention kind that a class of transformers caches and returns."""
BATCH = 2
WORKING_ROOM = 24 * GIB
"""What a forward pass of any of them may take beside weights and cache: Bamba's took 19.9 GiB."""


def chosen() -> list[Toy]:
    """Return the small models of L1 that this level runs, but for those of a later transformers."""
    by_name = {toy.name: toy for toy in toys()}
    return [by_name[name] for name in NAMES if is_since(by_name[name].since)]


def subject_of(toy: Toy, device: str) -> Subject:
    """Return what kvplan is told of a small model on *device*."""
    return Subject(
        name=toy.name,
        detail=toy.config_class,
        spec=toy.spec,
        traits=toy.traits,
        batch=BATCH,
        lengths=toy.device_lengths if device == "cuda" else toy.lengths,
        beside=partial(encoder_tokens, toy),
    )


def run_real(toy: Toy, device: str) -> list[Measurement]:
    """Return the bytes that prefills and a decode step leave on the device, beside the engine's."""
    subject = subject_of(toy, device)
    with metered(device) as meter, quiet():
        meter.require_free(WORKING_ROOM, f"a forward pass of {toy.config_class}")
        # On the CPU first: RWKV's initialisation needs cuSOLVER, which is none of this level's concern.
        model = build(toy.config_class, toy.model_class, toy.config, "cpu").to(device)
        # The first forward pass loads kernels and keeps workspaces, which are no part of a cache.
        grown_over(meter, _feeder(toy, model, 8), 8)
        found = [
            sizes
            for length in subject.lengths
            for sizes in grown_over(meter, _feeder(toy, model, length), length)
        ]
        del model
    return claims(subject, found)


def _feeder(toy: Toy, model: Any, length: int) -> Feed:  # noqa: ANN401 - a torch module
    """Return what feeds the model; the encoder's input for a prompt of *length* tokens is made once."""
    encoder = encoder_inputs(toy, encoder_tokens(toy, length), BATCH, str(model.device))

    def more(tokens: int, cache: Any) -> Any:  # noqa: ANN401 - transformers' objects
        ids = torch.full((BATCH, tokens), 7, device=model.device)
        return feed(toy, model, ids, encoder, cache)

    return more
