"""
A strict view of a model's config file that remembers which field became what.

A reader takes the fields that it knows. What is left over must be known to be harmless, or the
file describes something that kvplan does not understand.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from kvplan.errors import ImportedError
from kvplan.importers.class_defaults import ClassDefaults
from kvplan.importers.consequence import Consequence, consequence
from kvplan.importers.harmless import HARMLESS, NEUTRAL, PARAMETER_FIELDS
from kvplan.importers.strict_json import Json, shown
from kvplan.records import record

MAX_COUNT = 10**9

_SWITCH = "use_sliding_window"
"""A field of Qwen's classes: vLLM does not read it, and takes any `sliding_window` that a class leaves."""


@record
class Unknown:
    """A field that nobody took and that is not known to be harmless, and what it could change."""

    path: str
    consequence: Consequence


class Fields:
    """
    One object of a config file.

    `values` is the object as the file has it, `defaults` names what a class adds to it and which,
    `used` says what each field taken became, and `origins` where each fact of the spec came from.
    Every `take` raises ImportedError, naming file and field, for a field that is missing, of the
    wrong type, out of range, or given twice in two spellings that disagree.
    """

    def __init__(self, values: Mapping[str, Json], *, file: str, path: str = "") -> None:
        self.values = values
        self.file = file
        self.path = path
        self.defaults: dict[str, str] = {}
        self.used: dict[str, str] = {}
        self.origins: dict[str, str] = {}
        self._inner: list[Fields] = []
        self._told: list[str] = []

    def __contains__(self, name: str) -> bool:
        """Tell whether the file has the field, be it null."""
        return name in self.values

    def error(self, name: str, problem: str) -> ImportedError:
        """Return the error that says *problem* of the field *name*."""
        return ImportedError(f"{self.file}: {self.path}{name}: {problem}")

    def has(self, *names: str) -> bool:
        """Tell whether the file gives one of these fields a value other than null."""
        return any(self.values.get(name) is not None for name in names)

    def take(self, *names: str, to: str = "") -> Json:
        """
        Return the value of a field under the first of its spellings that the file has.

        *to* is the fact of the spec that it becomes. The value may be null.
        """
        found = [name for name in names if name in self.values]
        if not found:
            raise self.error(" or ".join(names), "found nothing; expected this field")
        given = [name for name in found if self.values[name] is not None] or found[:1]
        first = self.values[given[0]]
        for name in found:
            self.used[name] = to
        for other in given[1:]:
            if not _same(self.values[other], first):
                raise self.error(
                    other, f"found {shown(self.values[other])}, but {given[0]} is {shown(first)}"
                )
        if to:
            value = "" if isinstance(first, list | dict) else f" = {shown(first)}"
            value += self.defaults.get(given[0], "")
            self.origins.setdefault(to, f"{self.path}{given[0]}{value}")
        return first

    def take_count(self, *names: str, to: str = "") -> int:
        """Return a whole number from 1 to 10^9."""
        return self._whole(self.take(*names, to=to), names, least=1)

    def take_optional_count(self, *names: str, to: str = "") -> int | None:
        """Return a whole number from 1 to 10^9, or None if the field is missing or null."""
        return self.take_count(*names, to=to) if self._given(names) else None

    def take_whole(self, *names: str, to: str = "") -> int:
        """Return a whole number from 0 to 10^9."""
        return self._whole(self.take(*names, to=to), names, least=0)

    def take_optional_whole(self, *names: str, to: str = "") -> int | None:
        """Return a whole number from 0 to 10^9, or None if the field is missing or null."""
        return self.take_whole(*names, to=to) if self._given(names) else None

    def take_bool(self, *names: str, to: str = "", absent: bool | None = None) -> bool:
        """Return true or false; *absent* if it is given and the field is missing or null."""
        if absent is not None and not self._given(names):
            return absent
        value = self.take(*names, to=to)
        if not isinstance(value, bool):
            raise self._wrong(names, value, "true or false")
        return value

    def take_text(self, *names: str, to: str = "") -> str:
        """Return a text that is not empty."""
        value = self.take(*names, to=to)
        if not isinstance(value, str) or not value:
            raise self._wrong(names, value, "text")
        return value

    def take_optional_text(self, *names: str, to: str = "") -> str | None:
        """Return a text that is not empty, or None if the field is missing or null."""
        return self.take_text(*names, to=to) if self._given(names) else None

    def take_list(self, *names: str, to: str = "") -> list[Json]:
        """Return a list."""
        value = self.take(*names, to=to)
        if not isinstance(value, list):
            raise self._wrong(names, value, "a list")
        return value

    def take_texts(self, *names: str, to: str = "") -> list[str]:
        """Return a list of texts."""
        values = self.take_list(*names, to=to)
        for value in values:
            if not isinstance(value, str):
                raise self._wrong(names, value, "texts alone in this list")
        return [str(value) for value in values]

    def take_wholes(self, *names: str, to: str = "") -> list[int]:
        """Return a list of whole numbers from 0 to 10^9."""
        values = self.take_list(*names, to=to)
        return [self._whole(value, names, least=0) for value in values]

    def take_optional_wholes(self, *names: str, to: str = "") -> list[int] | None:
        """Return a list of whole numbers from 0 to 10^9, or None if the field is missing or null."""
        return self.take_wholes(*names, to=to) if self._given(names) else None

    def nested(self, *names: str) -> "Fields":
        """Return a view of an object inside this one; its unknown fields count as this one's."""
        value = self.take(*names)
        if not isinstance(value, dict):
            raise self._wrong(names, value, "an object")
        name = next(each for each in names if each in self.values)
        return self._view(value, f"{name}.")

    def take_optional_bool(self, name: str) -> bool | None:
        """Return true or false, or None if the field is missing or null."""
        return self.take_bool(name) if self._given((name,)) else None

    def take_share(self, whole: int, name: str, *, to: str = "") -> int:
        """Return *whole* times a factor such as 0.5, which must leave a whole number."""
        factor = self.take(name, to=to)
        if type(factor) not in (int, float) or not 0 < float(str(factor)) <= MAX_COUNT:
            raise self._wrong((name,), factor, "a number above 0")
        share = Fraction(str(factor)) * whole
        if share.denominator != 1:
            raise self.error(name, f"{shown(factor)} x {whole} is not a whole number")
        return int(share)

    def nested_list(self, *names: str) -> list["Fields"]:
        """Return a view of each object of a list of objects."""
        views = []
        for index, value in enumerate(self.take_list(*names)):
            if not isinstance(value, dict):
                raise self._wrong(names, value, "objects alone in this list")
            views.append(self._view(value, f"{names[0]}[{index}]."))
        return views

    def state(self, fact: str, origin: str) -> None:
        """Say where a fact comes from that no single field gives: a quotient, or the model's code."""
        self.origins[fact] = origin

    def skip(self, *names: str) -> None:
        """Mark fields that this reader knows and that change nothing, as they stand, in the cache."""
        for name in names:
            if name in self.values:
                self.used.setdefault(name, "")

    def skip_repeated(self, inner: "Fields") -> None:
        """Mark the fields that repeat, with equal values, what *inner* says of the text model."""
        self.skip(
            *(name for name in inner.used if name in self and _same(self.values[name], inner.values[name]))
        )

    def unknown(self) -> list[Unknown]:
        """Return the fields that nobody took and that are not known to be harmless."""
        own = [
            Unknown(path=f"{self.path}{name}", consequence=consequence(name, value))
            for name, value in self.values.items()
            if not self._is_known(name) and name not in self.defaults
        ]
        return own + [each for view in self._inner for each in view.unknown()]

    def complete(self, defaults: ClassDefaults) -> None:
        """Add the fields that a file leaves out, as its class does."""
        missing = {
            name: value
            for name, value in defaults.values.items()
            if name not in self and not any(other in self for other in defaults.instead.get(name, ()))
        }
        self.values = {**self.values, **missing}
        self.defaults = dict.fromkeys(
            missing, f", the default of transformers' class for {defaults.model_type}"
        )

    def tell(self, what: str) -> None:
        """Add a sentence on what the file does: *what* begins with a verb."""
        self._told.append(f"{self._place} {what}.")

    @property
    def _place(self) -> str:
        return self.path.rstrip(".") or "The file"

    def completed(self) -> tuple[str, ...]:
        """Return a sentence on the defaults that were taken, if any was, and what else was told."""
        counted = self.used.keys() | {"intermediate_size", "vocab_size"}
        taken = [name for name in self.defaults if name in counted and self.values[name] is not None]
        if not taken:
            return tuple(self._told)
        values = {name: self.values[name] for name in taken}
        listed = ", ".join(
            name if isinstance(value, list) else f"{name} {shown(value)}" for name, value in values.items()
        )
        return (f"{self._place} leaves out {listed}{self.defaults[taken[0]]}.", *self._told)

    def ignore(self, names: Iterable[str]) -> list[str]:
        """
        Take the unknown fields that *names* name, alone or with their path, and return their paths.

        Raises ImportedError for a name of which there is none.
        """
        found = [(each.path, each.path.rpartition(".")[2]) for each in self.unknown()]
        for name in names:
            if not any(name in pair for pair in found):
                raise ImportedError(
                    f"{self.file}: {name[:60]}: no field of this name is unknown here; "
                    "expected one that an error names"
                )
        paths = [path for path, name in found if path in names or name in names]
        self._skip_paths(paths)
        return paths

    def _skip_paths(self, paths: Iterable[str]) -> None:
        self.skip(*(path.removeprefix(self.path) for path in paths if path.startswith(self.path)))
        for view in self._inner:
            view._skip_paths(paths)  # noqa: SLF001 - of the same class

    def _is_known(self, name: str) -> bool:
        if name in self.used or name in HARMLESS or name in PARAMETER_FIELDS:
            return True
        if name == "max_window_layers" and self.values.get(_SWITCH) is False:
            return True
        if name == "sliding_window" and _SWITCH in self.used and self.values[_SWITCH] is False:
            return True
        return any(_same(self.values[name], value) for value in NEUTRAL.get(name, ()))

    def _given(self, names: tuple[str, ...]) -> bool:
        """Tell whether a field has a value; a null is taken, as it says that there is none."""
        self.skip(*(name for name in names if self.values.get(name, 0) is None))
        return self.has(*names)

    def _view(self, value: Mapping[str, Json], step: str) -> "Fields":
        view = Fields(value, file=self.file, path=self.path + step)
        view.origins = self.origins
        self._inner.append(view)
        return view

    def _whole(self, value: Json, names: tuple[str, ...], *, least: int) -> int:
        # A bool is an int to Python, and 32.0 is a float that somebody edited.
        if type(value) is not int or not least <= value <= MAX_COUNT:
            raise self._wrong(names, value, f"a whole number from {least} to 10^9")
        return value

    def _wrong(self, names: tuple[str, ...], value: Json, expected: str) -> ImportedError:
        name = next((each for each in names if each in self.values), names[0])
        return self.error(name, f"found {shown(value)}; expected {expected}")


def _same(one: object, other: object) -> bool:
    """Tell whether two values are equal in type, too: True is not 1."""
    return type(one) is type(other) and one == other
