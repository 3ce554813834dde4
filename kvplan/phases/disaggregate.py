"""Prefill and decode on instances of their own: what moves between them, and how many decode."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Unpack

from kvplan.arguments import checked
from kvplan.errors import KvplanError, OptionsError
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
from kvplan.phases.links import Link, find_link, slowest_that_moves
from kvplan.phases.options import DisaggregateOptions
from kvplan.phases.reading import active
from kvplan.phases.transfer import Transfer, transfer
from kvplan.planner import words
from kvplan.planner.deployment import Choice, Deployment, deploy
from kvplan.planner.facts import Assumed, BeyondContext, Warned
from kvplan.planner.fit import plan_of
from kvplan.planner.options import part
from kvplan.planner.plan import Plan
from kvplan.planner.results import Answer, figure
from kvplan.planner.several_gpus import as_spread
from kvplan.planner.size import Model, as_spec
from kvplan.planner.work import as_context, as_tokens
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div, parse_flops, parse_rate, parse_seconds


class Known(NamedTuple):
    """What was said of times and speeds, in seconds and per second; None where a bound stands in."""

    tpot: float | None = None
    prefill: float | None = None
    bandwidth: int | None = None
    flops: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Disaggregation(Answer):
    """
    A prompt between an instance that computes it and one that decodes.

    Instances have a deployment each, and a plan where a card or its memory is given. Times are the least
    that is possible, unless they were given: see `prefill_given` and `tpot_given`.
    """

    prefilling: Deployment
    decoding: Deployment
    plans: tuple[Plan, Plan] | None
    prompt: int
    known: Known
    asked_output: int | None
    asked_batch: int | None
    over: Link | None
    side_by_side: int

    def __repr__(self) -> str:
        return f"<Disaggregation {self.model}: {self.prompt_bytes} bytes of {self.context} tokens>"

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
    def context(self) -> int:
        """The tokens of the prompt."""
        return self.prompt

    @figure
    def gpu(self) -> str | None:
        """The card that prefills; None where none was named."""
        return self.plans[0].budget.gpu if self.plans else None

    @figure
    def tp(self) -> int:
        """Tensor-parallel GPUs of an instance that prefills."""
        return self.prefilling.tp

    @figure
    def pp(self) -> int:
        """Pipeline stages of either instance."""
        return self.prefilling.choice.pp

    @figure
    def dp(self) -> int:
        """Replicas of an instance that prefills, each of which computes a prompt of its own."""
        return self.prefilling.dp

    @figure
    def decode_gpu(self) -> str | None:
        """The card that decodes; None where none was named."""
        return self.plans[1].budget.gpu if self.plans else None

    @figure
    def decode_tp(self) -> int:
        """Tensor-parallel GPUs of an instance that decodes."""
        return self.decoding.tp

    @figure
    def decode_dp(self) -> int:
        """Replicas of an instance that decodes, each with a cache of its own."""
        return self.decoding.dp

    @figure
    def prompt_bytes(self) -> int:
        """The prompt's cache with each unit once, by the formula: of windows and states what is left."""
        return self._moved.prompt_bytes

    @figure
    def stored_bytes(self) -> int:
        """What the ranks that prefill hold of it together: what TP cannot split is on several."""
        return self._moved.stored_bytes

    @figure
    def connector(self) -> str | None:
        """What of the engine moves a cache; None where kvplan knows none."""
        return self._moved.connector

    @figure
    def moved_bytes(self) -> int:
        """What moves to all GPUs that decode it: whole blocks by the connector, else each unit once."""
        moved = self._moved.moved_bytes
        return self.prompt_bytes if moved is None else moved

    @figure
    def rank_bytes(self) -> int | None:
        """What the GPU reads that reads most; None without a connector."""
        return self._moved.rank_bytes

    @figure
    def descriptors(self) -> tuple[int, int] | None:
        """
        The fewest and the most ranges of bytes for which that GPU asks; None without a connector.

        The fewest where the prompt's blocks lie in a row on both sides, the most where each lies apart.
        """
        fewest, most = self._moved.fewest, self._moved.most
        return None if fewest is None or most is None else (fewest, most)

    @figure
    def link(self) -> str | None:
        """The link by its name or rate; None where none was given."""
        return self.over.name if self.over else None

    @figure
    def links(self) -> int:
        """Such links side by side."""
        return self.side_by_side

    @figure
    def link_bytes_per_second(self) -> int | None:
        """What all links carry in one direction."""
        return self.over.bytes_per_second * self.side_by_side if self.over else None

    @figure
    def transfer_seconds(self) -> float | None:
        """The least time of the transfer over the links."""
        rate = self.link_bytes_per_second
        return self.moved_bytes / rate if rate else None

    @figure
    def prefill_given(self) -> bool:
        """Whether `prefill_seconds` was given, and is no bound."""
        return self.known.prefill is not None

    @figure
    def prefill_seconds(self) -> float | None:
        """The time to prefill the prompt: what was given, or the least that is possible; None if unknown."""
        if self.known.prefill is not None or self.plans is None or not self._prefill_speeds.flops:
            return self.known.prefill
        return prefill_seconds(self.plans[0], self.prompt, self._prefill_speeds.flops)

    @figure
    def needed_bytes_per_second(self) -> float | None:
        """The rate at which a transfer takes as long as the next prefill, behind which it then hides."""
        return self.moved_bytes * self.prompts_per_second if self.prompts_per_second else None

    @figure
    def slowest_link(self) -> str | None:
        """The slowest link with a name that carries so much alone; None if none does, or it is unknown."""
        needed = self.needed_bytes_per_second
        found = slowest_that_moves(needed) if needed else None
        return found.name if found else None

    @figure
    def hides(self) -> bool | None:
        """Whether the links carry as much; None where either rate is not known."""
        needed, rate = self.needed_bytes_per_second, self.link_bytes_per_second
        return None if needed is None or rate is None else rate >= needed

    @figure
    def exposed_seconds(self) -> float | None:
        """
        What is left of the transfer after the prefill, at least, if layers are sent one by one.

        The last layer's share waits for all of the prefill.
        """
        if self.transfer_seconds is None or self.prefill_seconds is None:
            return None
        last = 1 / self.prefilling.spec.layer_count
        return max(self.transfer_seconds * last, self.transfer_seconds - self.prefill_seconds * (1 - last))

    @figure
    def output(self) -> int | None:
        """The tokens that a request generates; None where that was not said."""
        return self.asked_output

    @figure
    def held(self) -> int | None:
        """The sequences that decode at once on an instance: as asked, or as many as it holds."""
        if self.asked_batch is not None or self.plans is None:
            return self.asked_batch
        return self.plans[1].max_batch(self.prompt + (self.asked_output or 0))

    @figure
    def fits(self) -> bool | None:
        """Whether either instance has room for one such request; None where no memory was named."""
        if self.plans is None:
            return None
        prefill, decode = self.plans
        whole = self.prompt + (self.asked_output or 0)
        return prefill.max_batch(self.prompt) != 0 and decode.max_batch(whole) != 0

    @figure
    def decode(self) -> DecodeBound | None:
        """The least time of a step with these; None where there are none, or the bandwidth is unknown."""
        speed = self._decode_speeds.bandwidth if self.plans else None
        if self.plans is None or not self.held or speed is None:
            return None
        share = ceil_div(self.held, self.decode_dp)
        return decode_bound(self.plans[1], self.prompt, share, speed)

    @figure
    def tpot_given(self) -> bool:
        """Whether `tpot_seconds` was given, and is no bound."""
        return self.known.tpot is not None

    @figure
    def tpot_seconds(self) -> float | None:
        """The time per output token: what was given, or the least time of a step; None if unknown."""
        return self.known.tpot or (self.decode.seconds if self.decode else None)

    @figure
    def prompts_per_second(self) -> float | None:
        """The most prompts that an instance computes in a second."""
        return self.dp / self.prefill_seconds if self.prefill_seconds else None

    @figure
    def requests_per_second(self) -> float | None:
        """The most requests that an instance decodes in a second, by Little's law; None without `output`."""
        if not self.held or self.tpot_seconds is None or self.output is None:
            return None
        waiting = self.transfer_seconds or 0.0
        return most_requests_per_second(self.held, waiting, self.output, self.tpot_seconds)

    @figure
    def decode_instances(self) -> float | None:
        """Instances that decode what one prefills, at these times; None where they are not known."""
        if self.prompts_per_second is None or not self.requests_per_second:
            return None
        return self.prompts_per_second / self.requests_per_second

    @figure
    def warnings(self) -> tuple[Warned, ...]:
        """What to know before the figures are relied on."""
        return tuple(self._warnings())

    def _said(self) -> dict[str, Any]:
        return {"warnings": tuple(map(words.warning, self.warnings))}

    @property
    def flops(self) -> Speeds:
        """The speeds of the card that prefills; none where no card was named."""
        return self._prefill_speeds

    @cached_property
    def _moved(self) -> Transfer:
        return transfer(self.prefilling, self.decoding, self.prompt)

    @cached_property
    def _prefill_speeds(self) -> Speeds:
        return _speeds(self.plans, 0, self.known)

    @cached_property
    def _decode_speeds(self) -> Speeds:
        return _speeds(self.plans, 1, self.known)

    def _warnings(self) -> Iterator[Warned]:
        spec = self.prefilling.spec
        longest = self.prompt + (self.asked_output or 0)
        if spec.max_context is not None and longest > spec.max_context:
            yield BeyondContext(model=spec.name, context=longest, max_context=spec.max_context)
        yield from dict.fromkeys((*self.prefilling.notes, *self.decoding.notes))
        unknown = (self._moved.why, active(spec).why if self.plans else None, *self._unknown_speeds())
        yield from (Assumed(text=text) for text in unknown if text)

    def _unknown_speeds(self) -> Iterator[str]:
        """Yield what is not known of a card, and what to give, where a bound needs it."""
        if self.plans is None:
            return
        prefill, decode = (plan.asked.card() for plan in self.plans)
        for require, speeds, card, given in (
            (require_flops, self._prefill_speeds, prefill, self.known.prefill),
            (require_bandwidth, self._decode_speeds, decode, self.known.tpot),
        ):
            try:
                if given is None:
                    require(speeds, card)
            except OptionsError as error:
                yield error.line


@checked
def disaggregate(model: Model, **options: Unpack[DisaggregateOptions]) -> Disaggregation:
    """
    Return what a prompt of *context* tokens moves from an instance that prefills to one that decodes.

    The first has *tp* x *pp* x *dp* GPUs, the other *decode_tp* x *pp* x *decode_dp*. With a *gpu*, or a
    *kv_memory*, the answer has the least time of each phase as well, unless *prefill_time* or *tpot* says
    how long it takes; *bandwidth* and *flops* replace the catalogue's figures of the decoding and of the
    prefilling card. With *output* tokens per request it has the instances that decode what one prefills.
    Raises a KvplanError for what it does not understand.
    """
    spec = as_spec(model, options.get("ignore", ()))
    prompt = as_context(options.get("context"), spec)
    output = options.get("output")
    own, other = _instances(options)
    plans = _plans(spec, own, other, prompt) if _has_memory(options) else None
    link = options.get("link")
    return Disaggregation(
        prefilling=plans[0].deployment if plans else deploy(spec, Choice(**part(own, Choice))),
        decoding=plans[1].deployment if plans else deploy(spec, Choice(**part(other, Choice))),
        plans=plans,
        prompt=prompt,
        known=_known(options),
        asked_output=None if output is None else as_tokens(output),
        asked_batch=options.get("batch"),
        over=find_link(link) if link else None,
        side_by_side=options.get("links", 1),
    )


def _instances(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a plan for the instance that prefills, and for the one that decodes."""
    own = dict(as_spread(options)[0])
    tp = options.get("decode_tp") or own.get("tp", 1)
    gpu = options.get("decode_gpu") or own.get("gpu")
    other = {**own, "gpu": gpu, "tp": tp, "dp": options.get("decode_dp") or 1}
    return own, other


def _has_memory(options: Mapping[str, Any]) -> bool:
    return options.get("gpu") is not None or options.get("kv_memory") is not None


def _plans(
    spec: ModelSpec, own: Mapping[str, Any], other: Mapping[str, Any], longest: int
) -> tuple[Plan, Plan]:
    return plan_of(spec, own, longest=longest), plan_of(spec, other, longest=longest)


def _known(options: Mapping[str, Any]) -> Known:
    read = {
        "tpot": parse_seconds,
        "prefill_time": parse_seconds,
        "bandwidth": parse_rate,
        "flops": parse_flops,
    }
    found: dict[str, Any] = {
        name: None if options.get(name) is None else reader(options[name]) for name, reader in read.items()
    }
    return Known(found["tpot"], found["prefill_time"], found["bandwidth"], found["flops"])


def _speeds(plans: tuple[Plan, Plan] | None, number: int, known: Known) -> Speeds:
    if plans is None:
        return Speeds(bandwidth=known.bandwidth, flops=known.flops)
    try:
        return speeds_of(plans[number], bandwidth=known.bandwidth, flops=known.flops)
    except KvplanError:
        return Speeds(bandwidth=known.bandwidth, flops=known.flops)
