"""The row of one engine: all that reconciling needs to know of its start-up log."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from kvplan.dtypes import Role
from kvplan.reconcile.changes import Assumption
from kvplan.reconcile.log import EngineName, FigureName, StartUpLog
from kvplan.reconcile.rows import Row
from kvplan.reconcile.setup import Setup
from kvplan.reconcile.starts import Reader
from kvplan.records import record
from kvplan.terms import Term

Compare = Callable[[StartUpLog, Setup], tuple[Row, ...]]
Assume = Callable[[StartUpLog, Setup, Sequence[Term]], Iterator[Assumption]]
Formats = Callable[[Setup, AbstractSet[Role]], tuple[str, ...]]


@record(kw_only=False)
class Disclaimed:
    """What an engine's log does not have, and why."""

    why: str


@record
class LogDialect:
    """
    What the start-up log of one engine says, and what may have been otherwise than planned.

    `looked_for` are its lines in words, `reader` how they are read and `compare` what is exact in them.
    Each other facet is there or is disclaimed:

    - `oldest` names the first release with rules, which stand in for those before it, and
      `only_oldest` the figures by which these are known where no release is named;
    - `context` is what is cached for one `request`, or for all `slots`;
    - `weights` and `memory` are the figures of what a GPU holds and of what is left for the cache;
    - `degrees` are the options that spread a model, and `block_sizes` those that are tried;
    - `formats` are the dtypes of the cache that are tried, the likeliest first;
    - `drafts` says whether speculative decoding is planned by a `setting` or has a `pool` of its own;
    - `assumptions` are what this engine alone decides.
    """

    engine: EngineName
    label: str
    looked_for: str
    reader: Reader
    compare: Compare
    oldest: str | Disclaimed
    only_oldest: tuple[FigureName, ...] | Disclaimed
    context: Literal["request", "slots"] | Disclaimed
    weights: FigureName | Disclaimed
    memory: FigureName | Disclaimed
    degrees: tuple[str, ...] | Disclaimed
    block_sizes: tuple[int, ...] | Disclaimed
    formats: Formats | Disclaimed
    drafts: Literal["setting", "pool"] | Disclaimed
    assumptions: Assume | Disclaimed
