"""The columns of an answered grid: what each is, and which way of it is better."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from kvplan.errors import OptionsError, did_you_mean
from kvplan.grids.axes import OPTIONS
from kvplan.grids.options import TRAFFIC

Kind = Literal["text", "int", "float", "flag"]

NONE = -1
"""Stands for a number that there is not, as for the None of `max_batch`: memory sets no limit."""

_ANY = "any"


class Column(NamedTuple):
    """
    A column: its values' kind, whether they are bytes, and the better of two unlike ones, where one is.

    A figure may be the same for each `batch`, or for each `context`: what it `ignores`. `without` is what
    people read where there is no number, as where memory sets no limit: of an int, NONE stands for that.
    """

    name: str
    kind: Kind
    better: Literal["more", "less"] | None = None
    is_bytes: bool = False
    ignores: Literal["context", "batch"] | None = None
    without: str | None = None


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
    Column("max_batch", "int", "more", ignores="batch", without=_ANY),
    Column("max_context", "int", "more", ignores="context", without=_ANY),
    Column("max_batch_per_gpu", "float", "more", ignores="batch", without=_ANY),
)
"""What `fit` answers, by its names; `gpus` are those of all replicas."""

HELD = (
    Column("gpus", "int", "less"),
    Column("fits", "flag", "more"),
    Column("max_batch_never", "int", "more", without=_ANY),
    Column("max_batch_likely", "int", "more", without=_ANY),
    Column("max_batch_average", "int", "more", without=_ANY),
    Column("max_batch_likely_per_gpu", "float", "more", without=_ANY),
    Column("method", "text"),
    Column("share_refused", "float", "less"),
    Column("longest", "int"),
    Column("mean_prompt", "float"),
    Column("mean_output", "float"),
)
"""What `hold` answers, its three numbers as `max_batch_...`; `fits` is of the longest request."""

RATE = Column("requests_per_second", "float", "more", without=_ANY)
"""Those of all replicas, with a `tpot`."""

REPLICAS = (
    Column("replicas", "int", "less", without="-"),
    Column("replicas_gpus", "int", "less", without="-"),
)
"""The fewest replicas of tp x pp GPUs for the requests per second that were asked for, and their GPUs."""

PRICE = Column("price_per_sequence", "float", "less", ignores="batch")
"""What the GPUs of all replicas cost in an hour, for each sequence of `max_batch` or `max_batch_likely`."""

LIMIT = Column("limit", "text", ignores="batch")
"""What stops one sequence more, in `fit`'s word."""

REASON = Column("reason", "text", ignores="batch")
"""Why there is no answer, in the words of the error."""

PARETO = Column("pareto", "flag")
"""Whether no other point is as good by each key, and better by one."""


def columns_of(asked: tuple[str, ...], *, priced: bool, marked: bool) -> tuple[Column, ...]:
    """Return the columns of a grid in which these options were given."""
    own = {each.name for each in PLANNED} | {each.name for each in WORK}
    of_traffic = TRAFFIC in asked
    return (
        *PLANNED,
        *(Column(name, _kind(name)) for name in asked if name not in own),
        *(each for each in WORK if not (of_traffic and each.name == "batch")),
        *(_held(asked) if of_traffic else FIGURES),
        *((PRICE,) if priced else ()),
        *(() if of_traffic else (LIMIT,)),
        REASON,
        *((PARETO,) if marked else ()),
    )


def _held(asked: tuple[str, ...]) -> tuple[Column, ...]:
    return (*HELD, *((RATE,) if "tpot" in asked else ()), *(REPLICAS if "rps" in asked else ()))


def is_figure(column: Column) -> bool:
    """Return whether a column is an answer; all others are axes, asked or planned."""
    return column in (*FIGURES, *HELD, RATE, *REPLICAS, PRICE, LIMIT, REASON, PARETO)


def _kind(name: str) -> Kind:
    if name in ("risk", "rps"):  # Text of these is read as a number.
        return "float"
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
