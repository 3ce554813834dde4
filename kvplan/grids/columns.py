"""The columns of an answered grid: what each is, and which way of it is better."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from kvplan.errors import OptionsError, did_you_mean
from kvplan.grids.axes import OPTIONS

Kind = Literal["text", "int", "float", "flag"]


class Column(NamedTuple):
    """
    A column: its values' kind, whether they are bytes, and the better of two unlike ones, where one is.

    A figure may be the same for each `batch`, or for each `context`: what it `ignores`.
    """

    name: str
    kind: Kind
    better: Literal["more", "less"] | None = None
    is_bytes: bool = False
    ignores: Literal["context", "batch"] | None = None


PLANNED = (
    Column("model", "text"),
    Column("gpu", "text"),
    Column("engine", "text"),
    Column("kv_dtype", "text"),
    Column("tp", "int", "less"),
    Column("pp", "int", "less"),
    Column("dp", "int", "less"),
)
"""What every point says of its plan: as it was asked, or as the plan has it where it was not."""

WORK = (Column("context", "int", "more"), Column("batch", "int", "more"))

FIGURES = (
    Column("gpus", "int", "less"),
    Column("bytes_per_sequence", "int", "less", is_bytes=True, ignores="batch"),
    Column("weights_bytes", "int", "less", is_bytes=True),
    Column("kv_bytes", "int", "more", is_bytes=True),
    Column("kv_used_bytes", "int", "less", is_bytes=True),
    Column("free_bytes", "int", "more", is_bytes=True),
    Column("fits", "flag", "more"),
    Column("max_batch", "int", "more", ignores="batch"),
    Column("max_context", "int", "more", ignores="context"),
    Column("max_batch_per_gpu", "float", "more", ignores="batch"),
)
"""What `fit` answers, by its names; `gpus` are those of all replicas."""

PRICE = Column("price_per_sequence", "float", "less", ignores="batch")
"""What the GPUs of all replicas cost in an hour, for each sequence of `max_batch`."""

WHY = (Column("limit", "text", ignores="batch"), Column("reason", "text", ignores="batch"))
"""What stops one sequence more, in `fit`'s word; and why there is no answer, in the words of its error."""

PARETO = Column("pareto", "flag")
"""Whether no other point is as good by each key, and better by one."""


def columns_of(asked: tuple[str, ...], *, priced: bool, marked: bool) -> tuple[Column, ...]:
    """Return the columns of a grid in which these options were given."""
    own = {each.name for each in PLANNED} | {each.name for each in WORK}
    return (
        *PLANNED,
        *(Column(name, _kind(name)) for name in asked if name not in own),
        *WORK,
        *FIGURES,
        *((PRICE,) if priced else ()),
        *WHY,
        *((PARETO,) if marked else ()),
    )


def _kind(name: str) -> Kind:
    kind, _ = OPTIONS[name]
    kinds = get_args(kind) or (kind,)
    if bool in kinds:
        return "flag"
    return "int" if int in kinds and str not in kinds else "text"


def find_column(name: str, columns: tuple[Column, ...]) -> Column:
    """Return the column that is called so, hyphens read as underscores; raise OptionsError if none is."""
    by_name: Mapping[str, Column] = {each.name: each for each in columns}
    spelt = name.strip().replace("-", "_")
    if spelt not in by_name:
        hint = did_you_mean(spelt, list(by_name)) or f": there are {', '.join(by_name)}"
        raise OptionsError(f"no column is called {name[:40]!r}{hint}")
    return by_name[spelt]
