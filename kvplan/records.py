"""
Frozen dataclasses that are quick to make: a cold command makes dozens of classes before it answers.

The standard library compiles six methods for each. A record compiles its `__init__`, which sets fields in
half of the time, and what compares it when that is first asked for; all other methods are shared. To whatever
else asks it is a dataclass like any other.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields, is_dataclass
from functools import cache
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import Any, Never, TypeVar, dataclass_transform, overload

Made = TypeVar("Made")


@overload
def record(of: type[Made], /) -> type[Made]: ...


@overload
def record(
    *, slots: bool = True, kw_only: bool = True, eq: bool = True
) -> Callable[[type[Made]], type[Made]]: ...


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(
    of: type[Made] | None = None, /, *, slots: bool = True, kw_only: bool = True, eq: bool = True
) -> type[Made] | Callable[[type[Made]], type[Made]]:
    """
    Return a class as `dataclass(frozen=True, slots=True, kw_only=True)` does.

    Methods that it has of its own are kept. Without *eq* it compares as the classes above it do.
    """

    def made(given: type[Made]) -> type[Made]:
        own, words = {*vars(given)}, given.__doc__
        result = dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(given)
        result.__doc__ = words
        methods = {"__init__": _initializer(result), **_FROZEN}
        methods |= (_EQUAL if eq else {}) | (_SENT if slots else {})
        for name in methods.keys() - own:
            setattr(result, name, methods[name])
        return result

    return made if of is None else made(of)


@cache
def field_names(of: Hashable) -> tuple[str, ...]:
    """Return the names of a dataclass's fields; none for other types."""
    return tuple(each.name for each in fields(of)) if isinstance(of, type) and is_dataclass(of) else ()


def _initializer(of: type) -> Callable[..., None]:
    """Return the `__init__` of a record: compiled, so that Python itself binds and refuses arguments."""
    given = [each for each in fields(of) if each.init]
    positional = [_parameter(each) for each in given if not each.kw_only]
    named = [_parameter(each) for each in given if each.kw_only]
    # What is neither given nor has a default is left to __post_init__.
    kept = [each for each in fields(of) if each.init or _default(each) is not MISSING]
    body = [f"_set_{each.name}(self, {_value(each)})" for each in kept]
    if hasattr(of, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    known = {f"_set_{each.name}": _setter(of, each.name) for each in kept}
    known |= {f"_default_{each.name}": _default(each) for each in kept}
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), known)  # noqa: S102 - field names
    made: Callable[..., None] = known["__init__"]
    made.__module__, made.__qualname__ = of.__module__, f"{of.__qualname__}.__init__"
    made.__annotations__ = {each.name: each.type for each in given} | {"return": None}
    return made


def _default(each: Field[Any]) -> Any:  # noqa: ANN401 - any value
    return each.default_factory if each.default is MISSING else each.default


def _parameter(each: Field[Any]) -> str:
    return each.name if _default(each) is MISSING else f"{each.name}=_default_{each.name}"


def _value(each: Field[Any]) -> str:
    default = f"_default_{each.name}"
    if each.default_factory is MISSING:
        return each.name if each.init else default
    return f"{default}() if {each.name} is {default} else {each.name}" if each.init else f"{default}()"


def _setter(of: type, name: str) -> Callable[[Any, Any], None]:
    """Return what sets a field of a new record: its slot, where it has one."""
    slot = getattr(of, name, None)
    if isinstance(slot, MemberDescriptorType):
        return slot.__set__
    return lambda new, value: object.__setattr__(new, name, value)


def _equal(self: Any, other: Any) -> Any:  # noqa: ANN401 - a record, and any value
    _compile_comparison(type(self))
    return self.__eq__(other)


def _hash(self: Any) -> int:  # noqa: ANN401 - a record
    _compile_comparison(type(self))
    return hash(self)


def _compile_comparison(of: type) -> None:
    """Put what compares and hashes a record by its fields in the place of what was the first to be asked."""
    owner = next(each for each in of.__mro__ if _equal in vars(each).values() or _hash in vars(each).values())
    compared = [each for each in fields(owner) if each.compare]
    hashed = [each for each in compared if each.hash is not False]
    known: dict[str, Any] = {}
    exec(  # noqa: S102 - names of fields
        "def __eq__(self, other):\n"
        " if other.__class__ is not self.__class__:\n  return NotImplemented\n"
        f" return {_read('self', compared)} == {_read('other', compared)}\n"
        f"def __hash__(self):\n return hash({_read('self', hashed)})",
        known,
    )
    for name in [name for name, method in _EQUAL.items() if vars(owner).get(name) is method]:
        setattr(owner, name, known[name])


def _read(record: str, names: Sequence[Field[Any]]) -> str:
    return f"({''.join(f'{record}.{each.name}, ' for each in names)})"


@recursive_repr()
def _repr(self: Any) -> str:  # noqa: ANN401 - a record
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_to_set(_: object, name: str, __: object) -> Never:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> Never:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:  # noqa: ANN401 - a record
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:  # noqa: ANN401 - a record
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


_FROZEN = {"__repr__": _repr, "__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
_EQUAL = {"__eq__": _equal, "__hash__": _hash}
_SENT = {"__getstate__": _state, "__setstate__": _set_state}
"""How a record with slots, which does not change, is pickled and copied."""
