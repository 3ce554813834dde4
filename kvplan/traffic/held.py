"""What `hold` answers with: the three numbers, their ranges, the memory they fill, and replicas."""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from kvplan.errors import OptionsError
from kvplan.planner import words
from kvplan.planner.facts import Warned
from kvplan.planner.fit import plan_of, warnings_of_plan
from kvplan.planner.plan import Plan, bounded
from kvplan.planner.results import Answer, figure
from kvplan.planner.size import Model, as_spec, warnings_of
from kvplan.planner.started import of_start_up
from kvplan.planner.work import as_context
from kvplan.records import record
from kvplan.shown import Shown
from kvplan.traffic.holding import Crowd, Numbers, Packed, crowd_of
from kvplan.traffic.moments import Sharing
from kvplan.traffic.options import as_prefix, as_rates, as_risk
from kvplan.traffic.read import read_traffic
from kvplan.traffic.requests import Traffic
from kvplan.units import parse_seconds

_BINS = 12
"""Bars of the histogram."""


@record
class Histogram:
    """
    What `sequences` of a replica take on its tightest card, at random moments.

    Of `shares`, which sum to 1, each is that of the moments between two of `edges_bytes`; `room_bytes` is
    what there is, and `p50_bytes`, `p99_bytes` what half and 99 % of the moments do not exceed.
    """

    sequences: int
    room_bytes: int
    p50_bytes: int
    p99_bytes: int
    edges_bytes: tuple[int, ...]
    shares: tuple[float, ...]


@record
class Replicas:
    """The replicas that so many requests per second need at least, and their GPUs."""

    requests_per_second: float
    replicas: int
    gpus: int


@record(slots=False, eq=False)
class Held(Answer, Shown):
    """
    How many sequences of a traffic run at once, over all replicas.

    `never` are never preempted, `average` fill the memory on average, and `likely` need more than there is
    with at most the probability `risk` at any moment, each replica by itself.
    """

    crowd: Crowd
    longest_context: int
    allowed: float
    seconds: float | None
    rates: tuple[float, ...]

    @property
    def plan(self) -> Plan:
        """The deployment, whatever comes."""
        return self.crowd.plan

    @property
    def requests(self) -> Traffic:
        """The requests that come and are not refused."""
        return self.crowd.traffic

    @property
    def sharing(self) -> Sharing:
        """What requests share."""
        return self.crowd.sharing

    def __repr__(self) -> str:
        return f"<Held {self.model} on {self.gpu}: {self.likely} sequences at a risk of {self.risk:.2%}>"

    @figure
    def model(self) -> str:
        """The model's name."""
        return self.plan.deployment.spec.name

    @figure
    def source(self) -> str:
        """Where the model's facts come from."""
        return self.plan.deployment.spec.source

    @figure
    def engine(self) -> str:
        """Whose rules these are, with its release."""
        return self.plan.deployment.engine.name

    @figure
    def gpu(self) -> str:
        """The card's name, or the memory that was given."""
        return self.plan.gpu

    @figure
    def kv_dtype(self) -> str:
        """How the cache is stored."""
        return self.plan.deployment.kv.name

    @figure
    def tp(self) -> int:
        """Tensor-parallel GPUs of a replica."""
        return self.plan.deployment.tp

    @figure
    def pp(self) -> int:
        """Pipeline stages of a replica."""
        return self.plan.deployment.choice.pp

    @figure
    def dp(self) -> int:
        """Replicas, each with a cache and requests of its own."""
        return self.plan.deployment.dp

    @figure
    def context(self) -> int:
        """The most tokens of a request: longer ones are refused."""
        return self.longest_context

    @figure
    def traffic(self) -> str:
        """What comes, in words."""
        return self.requests.words

    @figure
    def refused(self) -> float:
        """The share of all requests that is longer than `context`."""
        return self.requests.share_cut

    @figure
    def longest(self) -> int:
        """The most tokens, prompt and output together, of a request that is not refused."""
        return self.requests.longest

    @figure
    def mean_prompt(self) -> float:
        """The mean tokens of a prompt."""
        return self.requests.mean_prompt

    @figure
    def mean_output(self) -> float:
        """The mean tokens of an output."""
        return self.requests.mean_output

    @figure
    def prefix(self) -> int:
        """The tokens with which a share of all requests begins; 0 without."""
        return self.sharing.prefix

    @figure
    def prefix_hits(self) -> float:
        """The share of all requests that begins with the prefix."""
        return self.sharing.hits

    @figure
    def samples(self) -> int:
        """The sequences that answer a request."""
        return self.sharing.samples

    @figure
    def risk(self) -> float:
        """The probability, at any moment, that a replica's sequences need more than there is."""
        return self.allowed

    @figure
    def never(self) -> int | None:
        """Sequences of which none is ever preempted; None if memory sets no limit."""
        return self._over_all(self._numbers.never)

    @figure
    def likely(self) -> int | None:
        """Sequences that need more than there is with at most `risk`; None as above."""
        return self._over_all(self._numbers.likely)

    @figure
    def average(self) -> int | None:
        """Sequences that fill the memory on average: they preempt each other half of the time."""
        return self._over_all(self._numbers.average)

    @figure
    def method(self) -> str | None:
        """How `likely` was found: `convolution`, `normal` or `draws`, or `replay`, a trace in its order."""
        return self._numbers.method

    @figure
    def likely_range(self) -> tuple[int, int] | None:
        """What the least and the most memory hold; None where activations and overhead are no estimate."""
        needs = self.plan.budget.needs
        if needs.low_bytes == needs.high_bytes:
            return None
        low, high = (
            self._in(self.plan.left_beside(size)).likely for size in (needs.high_bytes, needs.low_bytes)
        )
        return None if low is None or high is None else (low * self.dp, high * self.dp)

    @figure
    def memory(self) -> Histogram | None:
        """What `likely` take of the tightest card, at random moments; None if memory sets no limit."""
        likely = self._numbers.likely
        return _histogram(self._packed, likely) if likely else None

    @figure
    def requests_per_second(self) -> float | None:
        """The most requests per second by Little's law, prefills for nothing; None without a `tpot`."""
        if self.seconds is None or self.likely is None:
            return None
        return self.likely / self.samples / (self.requests.mean_life * self.seconds)

    @figure
    def replicas(self) -> tuple[Replicas, ...]:
        """The fewest replicas for each rate that was asked for; none without a `tpot`."""
        if not self.requests_per_second:
            return ()
        each = self.requests_per_second / self.dp
        counts = [(rate, math.ceil(rate / each)) for rate in self.rates]
        gpus = self.plan.deployment.replica_gpus
        return tuple(
            Replicas(requests_per_second=rate, replicas=count, gpus=count * gpus) for rate, count in counts
        )

    @figure
    def warnings(self) -> tuple[Warned, ...]:
        """What to know before the figures are relied on."""
        start_up, held = self.plan.start_up(self.longest), self._numbers.likely or 0
        return (
            *warnings_of(self.plan.deployment, self.longest),
            *warnings_of_plan(self.plan),
            *of_start_up(self.plan, start_up, held),
        )

    @figure
    def options(self) -> dict[str, Any]:
        """The engine's options that were given, by name."""
        return dict(self.plan.deployment.choice.given())

    def _said(self) -> dict[str, Any]:
        return {"warnings": tuple(map(words.warning, self.warnings))}

    def _over_all(self, sequences: int | None) -> int | None:
        return None if sequences is None else sequences * self.dp

    def _in(self, left: tuple[int, ...]) -> Numbers:
        """Return the numbers of a replica with so much left on each stage."""
        pools = bounded(self.plan.deployment.arrangement, left)
        return Packed(crowd=self.crowd, pools=pools).numbers(self.allowed)

    @cached_property
    def _packed(self) -> Packed:
        return Packed(crowd=self.crowd, pools=self.plan.pools)

    @cached_property
    def _numbers(self) -> Numbers:
        return self._packed.numbers(self.allowed)


def _histogram(packed: Packed, sequences: int) -> Histogram:
    filled = packed.filled(sequences // packed.crowd.sharing.samples)
    room = min(packed.pools)
    edges = np.linspace(float(filled.min()), max(1.0, float(filled.max())), _BINS + 1)
    counts, _ = np.histogram(filled, edges)
    p50, p99 = (float(np.quantile(filled, share, method="inverted_cdf")) for share in (0.5, 0.99))
    return Histogram(
        sequences=sequences,
        room_bytes=room,
        p50_bytes=round(p50 * room),
        p99_bytes=round(p99 * room),
        edges_bytes=tuple(round(float(edge) * room) for edge in edges),
        shares=tuple(float(count) / len(filled) for count in counts),
    )


Reading = Callable[[Any, Any, int], Traffic]
"""Returns the traffic of a source and of one of outputs, of at most so many tokens: `read_traffic`."""


def held_of(model: Model, options: Mapping[str, Any], read: Reading = read_traffic) -> Held:
    """Return what `hold` is asked for; *read* what `traffic` and `outputs` name."""
    spec = as_spec(model, options.get("ignore", ()))
    context = as_context(options.get("context"), spec)
    tokens, hits = as_prefix(options["prefix"]) if options.get("prefix") else (0, 0.0)
    traffic = read(options["traffic"], options.get("outputs"), context)
    plan = plan_of(spec, options, longest=context)
    sharing = Sharing(prefix=tokens, hits=hits, samples=options.get("samples") or 1)
    return Held(
        crowd=crowd_of(plan, traffic, sharing),
        longest_context=context,
        allowed=as_risk(options.get("risk") or "1%"),
        seconds=_seconds(options, traffic),
        rates=as_rates(str(options["rps"])) if options.get("rps") else (),
    )


def _seconds(options: Mapping[str, Any], traffic: Traffic) -> float | None:
    """Return the time per output token, of traffic that has outputs; None if nobody asks by it."""
    tpot = options.get("tpot")
    if tpot is None:
        if options.get("rps"):
            raise OptionsError(
                "replicas for --rps are counted by --tpot, the time per output token: --tpot 30ms"
            )
        return None
    if not traffic.mean_output:
        raise OptionsError(
            "this traffic generates nothing that --tpot could time: give a law of outputs, too"
        )
    return parse_seconds(tpot)
