"""Short ways to write the rows of a table: option names in one string, apart by spaces."""

from kvplan.serving.table import Asks, File, Harmless, LeftOut, ModelName, Refused, Switch, Takes
from kvplan.serving.values import COUNT, Value

MORE = "it takes more than planned"
LESS = "it takes less than planned"
EITHER = "it may take more or less than planned"
DIRECTIONS = (MORE, LESS, EITHER)
"""What an option that no plan counts does to the memory that the server takes."""


def model(names: str) -> ModelName:
    """Return the options that name the model."""
    return ModelName(names=tuple(names.split()))


def file(names: str, under: str = "") -> File:
    """Return the options that name a file of further options, whose keys stand *under* another one."""
    return File(names=tuple(names.split()), under=under)


def asks(names: str, keyword: str, value: Value = COUNT, unset: str = "", *, takes: Takes = "value") -> Asks:
    """Return an option whose value is a plan's *keyword*."""
    return Asks(names=tuple(names.split()), keyword=keyword, value=value, unset=unset, takes=takes)


def setting(names: str, name: str, against: str = "", *, on: str = "true") -> Switch:
    """Return a flag that is an engine's setting: *on*, or its opposite for the names *against*."""
    return Switch(
        names=tuple(names.split()),
        against=tuple(against.split()),
        keyword=f"settings.{name}",
        on=on,
        off="false" if on == "true" else "true",
    )


def left_out(names: str, what: str, *unless: str, takes: Takes = "value") -> LeftOut:
    """Return options of which no plan counts *what* and its direction, but for the values *unless*."""
    return LeftOut(names=tuple(names.split()), what=what, unless=unless, takes=takes)


def more(what: str) -> str:
    """Return *what* is left out where the server then takes more than planned."""
    return f"{what}: {MORE}"


def less(what: str) -> str:
    """Return *what* is left out where the server then takes less than planned."""
    return f"{what}: {LESS}"


def either(what: str) -> str:
    """Return *what* is left out where no one knows in which direction."""
    return f"{what}: {EITHER}"


def refused(names: str, hint: str, *unless: str, takes: Takes = "value") -> Refused:
    """Return options with which a plan would be plainly wrong, but for the values *unless*."""
    return Refused(names=tuple(names.split()), hint=hint, unless=unless, takes=takes)


def harmless(names: str, takes: Takes) -> Harmless:
    """Return options of no effect on memory."""
    return Harmless(names=tuple(names.split()), takes=takes)
