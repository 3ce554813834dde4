"""The axes of a grid, read: lists, ranges and single values of any option of `fit` or `hold`."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np

from kvplan.arguments import Option, as_argument
from kvplan.engines import find_engine
from kvplan.errors import OptionsError, UnitError, did_you_mean
from kvplan.files import exists
from kvplan.gpus import find_card, machine
from kvplan.grids.arrays import AnyArray, Ints
from kvplan.grids.comes import Source, outputs_of, source_of
from kvplan.grids.options import SweepOptions, as_rate
from kvplan.planner.lists import OF_LAWS, split_values
from kvplan.planner.options import OF_LISTS
from kvplan.planner.work import LONGEST, as_tokens
from kvplan.traffic.options import as_risk
from kvplan.units import MAX_COUNT, parse_count

OPTIONS: Mapping[str, tuple[Any, Option]] = {
    name: get_args(hint) for name, hint in SweepOptions.__annotations__.items()
}
"""The type of each option of a grid, and what else is known of it."""

NUMBERS = ("context", "batch")
"""The axes that are numbers of the work: all others make another plan."""

_MOST_TEXT = 200
"""Letters of a value: each point of a grid repeats it."""

_MOST_VALUES = 10**8
"""Of one axis: more would not be kept in memory."""

_RANGE = re.compile(r"(?P<first>[^.]+)\.\.(?P<last>[^.+]+)(?:\+(?P<step>[^.+]+))?")
_GROUPED = r"\d{1,3}(,\d{3})+"
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def require_option(name: str) -> str:
    """Return the name of an option, its hyphens as underscores; raise OptionsError if a grid has no such."""
    spelt = name.strip().lstrip("-").replace("-", "_")
    if spelt not in OPTIONS:
        hint = did_you_mean(spelt, list(OPTIONS)) or f": a grid has {', '.join(OPTIONS)}"
        raise OptionsError(f"no option of a plan is called {name[:40]!r}{hint}")
    return spelt


def read_axis(name: str, value: object) -> tuple[Any, ...]:
    """
    Return the values of an axis: of a list, of text such as `1,2` or `8k..64k`, or the one that is given.

    Raises a KvplanError for what is no value of the option, for none, and for one that is there twice.
    """
    if name in OF_LISTS:
        return (_checked(name, value),)
    if isinstance(value, range | np.ndarray):
        return tuple(_whole(name, value).tolist())
    several_values = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    given = list(value) if several_values else [value]  # type: ignore[call-overload]
    read = tuple(each for item in given for each in _read(name, item))
    if not read:
        raise OptionsError(f"{name.replace('_', '-')} has no value in this grid: give one, or leave it out")
    return _once(name, read)


def read_numbers(name: str, value: object) -> tuple[Any, ...] | Ints:
    """Return the values of `context` or `batch`: an array where they are ints alone."""
    if isinstance(value, range | np.ndarray):
        return _whole(name, value)
    read = read_axis(name, value)
    return np.array(read, dtype=np.int64) if all(type(each) is int for each in read) else read


def _whole(name: str, value: range | AnyArray) -> Ints:
    """Return an axis of ints that is given as a range or an array, each at least 1."""
    if len(value) == 0 or len(value) > _MOST_VALUES:
        raise OptionsError(f"{name} has {len(value):,} values: a grid takes 1 to {_MOST_VALUES:,} of an axis")
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise OptionsError(
            f"{name} is an array of {array.dtype} in {array.ndim} dimensions: give one of ints"
        )
    if int(array.min()) < 1 or int(array.max()) > MAX_COUNT:
        raise OptionsError(f"{name} has values below 1 or above 10^12")
    whole = array.astype(np.int64)
    if np.unique(whole).size != whole.size:
        raise OptionsError(f"{name} has a value twice: each point would be there twice")
    return whole


def _once(name: str, read: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[Any] = set()
    for each in read:
        if each in seen:
            raise OptionsError(
                f"{name.replace('_', '-')} has {_said(each)} twice: each point would be there twice"
            )
        seen.add(each)
    return read


def _said(value: object) -> str:
    return repr(str(value) if isinstance(value, Source) else value)


def _read(name: str, item: object) -> list[Any]:
    """Return the values of one item of an axis."""
    if not isinstance(item, str):
        return [_checked(name, item)]
    if name == "context" and re.fullmatch(_GROUPED, item.strip()):
        raise UnitError(
            f"{item.strip()!r} may be one number or several: write {item.strip().replace(',', '')}, or a "
            "blank behind each comma"
        )
    if name in OF_LAWS and exists(Path(item)):  # A file may have commas in its name.
        return [_checked(name, item)]
    values: list[Any] = []
    for text in split_values(name, item):
        found = _RANGE.fullmatch(text) if _is_count(name) else None
        values += _range(name, found) if found else [read_text(name, text)]
    return values


def _range(name: str, found: re.Match[str]) -> list[int]:
    """Return `1k..64k`, doubled from the first to the last, or `8k..64k+8k` in steps; with both ends."""
    first, last = (parse_count(found[end], name) for end in ("first", "last"))
    if first > last:
        raise UnitError(f"{found[0]!r} begins above its end: write {found['last']}..{found['first']}")
    if found["step"] is None:
        doubled = [first << times for times in range((last // first).bit_length())]
        return doubled if doubled[-1] == last else [*doubled, last]
    step = parse_count(found["step"], name)
    if (last - first) // step >= _MOST_VALUES:
        raise UnitError(f"{found[0]!r} has more than {_MOST_VALUES:,} values")
    return list(range(first, last + 1, step))


def _is_count(name: str) -> bool:
    """Return whether an option is a number of something, of which there can be a range."""
    kind, _ = OPTIONS[name]
    return name == "context" or (int in _kinds(kind) and str not in _kinds(kind))


def read_text(name: str, text: str) -> Any:  # noqa: ANN401 - any option's value
    """Return one value of an option from its text, as the command line has it."""
    kind, option = OPTIONS[name]
    if bool in _kinds(kind):
        if text.lower() not in _TRUTHS:
            raise OptionsError(f"{text[:40]!r} is neither true nor false, one of which {name} takes")
        return _TRUTHS[text.lower()]
    if name == "context" and text.lower().startswith(LONGEST):
        return text
    if option.read is not None:
        return _checked(name, option.read(text))
    return _checked(name, parse_count(text, name) if _is_count(name) else text)


def _kinds(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    return get_args(kind) if get_origin(kind) is not None or get_args(kind) else (kind,)


def _checked(name: str, value: object) -> Any:  # noqa: ANN401 - any option's value
    """Return a value that its option takes: a name that nobody knows is no point of a grid."""
    kind, option = OPTIONS[name]
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        raise OptionsError(f"{name.replace('_', '-')} is a text of {len(value):,} letters: {value[:40]!r}...")
    read = as_argument(value, kind, f"kvplan.sweep: {name}")
    if isinstance(read, int) and option.least is not None and read < option.least:
        raise OptionsError(f"{name.replace('_', '-')} is {read}: it is at least {option.least}")
    if name == "context" and read is not None and not str(read).lower().startswith(LONGEST):
        return as_tokens(read)  # type: ignore[arg-type]  # an int or text by its annotation
    return _UNDERSTOOD[name](read) if name in _UNDERSTOOD and read is not None else read


def _known_gpu(gpu: int | str) -> int | str:
    if isinstance(gpu, str):
        for _, kind in machine(gpu):
            find_card(kind)
    return gpu


def _known_engine(engine: str) -> str:
    find_engine(engine)
    return engine


_UNDERSTOOD: Mapping[str, Callable[[Any], object]] = {
    "gpu": _known_gpu,
    "engine": _known_engine,
    "traffic": source_of,
    "outputs": outputs_of,
    "risk": as_risk,
    "rps": as_rate,
}
"""What makes a value of what was given; it raises a KvplanError for what means nothing."""
