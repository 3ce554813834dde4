"""What a model's cache adds to the allocator's requested bytes, over a prefill and a decode step after it."""

from collections.abc import Callable
from typing import Any

from kvplan.engines.transformers.caches import Moment, Traits, allocated, kept
from kvplan.errors import UnknownNameError
from kvplan.records import record
from kvplan.specs.model import ModelSpec
from kvplan.validate.cachewalk import bookkeeping_bytes, copies_of
from kvplan.validate.gpu.meter import Meter
from kvplan.validate.hf_models import stage_of
from kvplan.validate.results import Measurement, Number

Feed = Callable[[int, Any], Any]
"""Feeds so many tokens after those of a cache (None at first), and returns the cache of all of them."""


@record
class Subject:
    """
    A model as kvplan is told of it, and the two prompts that it is given.

    `beside` tells the tokens of its encoder for a prompt's length, None without an encoder.
    """

    name: str
    detail: str
    spec: ModelSpec
    traits: Traits
    batch: int
    lengths: tuple[int, int]
    beside: Callable[[int], int | None] = lambda _: None


@record
class Instant:
    """A moment of a run: the tokens fed by then, and those of the encoder."""

    tokens: int
    encoder_tokens: int | None
    moment: Moment

    def __str__(self) -> str:
        if self.moment == "prefill":
            return f"a prefill of {self.tokens} tokens leaves"
        return f"a decode step to {self.tokens} tokens leaves"


@record
class Sizes:
    """
    What a cache takes at a moment, predicted or measured.

    `memory` are the bytes behind its tensors, None where no formula says them; a view may keep more
    alive than it contains. `data` are the bytes of copies of them, which contain as much and no more.
    """

    memory: int | None
    data: int


def instants(subject: Subject) -> list[Instant]:
    """Return the moments that are looked at: a prefill of each length, and the decode step after it."""
    moments: tuple[tuple[int, Moment], ...] = ((0, "prefill"), (1, "decode"))
    return [
        Instant(tokens=length + fed, encoder_tokens=subject.beside(length), moment=moment)
        for length in subject.lengths
        for fed, moment in moments
    ]


def predictions(subject: Subject) -> list[Sizes]:
    """Return what the engine says of each moment, before anything runs."""
    return [_predicted(subject, instant) for instant in instants(subject)]


def _predicted(subject: Subject, instant: Instant) -> Sizes:
    stage = stage_of(subject.spec, instant.encoder_tokens)
    tokens, batch, traits = instant.tokens, subject.batch, subject.traits
    data = kept(stage, tokens=tokens, batch=batch, tp=1, traits=traits)
    try:
        memory = allocated(stage, tokens=tokens, batch=batch, tp=1, moment=instant.moment, traits=traits)
    except UnknownNameError:
        return Sizes(memory=None, data=data)
    return Sizes(memory=memory, data=data)


def grown_over(meter: Meter, feed: Feed, length: int) -> list[Sizes]:
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
        cache = feed(tokens, cache)
        meter.clear()
        memory = meter.requested() - before - bookkeeping_bytes(cache, meter.device)
        sizes.append(Sizes(memory=memory, data=_copied(meter, cache)))
    del cache
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


def claims(subject: Subject, found: list[Sizes]) -> list[Measurement]:
    """Return what was *found* at each moment, and the slope of the prefills, beside the predictions."""
    planned = predictions(subject)
    sizes = [
        measurement
        for instant, plan, measured in zip(instants(subject), planned, found, strict=True)
        for measurement in _at(subject, instant, plan, measured)
    ]
    return [*sizes, _slope(subject, planned[::2], found[::2])]


def _at(subject: Subject, instant: Instant, plan: Sizes, found: Sizes) -> list[Measurement]:
    return [
        _claim(subject, f"requested bytes that {instant}", plan.memory, found.memory or 0),
        _claim(subject, f"requested bytes of a copy of what {instant}", plan.data, found.data),
    ]


def _slope(subject: Subject, planned: list[Sizes], found: list[Sizes]) -> Measurement:
    short, long = subject.lengths
    step = subject.batch * (long - short)
    plan, measured = ((high.data - low.data) / step for low, high in (planned, found))
    claim = f"requested bytes per token of the copies, {short} to {long} tokens"
    return _claim(subject, claim, plan, measured, "bytes/token")


def _claim(
    subject: Subject, claim: str, predicted: Number | None, measured: Number, unit: str = "bytes"
) -> Measurement:
    return Measurement(
        level="L4",
        subject=subject.name,
        claim=claim,
        predicted=predicted,
        measured=measured,
        unit=unit,
        rule="finding" if predicted is None else "equal",
        detail=f"{subject.detail}, {subject.batch} sequences",
    )
