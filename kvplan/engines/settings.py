"""Options that one engine has and others have not: declared as values, given as text."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from kvplan.errors import OptionsError, did_you_mean
from kvplan.records import record
from kvplan.units import parse_count

if TYPE_CHECKING:
    from fractions import Fraction

Value: TypeAlias = "int | bool | str | Fraction | tuple[int, ...] | list[Fraction]"

_FLAGS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_RATIO = re.compile(r"\d{1,18}(?:\.\d{1,18})?", re.ASCII)


@record
class Setting:
    """
    An option by the engine's own name, underscores for hyphens, and what it takes.

    A `count` is an int above 0, `counts` several of them with commas between, a `ratio` a number
    above 0, `ratios` several of them, a `name` one of `choices`, or any where there are none.
    """

    name: str
    kind: Literal["count", "counts", "flag", "ratio", "ratios", "name"]
    help: str
    choices: tuple[str, ...] = ()


@record
class Settings:
    """What was given of an engine's settings, read; None where it was not given."""

    values: Mapping[str, Value]

    def count(self, name: str) -> int | None:
        """Return a setting of the kind `count`."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def counts(self, name: str) -> tuple[int, ...] | None:
        """Return a setting of the kind `counts`."""
        value = self.values.get(name)
        return value if isinstance(value, tuple) else None

    def flag(self, name: str) -> bool | None:
        """Return a setting of the kind `flag`."""
        value = self.values.get(name)
        return value if isinstance(value, bool) else None

    def ratio(self, name: str) -> "Fraction | None":
        """Return a setting of the kind `ratio`, exactly."""
        from fractions import Fraction  # noqa: PLC0415 - a cold command never needs it

        value = self.values.get(name)
        return value if isinstance(value, Fraction) else None

    def ratios(self, name: str) -> "list[Fraction] | None":
        """Return a setting of the kind `ratios`, exactly."""
        value = self.values.get(name)
        return value if isinstance(value, list) else None

    def name(self, name: str) -> str | None:
        """Return a setting of the kind `name`."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None


def require_declared(engine: str, declared: Sequence[Setting], given: Mapping[str, str]) -> None:
    """Raise OptionsError for a *given* setting that the *engine* does not have."""
    names = [setting.name for setting in declared]
    for name in given:
        if name not in names:
            has = f"it has {', '.join(names)}" if names else "it has none"
            raise OptionsError(
                f"the engine {engine} has no setting {name[:40]!r}{did_you_mean(name, names)}; {has}"
            )


def read_settings(declared: Sequence[Setting], given: Mapping[str, str]) -> Settings:
    """Return the *given* of an engine's settings, read; raise OptionsError for a value it does not take."""
    by_name = {setting.name: setting for setting in declared}
    return Settings(values={name: _read(by_name[name], text) for name, text in given.items()})


def _read(setting: Setting, text: str) -> Value:
    text = text.strip()
    match setting.kind:
        case "count":
            return parse_count(text, setting.name)
        case "counts":
            return tuple(parse_count(part, setting.name) for part in text.split(","))
        case "flag":
            if text.lower() not in _FLAGS:
                raise OptionsError(f"{setting.name}={text[:40]!r} is neither true nor false")
            return _FLAGS[text.lower()]
        case "ratio":
            return _ratio(setting.name, text)
        case "ratios":
            return [_ratio(setting.name, part.strip()) for part in text.split(",")]
        case "name":
            if setting.choices and text not in setting.choices:
                known = ", ".join(setting.choices)
                raise OptionsError(f"{setting.name}={text[:40]!r} is not one of {known}")
            return text


def _ratio(name: str, text: str) -> "Fraction":
    """Return a number above 0, which may exceed 1: some ratios of pools do."""
    from fractions import Fraction  # noqa: PLC0415 - a cold command never needs it

    # Fraction alone would take 1e999999999, and compute it for minutes.
    value = Fraction(text) if _RATIO.fullmatch(text) else Fraction(0)
    if not value:
        raise OptionsError(f"{name}={text[:40]!r} is not a number above 0")
    return value
