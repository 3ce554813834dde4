"""The arguments of the library's functions: what their annotations say, or an error that names them."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import wraps
from inspect import Parameter, Signature, signature
from numbers import Real
from operator import index
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, cast, get_args, get_origin

from kvplan.errors import OptionsError, did_you_mean
from kvplan.records import record

P = ParamSpec("P")
R = TypeVar("R")

_MOST = 10**18
"""No size or count is larger, and Python refuses to print ints of 4300 digits."""


@record
class Option:
    """
    What an option is beside its type: words, and how the command line has it.

    `default` is None where whoever reads it chooses, `unsaid` says in words what is then taken. `read`
    turns its text into a value, `least` bounds a number. On the command line it is called as in the
    library, with hyphens, unless it has a `name`; it may have a `short` one and an `other`, too.
    """

    help: str
    default: object = None
    unsaid: str | None = None
    metavar: str | None = None
    read: Callable[[str], object] | None = None
    least: int | None = None
    name: str | None = None
    short: str | None = None
    other: str | None = None


def as_written(read: Callable[[str], object]) -> Callable[[str], str]:
    """Return what keeps an option's text as it is written, once *read* has understood it."""

    @wraps(read)
    def check(text: str) -> str:
        read(text)
        return text

    return cast("Callable[[str], str]", check)


class ArgumentError(OptionsError, TypeError):
    """An argument of another type than its function takes."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """
    Return *function* behind a check of its arguments against their annotations.

    Integers of numpy and others of the kind become ints, lists become tuples. What is of no annotated
    type, missing or unknown is an ArgumentError. Options (`**options: Unpack[...]`) are its keyword
    arguments, to `help` and to the check.
    """
    arguments = expanded(function)
    hints = {each.name: each.annotation for each in arguments.parameters.values()}
    least = _least(function)

    needed = {each.name for each in arguments.parameters.values() if each.default is Parameter.empty}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = dict(zip(hints, args, strict=False)) | kwargs
        # What binds is told by sets, in a tenth of the time; why something does not, by Python's own words.
        if (
            len(args) > 1
            or len(given) < len(args) + len(kwargs)
            or not needed <= given.keys() <= hints.keys()
        ):
            _bind(function, arguments, args, kwargs)
        for name, value in given.items():
            where = f"kvplan.{function.__name__}: {name}"
            given[name] = _at_least(least.get(name), as_argument(value, hints[name], where), where)
        return cast("Callable[..., R]", function)(**given)

    call.__signature__ = arguments  # type: ignore[attr-defined]
    return call


def _bind(
    function: Callable[..., object],
    arguments: Signature,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> None:
    """Raise ArgumentError if a function's arguments are missing, unknown or given twice."""
    try:
        arguments.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(f"kvplan.{function.__name__}: {error}{_hint(arguments, args, kwargs)}") from None


def _hint(arguments: Signature, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """Return what may have been meant by an argument that a function does not take."""
    known = list(arguments.parameters)
    if unknown := [name for name in kwargs if name not in known]:
        return did_you_mean(unknown[0], known)
    return "; options are given by name, as in gpu='h100-80gb'" if len(args) > 1 else ""


def _options(function: Callable[..., object]) -> dict[str, Any]:
    """Return the annotations of the options of `**options: Unpack[...]`, by name."""
    for parameter in signature(function).parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            (options,) = get_args(parameter.annotation)
            return dict(options.__annotations__)
    return {}


def _least(function: Callable[..., object]) -> dict[str, int]:
    """Return the least number of each option that has one."""
    bounds = {name: get_args(hint)[1].least for name, hint in _options(function).items()}
    return {name: least for name, least in bounds.items() if least is not None}


def _at_least(least: int | None, value: object, where: str) -> object:
    if least is not None and isinstance(value, int) and value < least:
        raise ArgumentError(f"{where}: found {value}; expected at least {least}")
    return value


def expanded(function: Callable[..., object]) -> Signature:
    """Return the signature of *function* with a keyword for each option of `**options: Unpack[...]`."""
    own = signature(function)
    named: list[Parameter] = []
    for parameter in own.parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            named += [_keyword(name, hint) for name, hint in _options(function).items()]
        else:
            named.append(parameter)
    return own.replace(parameters=named)


def _keyword(name: str, hint: Any) -> Parameter:  # noqa: ANN401 - any annotation
    kind, option = get_args(hint)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=option.default, annotation=kind)


def as_argument(value: object, hint: Any, where: str) -> object:  # noqa: ANN401 - any annotation
    """Return *value* as its annotation says, ints of numpy as ints; raise ArgumentError if it is none."""
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if type(value) in options and type(value) not in _READERS:
        return value
    for option in options:
        kind = get_origin(option) or option
        try:
            return _READERS[kind](value) if kind in _READERS else _instance(value, kind)
        except (TypeError, ValueError, OverflowError):
            continue
    expected = [_WORDS.get(get_origin(option) or option, f"a {option.__name__}") for option in options]
    raise ArgumentError(f"{where}: found {_shown(value)}; expected {' or '.join(expected)}")


def _whole(value: Any) -> int:  # noqa: ANN401 - any argument
    number = index(value)
    if isinstance(value, bool) or abs(number) > _MOST:
        raise TypeError
    return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def _truth(value: Any) -> bool:  # noqa: ANN401 - any argument
    plain = value.item() if type(value).__module__ == "numpy" else value
    return bool(_instance(plain, bool))


def _wholes(value: object) -> tuple[int, ...]:
    if isinstance(value, str | bytes | Mapping | AbstractSet) or not isinstance(value, Collection):
        raise TypeError
    return tuple(map(_whole, value))


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes | Mapping | AbstractSet) or not isinstance(value, Collection):
        raise TypeError
    return tuple(str(_instance(each, str)) for each in value)


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError
    return {str(_instance(key, str)): str(_instance(each, str)) for key, each in value.items()}


def _path(value: object) -> Path:
    if not isinstance(value, os.PathLike):
        raise TypeError
    return Path(value)


def _instance(value: object, kind: type) -> object:
    if not isinstance(value, kind):
        raise TypeError
    return value


_READERS: Mapping[Any, Callable[[Any], object]] = {
    int: _whole,
    float: _number,
    bool: _truth,
    tuple: _wholes,
    Mapping: _texts,
    Sequence: _names,
    Path: _path,
}
_WORDS: Mapping[Any, str] = {
    int: "an int",
    float: "a number",
    bool: "True or False",
    str: "text",
    tuple: "a list of ints",
    Mapping: "a dict of texts",
    Sequence: "a list of texts",
    Path: "a path",
    NoneType: "None",
}


def _shown(value: object) -> str:
    """Return a plain value, and the type alone of what may be large or print anything."""
    if isinstance(value, int) and abs(value) > _MOST:
        return "an int beyond 10^18"
    if isinstance(value, str | int | float | None):
        text = repr(value)
        return text if len(text) <= 60 else text[:56] + " ..."  # noqa: PLR2004 - fits the line
    return f"a {type(value).__name__}"
