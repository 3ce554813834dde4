"""What every attention kind is: a frozen, strict model that lowers to cache terms."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from kvplan.dtypes import BF16, FP16, FP32, INT8, SPARSE, Dtype, Role, model_dtype_words, short_dtype
from kvplan.errors import SpecError
from kvplan.terms import Allocation, Fixed, Growing, Layer, Pool, Split, Stream, Target, Term, Unit

Count = Annotated[int, Field(ge=1, le=10**9)]
Width = Annotated[int, Field(ge=0, le=10**9)]
"""A dimension or a number of things: a whole number from 1 to 10^9."""


def _short(value: Any) -> Any:  # noqa: ANN401 - what a file holds
    """Return the short name of a dtype, and what is none as it is, to be refused."""
    return (short_dtype(value) or value) if isinstance(value, str) else value


StateDtype = Annotated[
    Literal["fp32", "bf16", "fp16"],
    BeforeValidator(_short),
    WithJsonSchema({"enum": model_dtype_words(), "type": "string"}, mode="validation"),
]
"""The dtypes in which recurrent states are kept."""

_STATE_DTYPES = {"fp32": FP32, "bf16": BF16, "fp16": FP16}


class Facts(BaseModel):
    """A frozen, strict group of facts from a spec: unknown keys and wrong types are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class Part(Facts):
    """
    A kind or a part of one, some of whose dimensions a spec may leave out.

    Those decide no cached byte and no split over ranks: they are asked for where they are read.
    """

    def needed(self, *keys: str, by: str = "its parameters") -> tuple[int, ...]:
        """Return dimensions that the cache does without; raise SpecError for those that are not given."""
        missing = [key for key in keys if getattr(self, key) is None]
        if missing:
            name, they = getattr(self, "kind", type(self).__name__.lower()), " and ".join(missing)
            raise SpecError(
                f"{name} without {they}: the cache does without, {by} cannot; add {they} to its attention"
            )
        return tuple(getattr(self, key) for key in keys)


class Kind(Part):
    """
    One kind of attention, as one layer has it.

    `formula` and `source` are what `kvplan show` prints beside the numbers: the elements that one
    layer caches, and the paper or the code that says so.
    """

    kind: str
    formula: ClassVar[str]
    source: ClassVar[str]

    def lower(self, target: Target) -> Layer:
        """Return the terms that one layer of this kind keeps for one sequence."""
        raise NotImplementedError

    def reads(self) -> tuple[int | None, ...]:
        """Return the window of the rows that this kind reads of another layer, if it does so."""
        return ()

    def splits(self) -> tuple[Split, ...]:
        """Return what tensor parallelism has to divide beside the cached units: query heads."""
        return ()

    def sharing(self) -> tuple[tuple[Split, Split], ...]:
        """Return pairs of which the first must be a multiple of the second: heads and groups."""
        return ()

    def expanded(self) -> tuple[int, int, int] | None:
        """Return what a latent is expanded to (d_nope, d_rope, v_head_dim), if it is and that is known."""
        return None

    def selects(self) -> bool:
        """Return whether an indexer of its own selects the rows of a latent that are read."""
        return False

    def fills(self, hidden: int) -> bool:  # noqa: ARG002 - for all
        """Return whether heads are together as wide as a model of width *hidden*, if it has any."""
        return True

    def repeated(self, hidden: int, ranks: int) -> int:  # noqa: ARG002 - for kinds that repeat
        """Return what *ranks* of a model *hidden* wide hold beyond one copy of its parameters; 0 here."""
        return 0

    def projections(self, hidden: int) -> int:
        """Return the elements of one layer's projection matrices for a model of width *hidden*."""
        raise NotImplementedError

    def attended(self, tokens: int) -> int:  # noqa: ARG002 - for all
        """
        Return the multiply-adds between the tokens of a prompt in one layer: scores and weighted sums.

        These are the least that any kernel computes: 0 where that is not quadratic, or is not known.
        """
        return 0


def pairs(tokens: int, window: int | None = None) -> int:
    """Return how many pairs of a token and one that it sees a causal prompt has: itself and those before."""
    seen = tokens if window is None else min(tokens, window)
    return seen * (seen + 1) // 2 + (tokens - seen) * seen


def state_dtype(name: StateDtype) -> Dtype:
    """Return the dtype that a spec's `state_dtype` or `conv_dtype` names."""
    return _STATE_DTYPES[name]


def heads_split(heads: int) -> Split:
    """Query heads: each rank takes an equal share."""
    return Split(unit="heads", count=heads, replicable=False)


def groups_split(groups: int) -> Split:
    """KV heads: shared out, or stored several times when there are more ranks than groups."""
    return Split(unit="groups", count=groups, replicable=True)


def state_split(heads: int, unit: Unit = "state heads") -> Split:
    """State heads or channels: each rank takes an equal share, none is stored twice."""
    return Split(unit=unit, count=heads, replicable=False)


def whole(unit: Unit) -> Split:
    """Something without a head axis: every rank stores it whole."""
    return Split(unit=unit, count=1, replicable=True)


def growing(  # noqa: PLR0913 - each is one fact of a term
    target: Target,
    role: Role,
    label: str,
    *,
    pool: Pool,
    split: Split,
    width: int,
    window: int | None = None,
    stride: int = 1,
    chunked: bool = False,
) -> Layer:
    """
    Return the terms of rows that come with the tokens, stored as the cache format says.

    This is one term, or two for a format that keeps its newest tokens in full precision, and what a format
    keeps beside rows.
    """
    dtype = target.kv.dtype(role)
    rows = Growing(window=window, stride=stride, skip=dtype.residual, chunked=chunked)
    term = Term(
        role=role,
        label=label,
        allocation=Allocation(pool=pool),
        split=split,
        width=width,
        dtype=dtype,
        rows=rows,
    )
    if not dtype.residual:
        return (term, *_beside(term, rows))
    newest = dtype.residual if window is None else min(dtype.residual, window)
    rows = replace(rows, window=newest, skip=0, newest=True)
    full = replace(term, label=f"newest {label}", dtype=BF16, rows=rows)
    return (term, full)


def _beside(term: Term, rows: Growing) -> Layer:
    """Return what a format keeps beside the *rows* of a term: some elements apart, and what a token has."""
    found, dtype = [], term.dtype
    if dtype.sparse:
        apart = replace(rows, stride=rows.stride * dtype.sparse)
        found.append(replace(term, label=f"outliers of {term.label}", dtype=SPARSE, rows=apart))
    if dtype.token_extra:
        split, width = whole("vector"), dtype.token_extra
        label = f"scales and indices of {term.label}"
        found.append(replace(term, label=label, split=split, width=width, dtype=INT8))
    return tuple(found)


def fixed(  # noqa: PLR0913 - each is one fact of a term
    role: Role,
    label: str,
    *,
    pool: Pool = "recurrent",
    split: Split,
    width: int,
    dtype: Dtype,
    rows: int = 1,
    stream: Stream | None = None,
) -> Term:
    """Return the term of rows that a sequence holds from its first token on."""
    dtype.require_rows_alone(label)
    return Term(
        role=role,
        label=label,
        allocation=Allocation(pool=pool),
        split=split,
        width=width,
        dtype=dtype,
        rows=Fixed(count=rows),
        stream=stream,
    )


def conv_history(kernel: int, dtype: StateDtype, *parts: tuple[Split, Stream, int]) -> Layer:
    """
    Return the terms of a causal convolution's memory: its last kernel - 1 inputs, part by part.

    A part is what tensor parallelism splits it by, the stream, and its channels per unit. The
    kernel - 1 columns suffice to decode; some engines keep all *kernel* of them.
    """
    return tuple(
        fixed(
            "conv",
            f"conv history of {stream}",
            split=split,
            width=width,
            dtype=state_dtype(dtype),
            rows=kernel - 1,
            stream=stream,
        )
        for split, stream, width in parts
    )
