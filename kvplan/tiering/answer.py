"""What each tier of the cache holds, and how soon it gives a sequence back."""

from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

from kvplan.arguments import checked
from kvplan.errors import OptionsError
from kvplan.loads import dealt, uniform
from kvplan.phases.bounds import prefill_seconds, speeds_of
from kvplan.planner.budget import as_bytes
from kvplan.planner.fit import Fit, fit
from kvplan.planner.options import FitOptions
from kvplan.planner.results import Answer, figure
from kvplan.planner.size import Model
from kvplan.records import record
from kvplan.tiering.options import TierOptions
from kvplan.tiering.stored import Stored, stored
from kvplan.units import parse_count, parse_rate

if TYPE_CHECKING:
    from kvplan.tiering.replay import Replay

TierName = Literal["card", "host", "ssd", "remote"]
_BELOW: tuple[TierName, ...] = ("host", "ssd", "remote")

_OWN = ("host", "host_rate", "ssd", "ssd_rate", "remote", "remote_rate", "prefill_rate", "store", "trace")
"""The options that `fit` does not have."""


@record
class Tier:
    """
    One tier of a replica: `size_bytes` for the cache, in which a sequence takes `sequence_bytes`.

    `sequences` are the idle ones that it holds, and `tokens` those of all of them. The card is the tightest
    one, and holds what the running sequences leave. `restore_seconds` is the least time in which a sequence
    comes back to the cards, None where no rate is given, and `break_even_tokens` the shortest sequence that
    comes back sooner than its prompt is computed again: None where none does, or a rate is not given.
    """

    name: TierName
    size_bytes: int
    sequence_bytes: int
    sequences: int | None
    tokens: int | None
    restore_seconds: float | None = None
    break_even_tokens: int | None = None


@record
class HitRate:
    """
    What a prefix cache of the tiers down to `tier` has of a trace's prompts: shares of blocks and of tokens.

    `blocks` is how many of the trace's blocks it holds; None for a cache without an end.
    """

    tier: Literal["none", "card", "host", "ssd", "remote", "endless"]
    blocks: int | None
    block_hits: float
    token_hits: float


class Below(NamedTuple):
    """A tier below the card as it was asked for: its bytes, and bytes per second that come from it."""

    size_bytes: int
    rate: int | None


@record(slots=False, eq=False)
class Tiers(Answer):
    """The tiers of one replica below the plan of `fit`; its sizes are in bytes, its times in seconds."""

    fit: Fit
    stored: Stored
    below: dict[TierName, Below]
    store: str
    prefill_rate: int | None = None
    replayed: "Replay | None" = field(default=None)

    __repr__ = object.__repr__  # Its fields would fill a screen.

    @figure
    def model(self) -> str:
        """The model's name."""
        return self.fit.model

    @figure
    def engine(self) -> str:
        """The engine's name and release."""
        return self.fit.engine

    @figure
    def gpu(self) -> str:
        """The card's name, or the memory that was given."""
        return self.fit.gpu

    @figure
    def tp(self) -> int:
        """The tensor-parallel GPUs of one replica."""
        return self.fit.tp

    @figure
    def pp(self) -> int:
        """Its pipeline stages."""
        return self.fit.pp

    @figure
    def context(self) -> int:
        """The tokens of each sequence."""
        return self.fit.context

    @figure
    def batch(self) -> int:
        """The sequences that run, over all replicas."""
        return self.fit.batch

    @figure
    def kept_by(self) -> str:
        """What keeps the tiers below the cards."""
        return self.store

    @figure
    def copies(self) -> int:
        """How many ranks of a stage share what is stored of one of them; 1 where each has its own."""
        return self.stored.once

    @figure
    def recompute_seconds(self) -> float | None:
        """
        The time in which a prompt of `context` tokens is computed at the given rate.

        Without one it is the least by the card's dense operations; None where these are not known.
        """
        return self._computed(self.context)

    def _computed(self, tokens: int) -> float | None:
        if self.prefill_rate is not None:
            return tokens / self.prefill_rate
        flops = self._flops
        return None if flops is None else prefill_seconds(self.fit.plan, tokens, flops)

    @cached_property
    def _flops(self) -> int | None:
        return speeds_of(self.fit.plan).flops

    @figure
    def tiers(self) -> tuple[Tier, ...]:
        """The card and what is below it, one by one."""
        return (self._card(), *map(self._tier, self.below))

    @figure
    def hit_rates(self) -> tuple[HitRate, ...]:
        """What a prefix cache of the first tiers has of a trace; nothing without one."""
        return tuple(self._hit_rates(self.replayed)) if self.replayed is not None else ()

    def _card(self) -> Tier:
        on_ranks = self.stored.on_ranks(self.context)
        held = self._on_card(self.context)
        return Tier(
            name="card",
            size_bytes=max(0, self.fit.memory.free_bytes),
            sequence_bytes=max(on_ranks),
            sequences=held,
            tokens=None if held is None else held * self.context,
        )

    def _on_card(self, tokens: int) -> int | None:
        """Return how many sequences of *tokens* tokens lie idle beside those that run; None if any number."""
        plan = self.fit.plan
        running = plan.deployment.by_stage(dealt(uniform(self.context, self.batch), self.fit.dp))
        stages = zip(plan.pools, running, self.stored.on_ranks(tokens), strict=True)
        return min((max(0, pool - used) // each for pool, used, each in stages if each), default=None)

    def _tier(self, name: TierName) -> Tier:
        size, each = self.below[name].size_bytes, self.stored.of(self.context)
        held = size // each if each else None
        return Tier(
            name=name,
            size_bytes=size,
            sequence_bytes=each,
            sequences=held,
            tokens=None if held is None else held * self.context,
            restore_seconds=self._restored(name, self.context),
            break_even_tokens=self._break_even(name),
        )

    def _restored(self, name: TierName, tokens: int) -> float | None:
        """
        Return the least time in which *tokens* tokens come to all cards; None without the tier's rate.

        Each card takes its own part from the host's memory, through which all of what is further away comes.
        """
        host = self.below.get("host")
        through = None if host is None or host.rate is None else max(self.stored.on_ranks(tokens)) / host.rate
        if name == "host":
            return through
        rate = self.below[name].rate
        return None if rate is None else max(self.stored.of(tokens) / rate, through or 0.0)

    def _break_even(self, name: TierName) -> int | None:
        """Return the fewest tokens that are restored sooner than computed, up to the context."""
        if not self._is_sooner(name, self.context):
            return None
        slow, fast = 0, self.context
        while fast - slow > 1:
            middle = (slow + fast) // 2
            slow, fast = (slow, middle) if self._is_sooner(name, middle) else (middle, fast)
        return fast

    def _is_sooner(self, name: TierName, tokens: int) -> bool:
        restored, computed = self._restored(name, tokens), self._computed(tokens)
        return restored is not None and computed is not None and restored < computed

    def _hit_rates(self, replayed: "Replay") -> Iterator[HitRate]:
        yield _hit_rate("none", replayed, 0)
        blocks = self._on_card(replayed.block)
        yield _hit_rate("card", replayed, blocks)
        each = self.stored.of(replayed.block)
        for name, below in self.below.items():
            blocks = None if blocks is None or not each else blocks + below.size_bytes // each
            yield _hit_rate(name, replayed, blocks)
        yield _hit_rate("endless", replayed, None)


def _hit_rate(tier: Any, replayed: "Replay", blocks: int | None) -> HitRate:  # noqa: ANN401 - a tier's name
    hits = replayed.hits(blocks)
    return HitRate(
        tier=tier,
        blocks=blocks,
        block_hits=hits.blocks / replayed.blocks if replayed.blocks else 0.0,
        token_hits=hits.tokens / replayed.tokens if replayed.tokens else 0.0,
    )


@checked
def tiers(model: Model, **options: Unpack[TierOptions]) -> Tiers:
    """
    Return what tiers of the cache hold beside what runs, and how soon each gives a sequence back.

    *batch* sequences of *context* tokens run; what they leave on the card, and *host*, *ssd* and *remote*
    memory below it, hold idle sequences or prefixes. Times are lower bounds, at the rates that are given, of
    moving all bytes of one sequence, against computing its prompt at *prefill_rate*, or in the least time of
    the card's operations. A *trace* with block
    hashes is replayed against the tiers as a prefix cache that drops what was used longest ago.
    """
    own: dict[str, Any] = {name: options.get(name) for name in _OWN}
    of_fit: FitOptions = {name: value for name, value in options.items() if name not in _OWN}  # type: ignore[assignment]
    found = fit(model, **of_fit)
    store = str(own["store"] or "native")
    return Tiers(
        fit=found,
        stored=stored(found.deployment, store),
        below=dict(_below(own)),
        store=store,
        prefill_rate=_count(own["prefill_rate"]),
        replayed=None if own["trace"] is None else _replayed(own["trace"]),
    )


def _below(own: dict[str, Any]) -> Iterator[tuple[TierName, Below]]:
    for name in _BELOW:
        size, rate = own[name], own[f"{name}_rate"]
        if size is None and rate is not None:
            raise OptionsError(f"{name}_rate without {name}: give the size of the tier with it")
        if size is not None:
            yield name, Below(as_bytes(size), _rate(rate))


def _rate(rate: int | str | None) -> int | None:
    if rate is None:
        return None
    return parse_rate(f"{rate}B/s" if isinstance(rate, int) else rate)


def _count(rate: int | str | None) -> int | None:
    return None if rate is None else parse_count(str(rate), "tokens per second")


def _replayed(trace: str | Path) -> "Replay":
    from kvplan.traffic.read import read_traffic  # noqa: PLC0415 - it needs numpy, as the replay does

    traffic = read_traffic(trace)
    from kvplan.tiering.replay import replay  # noqa: PLC0415 - read_traffic has said if numpy is missing
    from kvplan.traffic.observed import Observed  # noqa: PLC0415
    from kvplan.traffic.requests import TrafficError  # noqa: PLC0415

    if not isinstance(traffic, Observed):
        raise TrafficError(f"{traffic.words} is no trace: a replay needs requests with block hashes")
    return replay(traffic)
