"""The rows of an engine's table of options, and the dialect in which its command is written."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from kvplan.frozen import FrozenDict
from kvplan.records import record
from kvplan.serving.served import Answer, Found
from kvplan.serving.values import Value

Takes = Literal["nothing", "value", "optional", "values", "json"]
"""What follows: `values` are all words up to the next option, `json` an object, or one key of it."""


@record
class Asks:
    """An option whose value is one of a plan, under *keyword*; the first name is the one written."""

    names: tuple[str, ...]
    keyword: str
    value: Value
    unset: str = ""
    """What the plan leaves out if the engine chooses the value itself."""
    takes: Takes = "value"


@record
class Switch:
    """An option without a value: any of *names* is *on*, and any of *against* is *off*."""

    names: tuple[str, ...]
    keyword: str
    on: Answer
    off: Answer
    against: tuple[str, ...] = ()
    takes: Takes = "nothing"


@record
class LeftOut:
    """An option that changes the memory in a way no plan counts; the values *unless* change nothing."""

    names: tuple[str, ...]
    what: str
    unless: tuple[str, ...] = ()
    takes: Takes = "value"


@record
class Refused:
    """An option with which the plan would be plainly wrong; the values *unless* change nothing."""

    names: tuple[str, ...]
    hint: str
    unless: tuple[str, ...] = ()
    takes: Takes = "value"


@record
class Harmless:
    """Options that have no effect on the memory of a GPU."""

    names: tuple[str, ...]
    takes: Takes


@record
class ModelName:
    """An option that names the model."""

    names: tuple[str, ...]
    takes: Takes = "value"


@record
class Keys:
    """
    An option whose JSON object holds answers: each of its keys is one, under `keyword.KEY`.

    It is written where a plan has an answer that is the `whole` object.
    """

    names: tuple[str, ...]
    keyword: str
    whole: str = ""
    takes: Takes = "json"


@record
class File:
    """An option that names a file with further ones: rows of `Dialect.in_file`, *under* a key of theirs."""

    names: tuple[str, ...]
    under: str = ""
    takes: Takes = "value"


Row = Asks | Keys | Switch | LeftOut | Refused | Harmless | ModelName | File


def keep(found: Found, _program: str) -> Found:
    """Return what was found: the engine's options are those of a plan."""
    return found


def same(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Return the answers of a plan: they are those of the engine's options."""
    return answers


@record
class Dialect:
    """
    How one engine writes its command.

    `rows` are its options and the environment variables that it reads, whose names begin with `variables`:
    of others that do it is not known what they decide. `head` begins a written
    command for a model. `positional`: a word outside options is the model. `abbreviates`: the
    beginning of an option stands for it (argparse). `dashes`: a value may begin with `-`. `gguf`: models
    are GGUF files.
    `negate` gives the names that turn a flag off. `gather` turns what options said into the options of
    a plan, where they are not the same, and `spread` is its inverse. `stands_for` gives, for the keyword of
    an option that says more than a plan, what of a plan it says; its own words are kept then. `in_file` are
    the options of a file, by the path of their keys, a section by its own (`takes` is json); of `whole`
    sections each key must be known. `of_draft` are settings that say something of a draft alone. An
    option of `marks` says, beside what its row has of it, that its keyword holds.
    """

    engine: str
    rows: tuple[Row, ...]
    head: Callable[[str], list[str]]
    positional: bool = True
    abbreviates: bool = False
    dashes: bool = False
    underscores: bool = False
    environment_prefix: str | None = None
    variables: str = ""
    gguf: bool = False
    negate: Callable[[str], tuple[str, ...]] = lambda _: ()
    gather: Callable[[Found, str], Found] = keep
    spread: Callable[[dict[str, Answer]], dict[str, Answer]] = same
    stands_for: Callable[[str], str] = lambda _: ""
    in_file: tuple[Row, ...] = ()
    of_draft: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=FrozenDict)

    def by_name(self) -> Mapping[str, Row]:
        """Return each row under each of its names, and under the names that turn its flag off."""
        found: dict[str, Row] = {}
        for row in self.rows:
            off = harmless_off(row) if row.takes == "nothing" else None
            for name in row.names:
                if off is not None:
                    for negative in self.negate(name):
                        found.setdefault(negative, off)
            for name in (*row.names, *against(row)):
                found[name] = row
        return found

    def by_key(self, key: str) -> tuple[str, Row | None]:
        """Return the row of a key in a file, or of its section, by its own name; None of neither."""
        rows = {name: row for row in self.in_file for name in row.names}
        name = key
        while name not in rows or (name != key and rows[name].takes != "json"):
            name, dot, _ = name.rpartition(".")
            if not dot:
                return key, None
        return name, rows[name]


def against(row: Row) -> tuple[str, ...]:
    """Return the names that turn *row* off."""
    return row.against if isinstance(row, Switch) else ()


def harmless_off(row: Row) -> Row:
    """Return what the negation of a flag is: a switch turned off, or nothing."""
    return row if isinstance(row, Switch) else Harmless(names=row.names, takes="nothing")
