"""What every answer about phases has: two instances, or one for both, and the least times of their work."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from kvplan.errors import OptionsError
from kvplan.phases.bounds import (
    DecodeBound,
    Speeds,
    decode_bound,
    most_requests_per_second,
    prefill_seconds,
    require_bandwidth,
    require_flops,
    speeds_of,
)
from kvplan.phases.reading import active
from kvplan.planner import words
from kvplan.planner.deployment import Deployment
from kvplan.planner.facts import Assumed, BeyondContext, Warned
from kvplan.planner.fit import warnings_of_plan
from kvplan.planner.plan import Plan
from kvplan.planner.results import Answer, figure
from kvplan.records import record
from kvplan.units import ceil_div, parse_flops, parse_rate, parse_seconds


class Known(NamedTuple):
    """What was said of times and speeds, in seconds and per second; None where a bound stands in."""

    tpot: float | None = None
    prefill: float | None = None
    bandwidth: int | None = None
    flops: int | None = None


def read_known(options: Mapping[str, Any]) -> Known:
    """Return what options say of times and speeds; raise UnitError for one without its unit."""
    texts = (
        (options.get("tpot"), parse_seconds),
        (options.get("prefill_time"), parse_seconds),
        (options.get("bandwidth"), parse_rate),
        (options.get("flops"), parse_flops),
    )
    found: list[Any] = [None if text is None else read(text) for text, read in texts]
    return Known(*found)


@record(slots=False, eq=False)
class Timed(Answer):
    """
    Requests of one `prompt`, between a deployment that computes it and one that decodes.

    Plans are there where a card or its memory was given. Times are the least that is possible, unless they
    were given: see `prefill_given` and `tpot_given`. They are bounds, and no predictions.
    """

    prefilling: Deployment
    decoding: Deployment
    plans: tuple[Plan, Plan] | None
    prompt: int
    known: Known
    asked_output: int | None
    asked_batch: int | None

    @figure
    def model(self) -> str:
        """The model's name."""
        return self.prefilling.spec.name

    @figure
    def engine(self) -> str:
        """Whose rules these are, with its release."""
        return self.decoding.engine.name

    @figure
    def kv_dtype(self) -> str:
        """How the cache is stored."""
        return self.prefilling.kv.name

    @figure
    def gpu(self) -> str | None:
        """The card that prefills; None where none was named."""
        return self.plans[0].gpu if self.plans else None

    @figure
    def tp(self) -> int:
        """Tensor-parallel GPUs of an instance that prefills."""
        return self.prefilling.tp

    @figure
    def pp(self) -> int:
        """Its pipeline stages."""
        return self.prefilling.choice.pp

    @figure
    def dp(self) -> int:
        """Its replicas, each of which computes a prompt of its own."""
        return self.prefilling.dp

    @figure
    def context(self) -> int:
        """The tokens of a prompt."""
        return self.prompt

    @figure
    def output(self) -> int | None:
        """The tokens that a request generates; None where that was not said."""
        return self.asked_output

    @figure
    def prefill_given(self) -> bool:
        """Whether `prefill_seconds` was given, and is no bound."""
        return self.known.prefill is not None

    @figure
    def prefill_seconds(self) -> float | None:
        """The time to prefill the prompt: what was given, or the least that is possible; None if unknown."""
        if self.known.prefill is not None or self.plans is None or not self.prefill_speeds.flops:
            return self.known.prefill
        return prefill_seconds(self.plans[0], self.prompt, self.prefill_speeds.flops)

    @figure
    def prompts_per_second(self) -> float | None:
        """The most prompts that an instance computes in a second."""
        return self.dp / self.prefill_seconds if self.prefill_seconds else None

    @figure
    def fits(self) -> bool | None:
        """Whether the prompt has room, and all that decode at once; None where no memory was named."""
        if self.plans is None:
            return None
        prefill, decode = (
            plan.max_batch(tokens) for plan, tokens in zip(self.plans, self._lengths, strict=True)
        )
        return prefill != 0 and (decode is None or decode >= (self.asked_batch or 1))

    @figure
    def held(self) -> int | None:
        """The sequences that decode at once on an instance: as asked, or as many as it holds."""
        if self.asked_batch is not None or self.plans is None:
            return self.asked_batch
        return self.plans[1].max_batch(self._lengths[1])

    @figure
    def decode(self) -> DecodeBound | None:
        """The least time of a step with these; None where there are none, or the bandwidth is unknown."""
        if self.plans is None or not self.held or self.decode_speeds.bandwidth is None:
            return None
        share = ceil_div(self.held, self.decoding.dp)
        return decode_bound(self.plans[1], self.prompt, share, self.decode_speeds.bandwidth)

    @figure
    def tpot_given(self) -> bool:
        """Whether `tpot_seconds` was given, and is no bound."""
        return self.known.tpot is not None

    @figure
    def tpot_seconds(self) -> float | None:
        """The time per output token: what was given, or the least time of a step; None if unknown."""
        return self.known.tpot or (self.decode.seconds if self.decode else None)

    @figure
    def requests_per_second(self) -> float | None:
        """The most requests that an instance decodes in a second, by Little's law; None without `output`."""
        before = self._before_decode
        if not self.held or self.tpot_seconds is None or self.output is None or before is None:
            return None
        return most_requests_per_second(self.held, before, self.output, self.tpot_seconds)

    @figure
    def warnings(self) -> tuple[Warned, ...]:
        """What to know before the figures are relied on."""
        return tuple(self._warnings())

    def _said(self) -> dict[str, Any]:
        return {"warnings": tuple(map(words.warning, self.warnings))}

    @cached_property
    def prefill_speeds(self) -> Speeds:
        """How fast the card that prefills can be."""
        return self._speeds(0)

    @cached_property
    def decode_speeds(self) -> Speeds:
        """How fast the card that decodes can be."""
        return self._speeds(1)

    @property
    def _before_decode(self) -> float | None:
        """The seconds for which a request holds its cache before it decodes; None if they are not known."""
        raise NotImplementedError

    @property
    def _lengths(self) -> tuple[int, int]:
        """The tokens of the prompt, and of a request at its end."""
        return self.prompt, self.prompt + (self.asked_output or 0)

    def _speeds(self, number: int) -> Speeds:
        bandwidth, flops = self.known.bandwidth, self.known.flops
        if self.plans is None:
            return Speeds(bandwidth=bandwidth, flops=flops)
        return speeds_of(self.plans[number], bandwidth=bandwidth, flops=flops)

    def _warnings(self) -> Iterator[Warned]:
        spec, longest = self.prefilling.spec, self._lengths[1]
        if spec.max_context is not None and longest > spec.max_context:
            yield BeyondContext(model=spec.name, context=longest, max_context=spec.max_context)
        yield from dict.fromkeys((*self.prefilling.notes, *self.decoding.notes))
        yield from dict.fromkeys(each for plan in self.plans or () for each in warnings_of_plan(plan))
        unknown = (active(spec).why if self.plans else None, *self._unknown_speeds())
        yield from (Assumed(text=text) for text in unknown if text)

    def _unknown_speeds(self) -> Iterator[str]:
        """Yield what is not known of a card, and what to give, where a bound needs it."""
        if self.plans is None:
            return
        prefill, decode = (plan.asked.card() for plan in self.plans)
        try:
            if not self.prefill_given:
                require_flops(self.prefill_speeds, prefill)
        except OptionsError as error:
            yield error.line
        try:
            if not self.tpot_given:
                require_bandwidth(self.decode_speeds, decode)
        except OptionsError as error:
            yield error.line
