"""(a) The cache of real model classes, by the allocator's own count at two lengths."""

from typing import Any

import torch

from kvplan.engines.transformers.caches import allocated
from kvplan.validate.gpu.meter import Meter, metered
from kvplan.validate.hf_models import build, cache_of, quiet, stage_of
from kvplan.validate.results import Measurement
from kvplan.validate.toys import Toy, toys

NAMES = ("llama", "falcon-7b", "mistral", "gemma3", "gpt-oss", "deepseek-v3", "bamba", "qwen3-next")
BATCH = 2


def chosen() -> list[Toy]:
    """Return the small models of L1 that this level runs: one or two of each family."""
    by_name = {toy.name: toy for toy in toys()}
    return [by_name[name] for name in NAMES]


def run_real(toy: Toy, device: str) -> list[Measurement]:
    """Return the bytes that a prefill leaves on the device, beside the `transformers` engine's."""
    lengths = toy.device_lengths if device == "cuda" else toy.lengths
    with metered(device) as meter, quiet():
        model = build(toy.config_class, toy.model_class, toy.config, device)
        # The first forward pass loads kernels and keeps workspaces, which are no part of a cache.
        _grown(meter, model, 8)
        grown = [_grown(meter, model, length) for length in lengths]
        del model
    predicted = [
        allocated(stage_of(toy.spec), tokens=length, batch=BATCH, tp=1, moment="prefill", traits=toy.traits)
        for length in lengths
    ]
    return [*_sizes(toy, lengths, predicted, grown), _slope(toy, lengths, predicted, grown)]


def _grown(meter: Meter, model: Any, length: int) -> int:  # noqa: ANN401 - a torch module
    """
    Return by how much a prefill and its cache raise the requested bytes.

    Tensors without dimensions on the device are left out, as in L1: transformers keeps each sliding
    layer's window as one, 8 bytes.
    """
    ids = torch.full((BATCH, length), 7, device=meter.device)
    meter.clear()
    before = meter.requested()
    cache = cache_of(model(input_ids=ids, use_cache=True))
    meter.clear()
    grown = meter.requested() - before - _bookkeeping(cache, meter.device)
    del cache
    meter.clear()
    return grown


def _bookkeeping(cache: Any, device: str) -> int:  # noqa: ANN401 - transformers' objects
    """Return the bytes of the tensors without dimensions that a cache's layers hold on *device*."""
    held = [value for layer in cache.layers for value in vars(layer).values()]
    scalars = [value for value in held if isinstance(value, torch.Tensor) and not value.dim()]
    return sum(scalar.element_size() for scalar in scalars if scalar.device.type == device)


def _sizes(toy: Toy, lengths: tuple[int, int], predicted: list[int], grown: list[int]) -> list[Measurement]:
    return [
        Measurement(
            level="L4",
            subject=toy.name,
            claim=f"requested bytes that a prefill of {length} tokens leaves",
            predicted=expected,
            measured=found,
            unit="bytes",
            detail=f"{toy.config_class}, {BATCH} sequences",
        )
        for length, expected, found in zip(lengths, predicted, grown, strict=True)
    ]


def _slope(toy: Toy, lengths: tuple[int, int], predicted: list[int], grown: list[int]) -> Measurement:
    step = BATCH * (lengths[1] - lengths[0])
    return Measurement(
        level="L4",
        subject=toy.name,
        claim=f"requested bytes per token, {lengths[0]} to {lengths[1]} tokens",
        predicted=(predicted[1] - predicted[0]) / step,
        measured=(grown[1] - grown[0]) / step,
        unit="bytes/token",
        detail=f"{toy.config_class}, {BATCH} sequences",
    )
