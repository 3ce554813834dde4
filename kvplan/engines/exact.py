"""The analytic formula: what a cache must hold, without the rounding of any engine."""

from collections.abc import Iterable, Sequence
from dataclasses import field
from fractions import Fraction
from functools import partial
from math import lcm

from kvplan.engines.arrangement import Line, StartUp, Straight
from kvplan.engines.base import Engine, EngineOptions, Share, SharedOptions, ToStore, always
from kvplan.engines.overheads import borrowed_start_up
from kvplan.engines.tally import BytesTally
from kvplan.errors import UnknownNameError
from kvplan.loads import Load
from kvplan.records import record
from kvplan.terms import Growing, Layer, Rows, Stage
from kvplan.units import ceil_div


@record
class Sum:
    """
    Every sequence takes the sum of its terms, and nothing else does.

    Each of `cp` ranks has an equal part of a sequence's tokens, one after the other, as in Ring Attention
    (arXiv 2310.01889, section 3), and each has whole what does not come with the tokens: states, encoders.
    """

    stages: tuple[Stage, ...]
    tp: int
    cp: int = 1
    assumed: tuple[str, ...] = ()
    longest: int | None = None
    takes_arrays: bool = True
    never_falls: bool = True
    rows: tuple[tuple[tuple[Rows, int], ...], ...] = field(init=False, repr=False, compare=False)
    """On each rank the bytes of a row of all terms that hold equally many."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(rows_of(stage, self.tp) for stage in self.stages))

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """Return the bytes of all sequences on one rank of a pipeline stage."""
        return sum(batch * self.sequence_bytes(rank, context) for context, batch in load)

    def sequence_bytes(self, rank: int, context: int) -> int:
        """Return the bytes of one sequence on one rank of a pipeline stage."""
        return _of_ranks(self.rows[rank : rank + 1], ceil_div(context, self.cp))[0]

    def by_sequence(self, context: int) -> tuple[Straight, ...]:
        """Return the same for the first and the others."""
        return tuple(Straight(size, size) for size in _of_ranks(self.rows, ceil_div(context, self.cp)))

    def tally(self, lengths: int) -> BytesTally:  # noqa: ARG002 - the same for all
        """
        Return the bytes of each sequence; what all tokens of a prefix have a row in can be stored once.

        But not over `cp` ranks, of which the first ones have the prefix of a long sequence.
        """
        first_of = partial(_of_ranks, self._every_token()) if self.cp == 1 else None
        return BytesTally(of=partial(_of_part, self.rows, self.cp), first_of=first_of)

    def _every_token(self) -> tuple[tuple[tuple[Rows, int], ...], ...]:
        """Return the rows that no window bounds and no state replaces."""
        return tuple(
            tuple(pair for pair in rank if isinstance(pair[0], Growing) and pair[0].window is None)
            for rank in self.rows
        )

    def token_bytes(self, rank: int) -> Fraction:
        """Return what one token more adds to the terms of a rank."""
        rows = self.rows[rank]
        step = lcm(*(each.stride for each, _ in rows))
        return Fraction(sum(size * each.growth(step) for each, size in rows), step * self.cp)

    def fixed_bytes(self, rank: int) -> int:
        """Return the terms of states and of an encoder's tokens."""
        return self.sequence_bytes(rank, 0)

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return the formula's bytes, those of a draft apart."""
        size, draft = self.reserved_bytes(rank=rank, load=load), self.stages[rank].drafts
        rows = terms_rows([(layer, 1) for layer in draft], self.tp)
        drafted = sum(
            batch * each.at(ceil_div(tokens, self.cp)) * row for tokens, batch in load for each, row in rows
        )
        formula = Line(name="formula", size_bytes=size - drafted, reason="the terms of every layer")
        if not draft:
            return (formula,)
        return (formula, Line(name="draft layers", size_bytes=drafted, reason="those of what drafts tokens"))

    def most_bytes(self, rank: int) -> int | None:
        """Return None: no setting bounds a sum."""

    def most_sequences(self, context: int) -> int | None:
        """Return None: a formula has no limit."""

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """Return None: a formula refuses nothing."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:  # noqa: ARG002 - prints none
        """Return None: a formula starts nothing."""
        return None


def _of_ranks(ranks: Sequence[Sequence[tuple[Rows, int]]], context: int) -> tuple[int, ...]:
    """Return the bytes of the rows of a sequence on each rank."""
    return tuple(sum(size * rows.at(context) for rows, size in rank) for rank in ranks)


def _of_part(ranks: Sequence[Sequence[tuple[Rows, int]]], cp: int, context: int) -> tuple[int, ...]:
    """Return the same of the tokens that one of *cp* ranks has."""
    return _of_ranks(ranks, ceil_div(context, cp))


def rows_of(stage: Stage, tp: int) -> tuple[tuple[Rows, int], ...]:
    """Return the rows of a stage's terms, each once, with the bytes of one of them on one of *tp* ranks."""
    return terms_rows([*stage.counts, *((layer, 1) for layer in stage.drafts)], tp)


def terms_rows(layers: Iterable[tuple[Layer, int]], tp: int) -> tuple[tuple[Rows, int], ...]:
    """Return the same of so many of each layer."""
    sizes: dict[Rows, int] = {}
    for layer, count in layers:
        for term in layer:
            size = count * term.row_bytes * term.split.on_rank(tp)
            sizes[term.rows] = sizes.get(term.rows, 0) + size
    return tuple(sizes.items())


def refuse_version(engine: str, version: str | None) -> None:
    """Raise UnknownNameError if a *version* of an engine is asked for that is not told apart by them."""
    if version is not None:
        raise UnknownNameError(f"the engine {engine} has no version {version[:40]!r}: write {engine} alone")


def as_asked(asked: str | None, rows: ToStore) -> str:
    """Return the cache format that is asked for; the model's dtype if none is."""
    return rows.dtype if asked is None or asked == "auto" else asked


def _arrange(stages: Sequence[Stage], options: EngineOptions) -> Sum:
    return Sum(stages=tuple(stages), tp=options.tp, cp=options.cp)


def _context_ranks(options: SharedOptions) -> int:
    return options.cp


EXACT_UTILIZATION = "0.9"
"""The formula has no rule of its own: this is what vLLM used up to 0.19.1."""

# Nor has it memory of its own to reserve, so it borrows vLLM's overhead.
EXACT = Engine(
    name="exact",
    arrange=_arrange,
    kv_dtype=as_asked,
    share=Share(of="card", default=always(EXACT_UTILIZATION)),
    needs=borrowed_start_up,
    takes=frozenset({"max_num_seqs", "cp", "ep"}),
    context_ranks=_context_ranks,
    even_weights=True,
    drafts="last",
)


def exact(version: str | None) -> Engine:
    """Return the formula; raise UnknownNameError for a *version*, which a formula has not."""
    refuse_version("exact", version)
    return EXACT
