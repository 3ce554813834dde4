"""Records beside the standard library's dataclasses: whatever is asked of both, they answer alike."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from inspect import signature
from typing import Any, NamedTuple

import pytest

from kvplan.records import record

Decorator = Callable[[type[Any]], type[Any]]


class Twins(NamedTuple):
    """Classes of each sort, made by records or by dataclasses."""

    thing: type[Any]
    wider: type[Any]
    point: type[Any]
    kept: type[Any]
    bare: type[Any]
    apart: type[Any]


def defined(keywords: Decorator, positions: Decorator, open_: Decorator, identity: Decorator) -> Twins:
    @keywords
    class Thing:
        """Words of its own."""

        a: int
        b: str = "x"
        c: int = field(default=3, compare=False)
        d: list[int] = field(default_factory=list, hash=False)
        e: int = field(init=False, repr=False)
        f: int = field(default=5, init=False)
        g: list[int] = field(default_factory=list, init=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "e", self.a + 1)

        def twice(self) -> int:
            return 2 * self.a

    @keywords
    class Wider(Thing):
        """One more field, and another default."""

        b: str = "y"
        h: "Thing | None" = None

    @positions
    class Point:
        """Fields by their place."""

        x: float
        y: float = 0.0

    @open_
    class Kept:
        """A class without slots, which keeps what it computes, and has its own words."""

        n: int

        @cached_property
        def square(self) -> int:
            return self.n**2

        def __repr__(self) -> str:
            return f"<{self.n}>"

    @keywords
    class Bare:
        """No field at all."""

    @identity
    class Apart:
        """Equal to itself alone."""

        n: int

    return Twins(Thing, Wider, Point, Kept, Bare, Apart)


RECORDS = defined(record, record(kw_only=False), record(slots=False), record(eq=False))
DATACLASSES = defined(
    dataclass(frozen=True, slots=True, kw_only=True),
    dataclass(frozen=True, slots=True),
    dataclass(frozen=True, kw_only=True),
    dataclass(frozen=True, slots=True, kw_only=True, eq=False),
)


def outcome(ask: Callable[[Twins], object], twins: Twins) -> object:
    """Return an answer, or the class and the words of what was raised in its place."""
    try:
        return ask(twins)
    except Exception as error:  # noqa: BLE001 - compared
        return type(error), str(error)


@pytest.mark.parametrize(
    "ask",
    [
        lambda of: repr(of.thing(a=1)),
        lambda of: repr(of.wider(a=1, h=of.thing(a=2, d=[1]))),
        lambda of: repr((of.point(1.5), of.point(1, y=2), of.kept(n=3), of.bare())),
        lambda of: of.thing(a=1).twice(),
        lambda of: [getattr(of.thing(a=1), name) for name in "abcdefg"],
        lambda of: of.wider(a=1).b,
        lambda of: of.thing(a=1) == of.thing(a=1),
        lambda of: of.thing(a=1) == of.thing(a=2),
        lambda of: of.thing(a=1, c=1) == of.thing(a=1, c=2),
        lambda of: of.thing(a=1) == of.wider(a=1, b="x"),
        lambda of: of.thing(a=1) == 1,
        lambda of: of.point(float("nan")) == of.point(float("nan")),
        lambda of: of.bare() == of.bare(),
        lambda of: of.apart(n=1) == of.apart(n=1),
        lambda of: hash(of.thing(a=1, d=[1])) == hash(of.thing(a=1, c=4, d=[2])),
        lambda of: len({of.thing(a=1), of.thing(a=1), of.thing(a=2), of.bare(), of.bare()}),
        lambda of: hash(of.point([])),
        lambda of: len({of.apart(n=1), of.apart(n=1)}),
        lambda of: of.thing(),
        lambda of: of.thing(1),
        lambda of: of.thing(a=1, z=2),
        lambda of: of.thing(a=1, e=2),
        lambda of: of.point(1, 2, 3),
        lambda of: of.point(1, x=2),
        lambda of: setattr(of.thing(a=1), "a", 2),
        lambda of: setattr(of.kept(n=1), "n", 2),
        lambda of: delattr(of.thing(a=1), "a"),
        lambda of: hasattr(of.thing(a=1), "__dict__"),
        lambda of: of.kept(n=3).square,
        lambda of: repr(replace(of.wider(a=1), a=2, b="z")),
        lambda of: replace(of.thing(a=1), z=2),
        lambda of: asdict(of.wider(a=1)),
        lambda of: [(each.name, each.type, each.kw_only, each.init) for each in fields(of.wider)],
        lambda of: is_dataclass(of.bare),
        lambda of: of.thing(a=1).__match_args__ + of.point(1).__match_args__,
        lambda of: [each.__doc__ for each in of],
        lambda of: [each.__init__.__qualname__ for each in of],
        lambda of: str(signature(of.point)),
        lambda of: str(signature(of.kept)),
        lambda of: repr(copy.copy(of.wider(a=1, d=[1]))),
        lambda of: repr(copy.deepcopy(of.wider(a=1, d=[1], h=of.thing(a=2)))),
        lambda of: copy.copy(of.thing(a=1)) == of.thing(a=1),
    ],
)
def test_a_record_answers_as_a_dataclass(ask: Callable[[Twins], object]) -> None:
    assert outcome(ask, RECORDS) == outcome(ask, DATACLASSES)


@record
class Sent:
    """A record of a module, which can be pickled."""

    a: int
    b: tuple[int, ...] = ()


def test_a_record_is_sent_and_stays_as_it_is() -> None:
    sent = pickle.loads(pickle.dumps(Sent(a=1, b=(2,))))  # noqa: S301 - made here
    assert sent == Sent(a=1, b=(2,))
    assert hash(sent) == hash(Sent(a=1, b=(2,)))
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        sent.a = 2


def test_a_record_that_holds_itself_shows_itself_once() -> None:
    held: list[Any] = []
    held.append(DATACLASSES.point(held))
    shown = repr(held)
    held.clear()
    held.append(RECORDS.point(held))
    assert repr(held) == shown


def test_a_method_of_its_own_is_kept() -> None:
    @record
    class Own:
        """What says how it compares."""

        n: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert (Own(n=1) == Own(n=2), hash(Own(n=1)), repr(Own(n=1))) == (True, 7, "own")
