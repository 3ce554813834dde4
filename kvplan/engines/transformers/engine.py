"""transformers as the planner sees it: caches that grow with each sequence, and no start-up."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvplan.engines.base import Engine, EngineOptions, Line, Share, StartUp, always
from kvplan.engines.exact import as_asked, refuse_pool_options, refuse_version
from kvplan.engines.overheads import vllm_start_up
from kvplan.engines.transformers.caches import Traits, reserve, traits_of
from kvplan.terms import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicCaches:
    """The most bytes that sequences of up to a context ever keep in the library's dynamic cache."""

    stages: tuple[Stage, ...]
    tp: int
    traits: Traits

    def reserved_bytes(self, *, rank: int, context: int, batch: int) -> int:
        """Return the bytes of *batch* sequences on one rank of a pipeline stage."""
        return reserve(self.stages[rank], tokens=context, batch=batch, tp=self.tp, traits=self.traits)

    def lines(self, *, rank: int, context: int, batch: int) -> tuple[Line, ...]:
        """Return the formula's bytes, and what the library's own rules add or save."""
        counts = self.stages[rank].counts
        formula = batch * sum(
            count * term.bytes_on_rank(context, self.tp) for layer, count in counts for term in layer
        )
        kept = self.reserved_bytes(rank=rank, context=context, batch=batch)
        rules = "windows of w - 1 tokens, convolutions of k columns, what a class copies"
        return (
            Line(name="formula", size_bytes=formula, reason="the terms of every layer"),
            Line(name="library", size_bytes=kept - formula, reason=rules),
        )

    def most_bytes(self, rank: int) -> int | None:
        """Return None: the library has no pool to bound."""

    def most_sequences(self, context: int) -> int | None:
        """Return None: the library has no limit."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:  # noqa: ARG002 - prints none
        """Return None: the library has no pool, and no capacity check."""
        return None


def _arrange(stages: Sequence[Stage], options: EngineOptions) -> DynamicCaches:
    refuse_pool_options("transformers", options)
    caches = DynamicCaches(stages=tuple(stages), tp=options.tp, traits=traits_of(options.model))
    for rank in range(len(stages)):
        caches.reserved_bytes(rank=rank, context=1, batch=1)  # what it refuses, it refuses for any length
    return caches


# The library takes all of a card; activations and CUDA graphs are not its own figure, so vLLM's stand in.
TRANSFORMERS = Engine(
    name="transformers",
    arrange=_arrange,
    kv_dtype=as_asked,
    share=Share(of="card", default=always("1")),
    needs=vllm_start_up,
)


def transformers(version: str | None) -> Engine:
    """Return the library's caches; raise UnknownNameError for a *version*: only 5.23's are known."""
    refuse_version("transformers", version)
    return TRANSFORMERS
