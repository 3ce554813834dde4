"""
The one small algebra: every attention kind lowers to terms, every engine reads terms.

    bytes(term, tokens) = row_bytes * rows(tokens) * units on the rank

No kind knows an engine and no engine knows a kind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from fractions import Fraction
from math import lcm
from typing import Literal, Protocol

from kvplan.dtypes import CacheFormat, Dtype, Role
from kvplan.errors import OptionsError, SplitError
from kvplan.records import record
from kvplan.units import counted, maximum, minimum

Unit = Literal[
    "heads", "groups", "state heads", "q and k heads", "channels", "gate blocks", "output groups",
    "latent", "entry", "indexer key head", "token shift", "vector", "MLP columns",
]  # fmt: skip
"""What tensor parallelism shares out, or what is stored whole because it has no such axis."""

Stream = Literal["x", "q", "k", "v", "B and C"]
"""Which of a mixer's inputs a convolution runs over."""

Pool = Literal[
    "attention", "cross", "mla", "indexer", "window", "compressed",
    "compressor state", "indexer compressor state", "recurrent",
]  # fmt: skip
"""
What is allocated and paged together: all that one attention, or one recurrence, keeps of a layer.

`window` and `compressed` are DeepSeek-V4's entries, the states of its compressors what waits for them.
"""


@record
class Target:
    """All that a kind may ask when it lowers: how the cache is stored, and the encoder's length."""

    kv: CacheFormat
    encoder_tokens: int | None = None


@record
class Split:
    """
    What tensor parallelism divides: `count` indivisible units.

    A `replicable` unit may be stored on several ranks when there are more ranks than units (KV
    heads, a latent); the others must divide evenly (query heads, state heads).
    """

    unit: Unit
    count: int
    replicable: bool

    def on_rank(self, tp: int) -> int:
        """Return the units that one of *tp* ranks holds; raise SplitError if they do not spread."""
        if self.count % tp == 0:
            return self.count // tp
        if self.replicable and tp % self.count == 0:
            return 1
        raise SplitError(self.refusal(tp))

    def refusal(self, tp: int) -> str:
        """Return in words that *tp* ranks cannot share the units, and why."""
        return f"{self.unspread} over tp={tp}: {self.rule(tp)}"

    @property
    def counted(self) -> str:
        """The units with their number: `8 groups`, `1 group`."""
        return counted(self.count, self.unit.removesuffix("s"))

    @property
    def unspread(self) -> str:
        """That they do not spread, in words."""
        return f"{self.counted} {'does' if self.count == 1 else 'do'} not spread"

    def rule(self, tp: int) -> str:
        """Return in words why *tp* ranks cannot share the units."""
        if self.replicable:
            return f"neither {self.count} % {tp} nor {tp} % {self.count} is 0"
        return f"{self.count} % {tp} is {self.count % tp}, not 0"

    def copies(self, tp: int) -> int:
        """Return on how many of *tp* ranks each unit is stored."""
        return max(1, tp // self.count)


class Rows(Protocol):
    """
    How many rows a sequence holds. Engines page `Fixed` and `Growing`; the formula takes any other.

    `at` takes an int64 array of tokens, too: it is written with `minimum` and `maximum`, without a condition.
    """

    @property
    def stride(self) -> int:
        """Tokens after which the rows grow alike again; 1 where every token is like the others."""

    def at(self, tokens: int) -> int:
        """Return the rows that a sequence of *tokens* tokens holds."""

    def growth(self, step: int) -> int:
        """Return the rows that *step* more tokens (a multiple of the stride) add to a long sequence."""

    def words(self) -> str:
        """Return in words what there is a row for."""


@record
class Fixed:
    """Rows that a sequence holds from its first token on, whatever its length: a state."""

    count: int = 1

    def at(self, tokens: int) -> int:  # noqa: ARG002 - the signature of Growing.at
        """Return the rows, the same for any number of tokens."""
        return self.count

    @property
    def stride(self) -> int:
        """1: no token changes anything."""
        return 1

    def growth(self, step: int) -> int:  # noqa: ARG002 - the signature of Rows.growth
        """Return 0."""
        return 0

    def words(self) -> str:
        """Return how many rows there are."""
        return f"{self.count:,} {'row' if self.count == 1 else 'rows'} for any context"


@record
class Growing:
    """
    Rows that come with the tokens: floor((min(tokens, window) - skip) / stride), never below 0.

    `window` bounds them; `stride` tokens share one compressed row, which is written when the last
    of them has come; the newest `skip` tokens are held by another term, whose rows are `newest`.
    `chunked` says that the window starts anew at each multiple of itself (chunked local attention)
    instead of sliding: the bound is the same, but engines page it apart.
    """

    window: int | None = None
    stride: int = 1
    skip: int = 0
    newest: bool = False
    chunked: bool = False

    def at(self, tokens: int) -> int:
        """Return the rows that a sequence of *tokens* tokens holds."""
        held = tokens if self.window is None else minimum(tokens, self.window)
        return maximum(0, held - self.skip) // self.stride

    def growth(self, step: int) -> int:
        """Return the rows that *step* more tokens add: none once a window is full."""
        return 0 if self.window is not None else step // self.stride

    @property
    def _last(self) -> str:
        return "the last token" if self.window == 1 else f"each of the last {self.window:,} tokens"

    def words(self) -> str:
        """Return which tokens have a row."""
        text = "each token" if self.window is None else self._last
        if self.skip:
            text += f" but the newest {self.skip}"
        return text if self.stride == 1 else f"every {self.stride} tokens"


@record
class Allocation:
    """One pool entry of a layer; `number` tells apart those of kinds that run side by side."""

    pool: Pool
    number: int = 1


@record
class Term:
    """
    One tensor family that one layer keeps for one sequence.

    `split` says how many units it has and how they spread over ranks, `width` the elements in one
    row of one unit, `dtype` how they are stored. `allocation` is what the term is a part of: an engine
    pages each allocation on its own. `stream` says what a convolution runs over. All of these an
    engine may go by; `label` is printed and decides nothing: terms that differ in it alone are equal.
    """

    role: Role
    label: str = field(compare=False)
    allocation: Allocation
    split: Split
    width: int
    dtype: Dtype
    rows: Rows
    stream: Stream | None = None

    def __hash__(self) -> int:
        # Engines keep layers as keys; these facts tell most terms apart, and cost a tenth of all.
        return hash((self.role, self.width, self.split.count, self.dtype.name))

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of one unit."""
        return self.dtype.row_bytes(self.width)

    @property
    def known_rows(self) -> Fixed | Growing:
        """The rows, of a shape that engines page; raise OptionsError for one that they do not."""
        if isinstance(self.rows, Fixed | Growing):
            return self.rows
        raise OptionsError(
            f"{self.label} has a row for {self.rows.words()}, which no engine is known to keep: "
            "plan with --engine exact"
        )

    def bytes_on_rank(self, tokens: int, tp: int) -> int:
        """Return the bytes per sequence of *tokens* tokens on one of *tp* ranks."""
        return self.row_bytes * self.rows.at(tokens) * self.split.on_rank(tp)

    def fixed_bytes_on_rank(self, tp: int) -> int:
        """Return the bytes per sequence on one rank that no token count changes."""
        return self.bytes_on_rank(0, tp)

    def growth_on_rank(self, step: int, tp: int) -> int:
        """Return the bytes that *step* more tokens (a multiple of the stride) add, windows full."""
        return self.row_bytes * self.split.on_rank(tp) * self.rows.growth(step)


Layer = tuple[Term, ...]
"""What one layer keeps for one sequence. Two layers are alike to an engine when these are equal."""


def distinct(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return each layer once, in order. Those of one type are one object, so that few are compared."""
    found: list[Layer] = []
    for layer in {id(layer): layer for layer in layers}.values():
        if layer not in found:  # Unlike layers differ early; to hash them would be to read them whole.
            found.append(layer)
    return tuple(found)


def keeps_all(layer: Layer) -> bool:
    """Return whether every term of a layer keeps a row for each token."""
    return bool(layer) and all(term.rows == Growing() for term in layer)


def fullest(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layer that has all that each of the others has, or all of them where none does."""
    found = [each for each in layers if all(set(other) <= set(each) for other in layers)]
    return found or list(layers)


@record
class Stage:
    """
    The layers of one pipeline stage: the name of each one's type in order, and the types' terms.

    `counts` says how often each type occurs, from the first type on; a rule that does not depend on
    order reads only that. `readers` are the layers that read another layer's rows and keep none: the window
    of these rows, None where all tokens stay. `drafts` are the layers of what drafts tokens beside the model,
    on this stage; none of the model's own is among them.
    """

    types: tuple[str, ...]
    counts: tuple[tuple[Layer, int], ...]
    readers: tuple[int | None, ...] = ()
    drafts: tuple[Layer, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The terms of each layer, in the layers' order."""
        by_type = dict(zip(dict.fromkeys(self.types), (layer for layer, _ in self.counts), strict=True))
        return tuple(by_type[name] for name in self.types)

    def terms(self) -> list[Term]:
        """Return the terms of all layers."""
        return [term for layer, count in self.counts for term in layer * count]

    def bytes_on_rank(self, tokens: int, tp: int) -> int:
        """Return what all layers store of one sequence of *tokens* tokens on a rank."""
        return sum(
            count * sum(term.bytes_on_rank(tokens, tp) for term in layer) for layer, count in self.counts
        )


def token_bytes(terms: Iterable[Term], tp: int) -> Fraction:
    """Return the bytes per rank that one token more adds to a long sequence, all windows full."""
    terms = tuple(terms)
    step = lcm(*(term.rows.stride for term in terms))
    return Fraction(sum(term.growth_on_rank(step, tp) for term in terms), step)


def growth(terms: Iterable[Term], tp: int, *, count: int = 1, cp: int = 1) -> int | float:
    """Return the bytes per rank that one more token adds to *count* layers, all windows full."""
    return plain(count * token_bytes(terms, tp) / cp)


def plain(size: Fraction) -> int | float:
    """Return bytes as an int where they are whole."""
    return size.numerator if size.denominator == 1 else float(size)


def without_windows(layer: Layer, tokens: int | None) -> Layer:
    """Return the terms of a layer, without the windows that *tokens* tokens do not overflow."""
    return layer if tokens is None else tuple(_without_window(term, tokens) for term in layer)


def _without_window(term: Term, tokens: int) -> Term:
    """Return a term without a window that has room for all; the newest tokens kept apart are none."""
    rows = term.rows
    if not isinstance(rows, Growing) or rows.newest or (rows.window or 0) < tokens:
        return term
    return replace(term, rows=replace(rows, window=None, chunked=False))
