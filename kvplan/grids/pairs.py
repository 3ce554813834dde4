"""Options that go together: `gpu=h100-80gb,tp=8` beside `gpu=h200-141gb,tp=4`, in place of all products."""

from collections.abc import Mapping
from typing import Any

from kvplan.arguments import ArgumentError
from kvplan.errors import OptionsError
from kvplan.grids.axes import OPTIONS, read_axis, read_text, require_option
from kvplan.planner.lists import OF_LAWS

MODEL = "model"


def read_pairs(given: object) -> tuple[dict[str, Any], ...]:
    """Return the options of each pair; raise a KvplanError for text that is none, and for unlike names."""
    if isinstance(given, str | Mapping):
        given = [given]
    if not isinstance(given, list | tuple):
        raise ArgumentError("kvplan.sweep: pairs: expected a list of dicts of options, or of texts")
    read = tuple(_text(each) if isinstance(each, str) else _mapping(each) for each in given)
    if len({frozenset(each) for each in read}) > 1:
        raise OptionsError(
            f"pairs name the same options: {', '.join(read[0])} in one, and "
            f"{', '.join(next(each for each in read if set(each) != set(read[0])))} in another"
        )
    return read


def _mapping(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given:
        raise OptionsError("a pair is a dict of options, as in {'gpu': 'h100-80gb', 'tp': 8}, or its text")
    return {_name(str(name)): _one(_name(str(name)), value) for name, value in given.items()}


def _one(name: str, value: Any) -> Any:  # noqa: ANN401 - any option's value
    if name == MODEL:
        return value
    values = read_axis(name, value)
    if len(values) != 1:
        raise OptionsError(f"{name} has {len(values)} values in one pair: write a pair for each")
    return values[0]


def _text(text: str) -> dict[str, Any]:
    """Return the options of `gpu=h100-80gb,tp=8`; what stands behind a comma and names none goes on."""
    pair: dict[str, str] = {}
    last = None
    for part in text.split(","):
        name, equals, value = part.partition("=")
        spelt = name.strip().lstrip("-").replace("-", "_")
        if equals and (spelt == MODEL or spelt in OPTIONS):
            if spelt in pair:
                raise OptionsError(f"{spelt} stands twice in the pair {text[:60]!r}")
            pair[last := spelt] = value.strip()
        elif last is not None and last in ("kv_dtype", "pp_layers", *OF_LAWS):
            pair[last] += f",{part.strip()}"
        else:
            raise OptionsError(
                f"{part.strip()[:40]!r} in {text[:60]!r} is no option and value: write gpu=h100-80gb,tp=8"
            )
    return {name: value if name == MODEL else read_text(name, value) for name, value in pair.items()}


def _name(name: str) -> str:
    return MODEL if name == MODEL else require_option(name)
