"""(a) The cache of real model classes, by the allocator's own count at two lengths."""

from dataclasses import dataclass
from typing import Any

import torch

from kvplan.engines.transformers.caches import Moment, allocated, kept
from kvplan.errors import UnknownNameError
from kvplan.units import GIB
from kvplan.validate.cachewalk import bookkeeping_bytes, copies_of
from kvplan.validate.feeding import encoder_inputs, encoder_tokens, feed
from kvplan.validate.gpu.meter import Meter, metered
from kvplan.validate.hf_models import build, is_since, quiet, stage_of
from kvplan.validate.results import Measurement, Number
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A moment of a run: the tokens fed by then, and those of the encoder."""

    tokens: int
    encoder_tokens: int | None
    moment: Moment

    def __str__(self) -> str:
        if self.moment == "prefill":
            return f"a prefill of {self.tokens} tokens leaves"
        return f"a decode step to {self.tokens} tokens leaves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """
    What a cache takes at a moment, predicted or measured.

    `memory` are the bytes behind its tensors, None where no formula says them; a view may keep more
    alive than it contains. `data` are the bytes of copies of them, which contain as much and no more.
    """

    memory: int | None
    data: int


def chosen() -> list[Toy]:
    """Return the small models of L1 that this level runs, but for those of a later transformers."""
    by_name = {toy.name: toy for toy in toys()}
    return [by_name[name] for name in NAMES if is_since(by_name[name].since)]


def run_real(toy: Toy, device: str) -> list[Measurement]:
    """Return the bytes that prefills and a decode step leave on the device, beside the engine's."""
    lengths = toy.device_lengths if device == "cuda" else toy.lengths
    with metered(device) as meter, quiet():
        meter.require_free(WORKING_ROOM, f"a forward pass of {toy.config_class}")
        # On the CPU first: RWKV's initialisation needs cuSOLVER, which is none of this level's concern.
        model = build(toy.config_class, toy.model_class, toy.config, "cpu").to(device)
        # The first forward pass loads kernels and keeps workspaces, which are no part of a cache.
        grown_over(meter, toy, model, 8)
        found = [sizes for length in lengths for sizes in grown_over(meter, toy, model, length)]
        del model
    when = [instant for length in lengths for instant in instants(toy, length)]
    predicted = [predictions(toy, instant) for instant in when]
    sizes = [
        measurement
        for instant, plan, measured in zip(when, predicted, found, strict=True)
        for measurement in _claims(toy, instant, plan, measured)
    ]
    # The slope is that of the prefills, each the first of a length.
    return [*sizes, _slope(toy, lengths, predicted[::2], found[::2])]


def instants(toy: Toy, length: int) -> tuple[Instant, Instant]:
    """Return a prefill of *length* tokens and the decode step after it."""
    beside = encoder_tokens(toy, length)
    return (
        Instant(tokens=length, encoder_tokens=beside, moment="prefill"),
        Instant(tokens=length + 1, encoder_tokens=beside, moment="decode"),
    )


def predictions(toy: Toy, instant: Instant) -> Sizes:
    """Return what the engine says of a moment, before anything runs."""
    stage = stage_of(toy.spec, instant.encoder_tokens)
    data = kept(stage, tokens=instant.tokens, batch=BATCH, tp=1, traits=toy.traits)
    try:
        memory = allocated(
            stage, tokens=instant.tokens, batch=BATCH, tp=1, moment=instant.moment, traits=toy.traits
        )
    except UnknownNameError:
        return Sizes(memory=None, data=data)
    return Sizes(memory=memory, data=data)


def grown_over(meter: Meter, toy: Toy, model: Any, length: int) -> list[Sizes]:  # noqa: ANN401
    """
    Return by how much a prefill raises the requested bytes, and by how much a token later.

    A prefill may leave a view of more than the cache holds; a decode step that keeps a window whole
    shows in the second. Tensors without dimensions on the device are left out, as in L1: transformers
    keeps each sliding layer's window as one, 8 bytes.
    """
    encoder = encoder_inputs(toy, encoder_tokens(toy, length), BATCH, meter.device)
    meter.clear()
    before = meter.requested()
    cache, sizes = None, []
    for tokens in (length, 1):
        ids = torch.full((BATCH, tokens), 7, device=meter.device)
        cache = feed(toy, model, ids, encoder, cache)
        del ids
        meter.clear()
        memory = meter.requested() - before - bookkeeping_bytes(cache, meter.device)
        sizes.append(Sizes(memory=memory, data=_copied(meter, cache)))
    del cache, encoder
    meter.clear()
    return sizes


def _copied(meter: Meter, cache: object) -> int:
    """Return the requested bytes of a copy of each of the cache's tensors."""
    before = meter.requested()
    copies = copies_of(cache)
    grown = meter.requested() - before
    del copies
    meter.clear()
    return grown


def _claims(toy: Toy, instant: Instant, predicted: Sizes, measured: Sizes) -> list[Measurement]:
    return [
        _claim(toy, f"requested bytes that {instant}", predicted.memory, measured.memory or 0),
        _claim(toy, f"requested bytes of a copy of what {instant}", predicted.data, measured.data),
    ]


def _slope(toy: Toy, lengths: tuple[int, int], predicted: list[Sizes], measured: list[Sizes]) -> Measurement:
    step = BATCH * (lengths[1] - lengths[0])
    plan, found = ((sizes[1].data - sizes[0].data) / step for sizes in (predicted, measured))
    claim = f"requested bytes per token of the copies, {lengths[0]} to {lengths[1]} tokens"
    return _claim(toy, claim, plan, found, "bytes/token")


def _claim(
    toy: Toy, claim: str, predicted: Number | None, measured: Number, unit: str = "bytes"
) -> Measurement:
    return Measurement(
        level="L4",
        subject=toy.name,
        claim=claim,
        predicted=predicted,
        measured=measured,
        unit=unit,
        rule="finding" if predicted is None else "equal",
        detail=f"{toy.config_class}, {BATCH} sequences",
    )
