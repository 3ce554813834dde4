"""(e) Published models at full size on the device, with random weights: nothing is scaled down."""

from inspect import signature
from typing import Any

import torch

from kvplan.engines.transformers.caches import traits_of
from kvplan.planner.splits import heads_of
from kvplan.records import record
from kvplan.specs.load import load
from kvplan.units import GIB
from kvplan.validate.full_models import FullModel, full_models
from kvplan.validate.gpu.grown import Feed, Sizes, Subject, claims, grown_over
from kvplan.validate.gpu.meter import Meter, metered
from kvplan.validate.hf_models import build, cache_key, cache_of, quiet
from kvplan.validate.results import Measurement, SkippedError

BATCH = 4


@record
class FullSize:
    """
    A model of L2 that one card holds, and what it takes there.

    `room_bytes` is what its weights, its longest cache and its forward passes may take together.
    """

    full: FullModel
    room_bytes: int


def full_sizes() -> list[FullSize]:
    """Return the models that are built at full size, one or more of each family of caches."""
    by_name = {full.model: full for full in full_models()}
    return [FullSize(full=by_name[name], room_bytes=room) for name, room in _ROOMS.items()]


# A fifth more than the peaks of torch 2.11's allocator for these lengths, with transformers 5.17.
_ROOMS = {
    "llama-3.1-8b": 29 * GIB,
    "mistral-7b-v0.1": 27 * GIB,
    "deepseek-v2-lite": 43 * GIB,
    "bamba-9b": 82 * GIB,
    "gemma-3-27b": 88 * GIB,
    "qwen3.5-27b": 79 * GIB,
}


def subject_of(full: FullModel) -> Subject:
    """Return what the catalogue tells of a published model."""
    spec = load(full.model)
    return Subject(
        name=spec.name,
        detail=f"{full.config_class} at full size in {spec.dtype}",
        spec=spec,
        traits=traits_of(spec.architecture, heads_of(spec).sharing),
        batch=BATCH,
        lengths=full.device_lengths,
    )


def run_full_size(each: FullSize, device: str) -> list[Measurement]:
    """Return the bytes that a model's cache adds on a GPU, beside those of the catalogue's spec."""
    if device != "cuda":
        raise SkippedError(f"needs a GPU with {each.room_bytes / GIB:.0f} GiB free")
    full, subject = each.full, subject_of(each.full)
    with metered(device) as meter, quiet():
        meter.require_free(each.room_bytes, f"{subject.name} at full size")
        dtype = subject.spec.dtype
        model = build(
            full.config_class, "AutoModelForCausalLM", full.config, device, dtype=dtype, experts=None
        )
        try:
            found = _measured(meter, subject, model)
        finally:
            # Tens of GiB must not outlive a check that breaks.
            del model
    return claims(subject, found)


def _measured(meter: Meter, subject: Subject, model: Any) -> list[Sizes]:  # noqa: ANN401 - a torch module
    feed = _feeder(model)
    # The first forward pass loads kernels and keeps workspaces, which are no part of a cache.
    grown_over(meter, feed, subject.lengths[0])
    return [sizes for length in subject.lengths for sizes in grown_over(meter, feed, length)]


def _feeder(model: Any) -> Feed:  # noqa: ANN401 - a torch module
    """Return what feeds the model; of its logits, as large as a cache, only the last are made."""
    last = {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}

    def more(tokens: int, cache: Any) -> Any:  # noqa: ANN401 - transformers' objects
        ids = torch.zeros((BATCH, tokens), dtype=torch.long, device=model.device)
        given = {} if cache is None else {cache_key(model): cache}
        return cache_of(model(input_ids=ids, use_cache=True, **last, **given)) or cache

    return more
