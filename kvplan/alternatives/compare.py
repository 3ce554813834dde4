"""Models, cards, engines, spreads and dtypes side by side: a line each, impossible ones with their reason."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

from kvplan.alternatives.rows import Row, row_or_reason
from kvplan.alternatives.whatif import shared_out
from kvplan.arguments import ArgumentError, Option, as_argument
from kvplan.errors import OptionsError, did_you_mean
from kvplan.gpus import find_card, several
from kvplan.planner.lists import axes_signature, split_values
from kvplan.planner.options import OF_LISTS, FitOptions
from kvplan.planner.size import Model, as_spec
from kvplan.reported import Reported
from kvplan.specs import ModelSpec

Models = Model | Sequence[Model]

Sort = Literal["bytes_per_token", "bytes_per_sequence", "max_batch", "max_context", "gpus", "price"]

SORT_KEYS: tuple[str, ...] = get_args(Sort)
"""What lines can be sorted by; sequences and contexts from the most, all others from the least."""

_MOST_FIRST = frozenset({"max_batch", "max_context"})
_MOST_LINES = 10_000
"""More are a grid: `kvplan sweep`."""

_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparison(Reported):
    """
    Alternatives: a row for each, and in `names` what tells it from the others.

    `asked` are the model and the options of `fit` by which each was answered.
    """

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    asked: tuple[tuple[ModelSpec, Mapping[str, Any]], ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.rows)} alternatives>"

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return {"rows": [row.to_dict() for row in self.rows]}


def compare(
    models: Models,
    *,
    sort: Sort | None = None,
    prices: Mapping[str, float] | None = None,
    **options: Any,  # noqa: ANN401 - one value or several of any option of `fit`
) -> Comparison:
    """
    Return all products of *models* and of the values of each option of `fit`, a row for each.

    An option takes a value, a list of them, or text with commas: `gpu="h100-80gb,h200-141gb"`, `tp=[4, 8]`.
    *prices* are those of a GPU and hour by its name; *sort* is one of SORT_KEYS. Raises a KvplanError for a
    model or an option that nobody knows; what cannot be planned is a row with its reason.
    """
    if sort is not None and sort not in SORT_KEYS:
        what = as_argument(sort, str, "kvplan.compare: sort")
        raise OptionsError(f"nothing is sorted by {what!r:.40}: choose {', '.join(SORT_KEYS)}")
    axes = {name: _values(name, value) for name, value in options.items() if value is not None}
    specs = _specs(models, options.get("ignore", ()))
    lines = len(specs)
    for values in axes.values():
        lines *= len(values)
    if lines > _MOST_LINES:
        raise OptionsError(f"{lines:,} lines are more than {_MOST_LINES:,}: kvplan sweep takes grids")
    costs = _costs(prices or {})
    found = list(_lines(specs, axes, costs))
    rows = shared_out([row for _, row, _ in found])
    named = [(name, row, asked) for (name, _, asked), row in zip(found, rows, strict=True)]
    if sort is not None:
        named.sort(key=lambda each: _order(each[1], sort))
    return Comparison(
        names=tuple(name for name, _, _ in named),
        rows=tuple(row for _, row, _ in named),
        asked=tuple(asked for _, _, asked in named),
    )


# To `help`, and to editors, the options are keywords.
compare.__signature__ = axes_signature(compare)  # type: ignore[attr-defined]


def _specs(models: Models, ignore: Sequence[str]) -> list[ModelSpec]:
    named = [models] if isinstance(models, str | Path | ModelSpec) else models
    if not isinstance(named, list | tuple):
        raise ArgumentError("kvplan.compare: models: expected a name, a path, a spec, or a list of them")
    listed: list[Model] = []
    for each in named:
        if not isinstance(each, str | Path | ModelSpec):
            raise ArgumentError(f"kvplan.compare: models: found a {type(each).__name__}; expected names")
        # A file may have commas in its name.
        parts = isinstance(each, str) and "," in each and not Path(each).exists()
        listed += split_values("model", str(each)) if parts else [each]
    if not listed:
        raise OptionsError("give at least one model: llama-3.1-8b, or several: llama-3.1-8b,qwen3-8b")
    return [as_spec(each, ignore) for each in listed]


def _values(name: str, value: object) -> tuple[Any, ...]:
    """Return the values of an option: of a list, of text with commas, or the one that is given."""
    known: Mapping[str, Any] = FitOptions.__annotations__
    if name not in known:
        raise ArgumentError(f"kvplan.compare: {name}: no option of fit{did_you_mean(name, list(known))}")
    if name in OF_LISTS:
        return (value,)
    several_of = value if isinstance(value, list | tuple) else (value,)
    values = tuple(
        _read(name, part)
        for each in several_of
        for part in (split_values(name, each) if isinstance(each, str) else [each])
    )
    if not values:
        raise OptionsError(f"--{name.replace('_', '-')} has no value: give one, or leave it out")
    try:
        return tuple(dict.fromkeys(values))
    except TypeError:  # What is no key is no value of an option either.
        raise ArgumentError(f"kvplan.compare: {name}: expected a value, text with commas or a list") from None


def _read(name: str, value: object) -> Any:  # noqa: ANN401 - any option's value
    """Return one value as `fit` takes it; numbers may be text."""
    kind, option = get_args(FitOptions.__annotations__[name])
    if not isinstance(value, str):
        return as_argument(value, kind, f"kvplan.compare: {name}")
    if isinstance(option, Option) and option.read is not None:
        return option.read(value)
    kinds = {kind, *get_args(kind)}
    if bool in kinds:
        if value.lower() not in _TRUTHS:
            raise OptionsError(f"{value[:40]!r} is neither true nor false, one of which {name} takes")
        return _TRUTHS[value.lower()]
    return int(value) if int in kinds and str not in kinds and value.isdigit() else value


def _lines(
    specs: Sequence[ModelSpec], axes: Mapping[str, tuple[Any, ...]], costs: Mapping[str, float]
) -> Iterator[tuple[str, Row, tuple[ModelSpec, Mapping[str, Any]]]]:
    varying = [name for name, values in axes.items() if len(values) > 1]
    for spec in specs:
        for values in product(*axes.values()):
            options = dict(zip(axes, values, strict=True))
            parts = [spec.name] if len(specs) > 1 or not varying else []
            parts += [option_words(name, options[name]) for name in varying]
            row = row_or_reason(spec, options)
            yield ", ".join(parts), replace(row, price=_price(row, costs)), (spec, options)


def option_words(name: str, value: object) -> str:
    """Return a value of an option as a line's name has it."""
    plain = name in ("gpu", "engine", "kv_dtype", "weight_dtype", "dtype")
    return f"{value}" if plain else f"{name.replace('_', '-')} {value}"


def _costs(prices: object) -> dict[str, float]:
    """Return prices by the catalogue's names; raise OptionsError for what is no price."""
    if not isinstance(prices, Mapping) or not all(isinstance(gpu, str) for gpu in prices):
        raise ArgumentError("kvplan.compare: prices: expected a dict of prices by the names of GPUs")
    for gpu, price in prices.items():
        read = as_argument(price, float, f"kvplan.compare: the price of {gpu[:40]}")
        if not 0 < float(price) < float("inf"):
            raise OptionsError(f"{read!r} is no price of {gpu[:40]}: write h100-80gb=2.50")
    return {find_card(several(gpu)[1]).name: float(price) for gpu, price in prices.items()}


def _price(row: Row, costs: Mapping[str, float]) -> float | None:
    """Return what a sequence costs in an hour; None without a price, or where none fits."""
    each = costs.get(row.gpu or "")
    return each * row.gpus / row.max_batch if each is not None and row.max_batch else None


def _order(row: Row, key: Sort) -> tuple[bool, float]:
    value = getattr(row, key)
    # What has no figure stands last, whichever way the others are sorted.
    return value is None, 0 if value is None else -value if key in _MOST_FIRST else value
