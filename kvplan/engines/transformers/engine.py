"""transformers as the planner sees it: caches of each sequence's own, and no start-up."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import lcm

from kvplan.engines.arrangement import Line, StartUp, Straight
from kvplan.engines.base import Engine, EngineOptions, Share, always
from kvplan.engines.exact import Sum, as_asked, refuse_version
from kvplan.engines.overheads import borrowed_start_up
from kvplan.engines.settings import Setting, read_settings
from kvplan.engines.tally import BytesTally
from kvplan.engines.transformers.caches import Traits, require_whole, reserve, traits_of
from kvplan.engines.transformers.static import static_reserve
from kvplan.loads import Load, longest_in, sequences_in
from kvplan.records import record
from kvplan.terms import Stage
from kvplan.units import largest_of

SETTINGS = (
    Setting(
        name="cache_implementation",
        kind="name",
        choices=("dynamic", "static"),
        help="as for generate(): static allocates the whole context at the first token",
    ),
)

LONG = 2**40
"""Tokens beyond any window."""


@record
class Caches:
    """The most bytes that sequences of up to a context ever take in the library's caches."""

    stages: tuple[Stage, ...]
    tp: int
    traits: Traits
    static: bool = False
    assumed: tuple[str, ...] = ()
    longest: int | None = None
    takes_arrays: bool = False
    never_falls: bool = False

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """
        Return the bytes of one batch on one rank of a pipeline stage: all are as long as the longest.

        generate() takes a rectangle of tokens, its shorter sequences padded; so do the caches' tensors.
        """
        return sequences_in(load) * self.sequence_bytes(rank, longest_in(load))

    def sequence_bytes(self, rank: int, context: int) -> int:
        """Return the bytes of one sequence on one rank of a pipeline stage."""
        rule = static_reserve if self.static else reserve
        return rule(self.stages[rank], tokens=context, batch=1, tp=self.tp, traits=self.traits)

    def by_sequence(self, context: int) -> tuple[Straight, ...]:
        """Return the same for the first and the others."""
        sizes = [self.sequence_bytes(rank, context) for rank in range(len(self.stages))]
        return tuple(Straight(size, size) for size in sizes)

    def tally(self, lengths: int) -> BytesTally:
        """Return the bytes of the longest sequence for each: all are padded to it."""
        longest = largest_of(lengths)
        sizes = tuple(self.sequence_bytes(rank, longest) for rank in range(len(self.stages)))
        return BytesTally(of=lambda _: sizes)

    def token_bytes(self, rank: int) -> Fraction:
        """Return what the copies of one token's rows add, all windows full."""
        step = lcm(*(term.rows.stride for term in self.stages[rank].terms()))
        long = step * LONG
        before, after = (self.sequence_bytes(rank, tokens) for tokens in (long, long + step))
        return Fraction(after - before, step)

    def fixed_bytes(self, rank: int) -> int:
        """Return the rows of states and of an encoder's tokens, which are there from the first token on."""
        return self.sequence_bytes(rank, 0)

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return the formula's bytes, and what the library's own rules add or save."""
        formula = Sum(stages=self.stages, tp=self.tp).reserved_bytes(rank=rank, load=load)
        alone = sum(batch * self.sequence_bytes(rank, context) for context, batch in load)
        padding = self.reserved_bytes(rank=rank, load=load) - alone
        windows = "whole windows" if self.static else "windows of w - 1 tokens"
        rules = f"{windows}, convolutions of k columns, what a class copies"
        padded = Line(name="padding", size_bytes=padding, reason="sequences are padded to the longest")
        return (
            Line(name="formula", size_bytes=formula, reason="the terms of every layer"),
            Line(name="library", size_bytes=alone - formula, reason=rules),
            *((padded,) if padding else ()),
        )

    def most_bytes(self, rank: int) -> int | None:
        """Return None: the library has no pool to bound."""

    def most_sequences(self, context: int) -> int | None:
        """Return None: the library has no limit."""

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """Return None: the library refuses nothing when it starts."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:  # noqa: ARG002 - prints none
        """Return None: the library has no pool, and no capacity check."""
        return None


def _arrange(stages: Sequence[Stage], options: EngineOptions) -> Caches:
    require_whole(options.architecture)
    asked = read_settings(SETTINGS, options.settings)
    dynamic = Caches(
        stages=tuple(stages), tp=options.tp, traits=traits_of(options.architecture, options.heads.sharing)
    )
    _refuse_early(dynamic)
    if asked.name("cache_implementation") != "static":
        return dynamic
    static = replace(dynamic, static=True)
    _refuse_early(static)
    return static


def _refuse_early(caches: Caches) -> None:
    """Raise what a cache refuses: it refuses it for any length."""
    for rank in range(len(caches.stages)):
        caches.sequence_bytes(rank, 1)


# The library takes all of a card; activations and CUDA graphs are not its own figure, so vLLM's stand in.
TRANSFORMERS = Engine(
    name="transformers",
    arrange=_arrange,
    kv_dtype=as_asked,
    share=Share(of="card", default=always("1")),
    needs=borrowed_start_up,
    takes=frozenset({"max_num_seqs"}),
    settings=SETTINGS,
    # torch's default: _get_dtype in modeling_utils.py finds one in the config, or in the weights' files.
    unsaid_dtype="float32",
)


def transformers(version: str | None) -> Engine:
    """Return the library's caches; raise UnknownNameError for a *version*: only 5.23's are known."""
    refuse_version("transformers", version)
    return TRANSFORMERS
