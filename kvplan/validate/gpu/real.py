"""(a) The cache of real model classes, by the allocator's own count at two lengths."""

from dataclasses import replace
from typing import Any

import torch

from kvplan.engines.transformers.caches import Moment, allocated
from kvplan.validate.gpu.meter import Meter, metered
from kvplan.validate.hf_models import build, cache_key, cache_of, quiet, stage_of
from kvplan.validate.results import Measurement
from kvplan.validate.toys import Toy, toys

NAMES = ("llama", "falcon-7b", "mistral", "gemma3", "gpt-oss", "deepseek-v3", "bamba", "qwen3-next")
BATCH = 2


def chosen() -> list[Toy]:
    """Return the small models of L1 that this level runs: one or two of each family."""
    by_name = {toy.name: toy for toy in toys()}
    return [by_name[name] for name in NAMES]


def run_real(toy: Toy, device: str) -> list[Measurement]:
    """Return the bytes that prefills and a decode step leave on the device, beside the engine's."""
    lengths = toy.device_lengths if device == "cuda" else toy.lengths
    with metered(device) as meter, quiet():
        model = build(toy.config_class, toy.model_class, toy.config, device)
        # The first forward pass loads kernels and keeps workspaces, which are no part of a cache.
        grown_over(meter, model, BATCH, 8)
        prefills, decodes = zip(*(grown_over(meter, model, BATCH, length) for length in lengths), strict=True)
        del model
    sizes = [
        *(_size(toy, tokens, "prefill", found) for tokens, found in zip(lengths, prefills, strict=True)),
        *(_size(toy, tokens + 1, "decode", found) for tokens, found in zip(lengths, decodes, strict=True)),
    ]
    return [*sizes, _slope(lengths, sizes[:2])]


def grown_over(meter: Meter, model: Any, batch: int, length: int) -> tuple[int, int]:  # noqa: ANN401
    """
    Return by how much a prefill raises the requested bytes, and by how much a token later.

    A prefill may leave a view of more than the cache holds; a decode step that keeps a window whole
    shows in the second. Tensors without dimensions on the device are left out, as in L1: transformers
    keeps each sliding layer's window as one, 8 bytes.
    """
    meter.clear()
    before = meter.requested()
    cache, sizes = None, []
    for tokens in (length, 1):
        ids = torch.full((batch, tokens), 7, device=meter.device)
        given: dict[str, Any] = {} if cache is None else {cache_key(model): cache}
        cache = cache_of(model(input_ids=ids, use_cache=True, **given)) or cache
        del ids, given
        meter.clear()
        sizes.append(meter.requested() - before - _bookkeeping(cache, meter.device))
    del cache
    meter.clear()
    return sizes[0], sizes[1]


def _bookkeeping(cache: Any, device: str) -> int:  # noqa: ANN401 - transformers' objects
    """Return the bytes of the tensors without dimensions that a cache's layers hold on *device*."""
    held = [value for layer in cache.layers for value in vars(layer).values()]
    scalars = [value for value in held if isinstance(value, torch.Tensor) and not value.dim()]
    return sum(scalar.element_size() for scalar in scalars if scalar.device.type == device)


def _size(toy: Toy, tokens: int, moment: Moment, found: int) -> Measurement:
    what = "a prefill of {} tokens leaves" if moment == "prefill" else "a decode step to {} tokens leaves"
    return Measurement(
        level="L4",
        subject=toy.name,
        claim=f"requested bytes that {what.format(tokens)}",
        predicted=allocated(
            stage_of(toy.spec), tokens=tokens, batch=BATCH, tp=1, moment=moment, traits=toy.traits
        ),
        measured=found,
        unit="bytes",
        detail=f"{toy.config_class}, {BATCH} sequences",
    )


def _slope(lengths: tuple[int, int], prefills: list[Measurement]) -> Measurement:
    step = BATCH * (lengths[1] - lengths[0])
    low, high = prefills
    return replace(
        high,
        claim=f"requested bytes per token, {lengths[0]} to {lengths[1]} tokens",
        predicted=((high.predicted or 0) - (low.predicted or 0)) / step,
        measured=(high.measured - low.measured) / step,
        unit="bytes/token",
    )
