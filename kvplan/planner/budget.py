"""What a card has for the cache: the engine's share of it, minus everything else."""

from typing import Literal

from kvplan.dtypes import dtype_by_name
from kvplan.engines import Estimate
from kvplan.errors import KvplanError, OptionsError
from kvplan.gpus import Card, find_card, machine
from kvplan.planner.deployment import Deployment
from kvplan.planner.facts import Origin, Sources
from kvplan.planner.profile import profile_run
from kvplan.planner.results import Memory
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div, format_gib, parse_bytes, parse_ratio

Size = int | str

_LEAST_CARD_BYTES = 2**20
"""No card has less memory: a smaller int was meant in another unit."""


@record
class Budget:
    """
    One GPU's memory before any weights and cache are in it, and the weights of one replica to spread.

    `utilization` is a ratio, and `share_of` what it is a share of; `needs` has a range where it is an
    estimate. `sources` says where each figure comes from. `longest` is the context that stands in
    for that of a model that is made for none.
    """

    gpu: str
    gpu_bytes: int
    utilization: tuple[int, int]
    share_of: Literal["card", "after start", "rest"]
    replica_weights_bytes: int
    needs: Estimate
    sources: Sources
    longest: int

    @property
    def counts_weights(self) -> bool:
        """Whether the weights are what the spec counts, and not given."""
        return self.sources.weights in (Origin.RELEASE, Origin.BOUND, Origin.PARAMETERS)

    @property
    def middle_bytes(self) -> int:
        """The estimate of all that is neither weights nor cache."""
        return self.needs.activation_bytes + self.needs.overhead_bytes

    def budget_bytes(self, weights_bytes: int, other_bytes: int) -> int:
        """Return what the engine takes of the card for weights, cache and *other_bytes*."""
        lost = max(0, other_bytes - self.needs.kept_bytes)
        outside = {"card": 0, "after start": lost, "rest": weights_bytes + other_bytes}[self.share_of]
        numerator, denominator = self.utilization
        # vLLM rounds up: request_memory in v1/worker/utils.py.
        shared = max(0, ceil_div((self.gpu_bytes - outside) * numerator, denominator))
        # No engine takes more than the card; what then is missing is the weights' or the others'.
        return min(outside, self.gpu_bytes) + shared

    def left_bytes(self, weights_bytes: int, other_bytes: int) -> int:
        """Return what is left for the cache on a card; below 0 if not even the rest fits."""
        return self.budget_bytes(weights_bytes, other_bytes) - weights_bytes - other_bytes

    def memory(self, *, weights_bytes: int, kv_used_bytes: int) -> Memory:
        """Return the lines of the card with this much of weights and cache on it."""
        budget_bytes = self.budget_bytes(weights_bytes, self.middle_bytes)
        left = budget_bytes - weights_bytes - self.middle_bytes
        return Memory(
            gpu_bytes=self.gpu_bytes,
            budget_bytes=budget_bytes,
            weights_bytes=weights_bytes,
            activation_bytes=self.needs.activation_bytes,
            overhead_bytes=self.needs.overhead_bytes,
            kv_bytes=max(0, left),
            kv_used_bytes=kv_used_bytes,
            free_bytes=left - kv_used_bytes,
        )


@record
class Asked:
    """What a user says of the memory: each part replaces kvplan's own figure for it."""

    gpu: Size | None = None
    kv_memory: Size | None = None
    utilization: str | float | None = None
    weights: Size | None = None
    weight_dtype: str | None = None
    activation: Size | None = None
    overhead: Size | None = None

    def card(self) -> Card | None:
        """Return the card, by which engines choose defaults; None if a KV memory is given alone."""
        return None if self._named is None else find_card(self._named)

    def cards(self) -> tuple[Card, ...]:
        """Return the card of each GPU in the order of ranks where they are of several kinds; else none."""
        named = self._named
        if named is None or "+" not in named:
            return ()
        return tuple(card for count, one in machine(named) for card in (find_card(one),) * count)

    @property
    def _named(self) -> str | None:
        """The GPU as text, None if a KV memory is given alone."""
        if self.gpu is None and self.kv_memory is None:
            raise OptionsError("give a GPU (h100-80gb, or a size: 80GB) or the memory for the KV cache")
        if self.gpu is None:
            return None
        if isinstance(self.gpu, int) and 0 < self.gpu < _LEAST_CARD_BYTES:
            raise OptionsError(
                f"a GPU of {self.gpu} bytes is none: give all its bytes, or text with a unit: '{self.gpu}GB'"
            )
        return f"{self.gpu}B" if isinstance(self.gpu, int) else self.gpu


def utilization_of(deployment: Deployment, asked: Asked, card: Card) -> tuple[int, int]:
    """Return the share of a card that was asked for, or that the engine takes of it."""
    share = asked.utilization
    if share is None:
        share = deployment.engine.share.default(card.total_bytes, deployment.options)
    return parse_ratio(str(share))


def make_budget(
    deployment: Deployment, asked: Asked, *, longest: int, sequences: int | None = None
) -> Budget:
    """
    Return the budget of one GPU; raise if neither a GPU nor a KV memory is given.

    A known KV memory is all there is, on whichever card: nothing is subtracted from it. *longest* stands
    in for the longest context of a model that is not made for any; *sequences* run at once where the engine's
    default is too many.
    """
    card = next(iter(asked.cards()), None) or asked.card()
    if asked.kv_memory is not None or card is None:
        return _known_kv_memory(asked, card, longest)
    engine = deployment.engine
    ratio = utilization_of(deployment, asked, card)
    weights_bytes, weights_from = _weights(deployment.spec, asked, plain_ends=engine.plain_ends)
    return Budget(
        gpu=card.name,
        gpu_bytes=card.total_bytes,
        utilization=ratio,
        share_of=engine.share.of,
        replica_weights_bytes=weights_bytes,
        needs=_needs(deployment, asked, card, longest, sequences, weights_bytes=weights_bytes),
        sources=_sources(deployment, asked, card, weights_from),
        longest=longest,
    )


def _sources(deployment: Deployment, asked: Asked, card: Card, weights: Origin) -> Sources:
    spec, counted = deployment.spec, weights is Origin.PARAMETERS
    apart = deployment.engine.plain_ends and asked.weight_dtype and spec.plain_ends(asked.weight_dtype)
    by_part = weights is Origin.RELEASE and spec.parts is not None
    return Sources(
        card=card,
        gpu_bytes=origin_of(card),
        weights=weights,
        parameters=spec.parameters if counted or by_part else None,
        weight_dtype=(asked.weight_dtype or spec.weight_dtype or spec.dtype) if counted else None,
        ends_dtype=dtype_by_name(spec.dtype).name if apart else None,
        utilization=Origin.DEFAULT if asked.utilization is None else Origin.GIVEN,
        overhead=Origin.GIVEN if _is_given(asked) else Origin.ESTIMATE,
        stands_in=not spec.max_context,
    )


def origin_of(card: Card) -> Origin:
    """Return how the memory of a card is known."""
    return Origin.GIVEN if card.source is None else Origin.LABEL if card.estimated else Origin.DRIVER


def _needs(  # noqa: PLR0913 - each is one choice of who asks
    deployment: Deployment,
    asked: Asked,
    card: Card,
    longest: int,
    sequences: int | None,
    *,
    weights_bytes: int,
) -> Estimate:
    """Return what is given for activations and the rest, which has no range, or the engine's estimate."""
    if _is_given(asked):
        return given(as_bytes(asked.activation or 0), as_bytes(asked.overhead or 0))
    return deployment.engine.needs(
        profile_run(deployment, card, longest, sequences, weights_bytes=weights_bytes)
    )


def _is_given(asked: Asked) -> bool:
    """Return whether the user says what is needed beside weights and cache, be it in one part."""
    return asked.activation is not None or asked.overhead is not None


def given(activation_bytes: int, overhead_bytes: int) -> Estimate:
    """Return sizes that are known."""
    total = activation_bytes + overhead_bytes
    return Estimate(
        activation_bytes=activation_bytes,
        overhead_bytes=overhead_bytes,
        low_bytes=total,
        high_bytes=total,
        evidence="given",
    )


def _known_kv_memory(asked: Asked, card: Card | None, longest: int) -> Budget:
    others = (asked.utilization, asked.weights, asked.weight_dtype, asked.activation, asked.overhead)
    if any(other is not None for other in others):
        raise OptionsError(
            "a known KV memory leaves no room for weights, activation, overhead or utilization: give it alone"
        )
    kv_bytes = as_bytes(asked.kv_memory or 0)
    return Budget(
        gpu=f"{format_gib(kv_bytes)} of KV memory" + (f" on {card.name}" if card else ""),
        gpu_bytes=kv_bytes,
        utilization=(1, 1),
        share_of="card",
        replica_weights_bytes=0,
        needs=given(0, 0),
        sources=Sources(gpu_bytes=Origin.GIVEN),
        longest=longest,
    )


def _weights(spec: ModelSpec, asked: Asked, *, plain_ends: bool) -> tuple[int, Origin]:
    """Return the bytes of one replica's weights, and how they are known."""
    weight_dtype = asked.weight_dtype
    if asked.weights is not None:
        if weight_dtype is not None:
            raise OptionsError("give the weights in bytes or a dtype for them, not both")
        return as_bytes(asked.weights), Origin.GIVEN
    known = spec.weights(weight_dtype, plain_ends=plain_ends)
    if known is None:
        if spec.weights_open:
            raise _open_weights(spec)
        what = "no number of parameters" if weight_dtype else "neither parameters nor weight_bytes"
        raise KvplanError(
            f"the spec of {spec.name} has {what}: give the weights' size, as in --weights 16.06GB",
            f"not counted: {'; '.join(spec.uncounted)}" if spec.uncounted else "",
        )
    if weight_dtype is not None or spec.weight_bytes is None:
        return known, Origin.PARAMETERS
    return known, Origin.RELEASE if spec.weight_least_bytes is None else Origin.BOUND


def _open_weights(spec: ModelSpec) -> KvplanError:
    """Return the error that asks for weights in a format that neither a name nor a file tells."""
    if spec.read_as:
        named = f"{spec.read_as} is read as {spec.name}{spec.read_by or ''}"
        read = f"{named}; a name does not tell what weights take"
    else:
        told = "; ".join(spec.uncounted) or (spec.weights_open if isinstance(spec.weights_open, str) else "")
        why = f" ({told})" if told else ""
        read = f"what the weights of {spec.hf_id or spec.name} take is not known{why}"
    model = "" if spec.parameters else f"ask for {spec.name} with "
    return KvplanError(
        f"{read}: give the weights' size, as in --weights 16.06GB",
        f"        or {model}--weight-dtype {_likely(spec)} for all of them, if that is near enough",
    )


_NAMED = {"mxfp4": "mxfp4", "fp4": "nvfp4", "fp8": "fp8"}
"""Formats by what names say of them: NVIDIA's FP4 is NVFP4, its releases of 2025 are called by either."""


def _likely(spec: ModelSpec) -> str:
    """Return the dtypes that a hint offers: the one that a release's name has, which decides nothing."""
    name = (spec.read_as or spec.hf_id or spec.name).lower()
    return next((dtype for word, dtype in _NAMED.items() if word in name), "fp8 or q4_k")


def as_bytes(size: Size) -> int:
    """Return a size given as bytes or as text with its unit; raise UnitError below 0."""
    return parse_bytes(f"{size}B" if isinstance(size, int) else size)
