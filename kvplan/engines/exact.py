"""The analytic formula: what a cache must hold, without the rounding of any engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvplan.engines.base import Engine, EngineOptions, Line, Rows, Share, StartUp, always
from kvplan.engines.overheads import vllm_start_up
from kvplan.errors import OptionsError, UnknownNameError
from kvplan.terms import Stage, token_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Every sequence takes the sum of its terms, and nothing else does."""

    stages: tuple[Stage, ...]
    tp: int
    assumed: tuple[str, ...] = ()

    def reserved_bytes(self, *, rank: int, context: int, batch: int) -> int:
        """Return the bytes of *batch* sequences on one rank of a pipeline stage."""
        counts = self.stages[rank].counts
        return batch * sum(
            count * term.bytes_on_rank(context, self.tp) for layer, count in counts for term in layer
        )

    def token_bytes(self, rank: int) -> Fraction:
        """Return what one token more adds to the terms of a rank."""
        return token_bytes(self.stages[rank].terms(), self.tp)

    def fixed_bytes(self, rank: int) -> int:
        """Return the terms of states and of an encoder's tokens."""
        return self.reserved_bytes(rank=rank, context=0, batch=1)

    def lines(self, *, rank: int, context: int, batch: int) -> tuple[Line, ...]:
        """Return the formula's bytes as the only line."""
        size = self.reserved_bytes(rank=rank, context=context, batch=batch)
        return (Line(name="formula", size_bytes=size, reason="the terms of every layer"),)

    def most_bytes(self, rank: int) -> int | None:
        """Return None: no setting bounds a sum."""

    def most_sequences(self, context: int) -> int | None:
        """Return None: a formula has no limit."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:  # noqa: ARG002 - prints none
        """Return None: a formula starts nothing."""
        return None


def refuse_pool_options(engine: str, options: EngineOptions, *, batches: bool = False) -> None:
    """
    Raise OptionsError if an option is given that only an engine with a pool of blocks has.

    An engine that *batches* tokens without such a pool takes max_num_batched_tokens.
    """
    asked = {
        "block size": options.block_size,
        "max_num_batched_tokens": None if batches else options.max_num_batched_tokens,
        "prefix caching": options.prefix_caching,
        "dcp": options.dcp if options.dcp != 1 else None,
    }
    if given := [name for name, value in asked.items() if value is not None]:
        raise OptionsError(f"the engine {engine} has no {given[0]}: choose another, as in --engine vllm")


def refuse_version(engine: str, version: str | None) -> None:
    """Raise UnknownNameError if a *version* of an engine is asked for that is not told apart by them."""
    if version is not None:
        raise UnknownNameError(f"the engine {engine} has no version {version[:40]!r}: write {engine} alone")


def as_asked(asked: str | None, rows: Rows) -> str:
    """Return the cache format that is asked for; the model's dtype if none is."""
    return rows.dtype if asked is None or asked == "auto" else asked


def _arrange(stages: Sequence[Stage], options: EngineOptions) -> Sum:
    refuse_pool_options("exact", options)
    if options.settings:
        from kvplan.engines.settings import read_settings  # noqa: PLC0415 - a cold command has none

        read_settings("exact", (), options.settings)
    return Sum(stages=tuple(stages), tp=options.tp)


EXACT_UTILIZATION = "0.9"
"""The formula has no rule of its own: this is what vLLM used up to 0.19.1."""

# Nor has it memory of its own to reserve, so it borrows vLLM's overhead.
EXACT = Engine(
    name="exact",
    arrange=_arrange,
    kv_dtype=as_asked,
    share=Share(of="card", default=always(EXACT_UTILIZATION)),
    needs=vllm_start_up,
    even_weights=True,
)


def exact(version: str | None) -> Engine:
    """Return the formula; raise UnknownNameError for a *version*, which a formula has not."""
    refuse_version("exact", version)
    return EXACT
