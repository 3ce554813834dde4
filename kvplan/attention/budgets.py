"""Attention of which research keeps less, or more, than keys and values of each token: no engine has it."""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import model_validator

from kvplan.attention.base import Count, groups_split, whole
from kvplan.attention.grouped import Grouped, SoftmaxKind
from kvplan.dtypes import BF16, Dtype, Role
from kvplan.records import record
from kvplan.terms import Allocation, Layer, Target, Term
from kvplan.units import maximum, minimum


@record
class Kept:
    """
    Rows of tokens that a policy keeps: the `newest` ones, and of those before one in `one_of`.

    There are `most` at most. The newest `skip` of them are held by another term.
    """

    most: int | None = None
    one_of: int = 1
    newest: int = 0
    skip: int = 0

    @property
    def stride(self) -> int:
        """Tokens after which the rows grow alike again."""
        return self.one_of

    def at(self, tokens: int) -> int:
        """Return the rows that a sequence of *tokens* tokens holds."""
        newest = minimum(tokens, self.newest)
        kept = newest + -((newest - tokens) // self.one_of)
        return maximum(0, (kept if self.most is None else minimum(kept, self.most)) - self.skip)

    def growth(self, step: int) -> int:
        """Return the rows that *step* more tokens add to a long sequence: none once there are `most`."""
        return step // self.one_of if self.most is None else 0

    def words(self) -> str:
        """Return which tokens have a row."""
        if self.most is not None:
            return f"each of {self.most:,} kept tokens"
        recent = f", and each of the newest {self.newest:,}" if self.newest else ""
        return f"one token of {self.one_of}{recent}" if self.one_of > 1 else "each token"


class Budget(Grouped):
    """
    Attention that keeps the rows of some tokens alone, whichever a policy chooses.

    Caches G (d_k + d_v) elements for each of min(tokens, `kept`) tokens, or for one token in `one_of` and
    each of the `newest`. Sources: H2O, arXiv 2306.14048 (heavy hitters and recent tokens); SnapKV,
    arXiv 2404.14469 (of a prompt); PyramidKV, arXiv 2406.02069 (layer by layer); DMS,
    arXiv 2506.05345 (one in so many, evicted late).
    """

    kind: Literal["budget"]
    kept: Count | None = None
    one_of: Count | None = None
    newest: Count | None = None
    formula: ClassVar[str] = "G (d_k + d_v) for each kept token"
    source: ClassVar[str] = "H2O, arXiv 2306.14048; SnapKV, arXiv 2404.14469; DMS, arXiv 2506.05345"

    @model_validator(mode="after")
    def _one_rule_is_given(self) -> "Budget":
        if (self.kept is None) == (self.one_of is None):
            raise ValueError("a budget has kept (so many tokens) or one_of (one token in so many)")
        if self.newest is not None and self.one_of is None:
            raise ValueError("newest belongs to one_of: kept counts all tokens")
        return self

    def lower(self, target: Target) -> Layer:
        """Return the terms of K and V of the tokens that are kept."""
        rows = Kept(most=self.kept, one_of=self.one_of or 1, newest=self.newest or 0)
        widths: tuple[tuple[Role, str, int], ...] = (
            ("key", "K", self.head_dim),
            ("value", "V", self.v_head_dim or self.head_dim),
        )
        return tuple(
            term
            for role, name, width in widths
            for term in self._stored(role, name, width, rows, target.kv.dtype(role))
        )

    def attended(self, tokens: int) -> int:  # noqa: ARG002 - some policies drop tokens within a prompt
        return 0

    def _stored(self, role: Role, name: str, width: int, rows: Kept, dtype: Dtype) -> Layer:
        """Return one term, or two for a format that keeps its newest tokens in full precision."""
        dtype.require_rows_alone("a budget of tokens")
        term = Term(
            role=role,
            label=name,
            allocation=Allocation(pool="attention"),
            split=groups_split(self.groups),
            width=width,
            dtype=dtype,
            rows=replace(rows, skip=dtype.residual),
        )
        if not dtype.residual:
            return (term,)
        newest = Kept(most=min(dtype.residual, rows.most or dtype.residual))
        return (term, replace(term, label=f"newest {name}", dtype=BF16, rows=newest))


class Composed(SoftmaxKind):
    """
    Dynamically composable attention: MHA whose heads are mixed anew for every pair of tokens.

    Beside h (d_k + d_v) elements, each token keeps the matrices by which it mixes heads as a key, before
    and after the softmax: 2 h^2. Every rank needs them whole. Source: DCFormer, arXiv 2405.08553, and the
    cache of its implementation (KVKWCache: two h x h matrices a token).
    """

    kind: Literal["dcmha"]
    formula: ClassVar[str] = "h (d_k + d_v) + 2 h^2 per token"
    source: ClassVar[str] = "DCFormer, arXiv 2405.08553"

    @property
    def kv_heads(self) -> int:
        return self.heads

    def lower(self, target: Target) -> Layer:
        """Return the terms of K and V, and of the matrices that mix heads."""
        target.kv.dtype("key").require_rows_alone("matrices that mix heads")
        mixing = Term(
            role="key",
            label="mixing matrices",
            allocation=Allocation(pool="attention", number=2),
            split=whole("latent"),
            width=2 * self.heads * self.heads,
            dtype=target.kv.dtype("key"),
            rows=Kept(),
        )
        return (*self.keys_and_values(target), mixing)
