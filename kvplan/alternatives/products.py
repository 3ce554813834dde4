"""All products of models and of the values of each option of `fit`, as comparisons and pictures take them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, get_args

from kvplan.arguments import ArgumentError, Option, as_argument
from kvplan.errors import OptionsError, did_you_mean
from kvplan.planner.lists import split_values
from kvplan.planner.options import OF_LISTS, FitOptions
from kvplan.planner.several import Models, as_models
from kvplan.planner.size import as_spec
from kvplan.records import record
from kvplan.specs import ModelSpec

_TRUTHS = {"true": True, "false": False}


@record
class Product:
    """One of several alternatives: what tells it from the others, its model, and a value of each option."""

    name: str
    spec: ModelSpec
    options: Mapping[str, Any]


@record
class Products:
    """The alternatives there are: models in their order, of each the values of all options."""

    specs: tuple[ModelSpec, ...]
    axes: Mapping[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.specs) * prod(map(len, self.axes.values()))

    def __iter__(self) -> Iterator[Product]:
        varying = [name for name, values in self.axes.items() if len(values) > 1]
        for spec in self.specs:
            for values in product(*self.axes.values()):
                options = dict(zip(self.axes, values, strict=True))
                parts = [spec.name] if len(self.specs) > 1 or not varying else []
                parts += [option_words(name, options[name]) for name in varying]
                yield Product(name=", ".join(parts), spec=spec, options=options)


def read_products(models: Models, options: Mapping[str, Any], *, asker: str) -> Products:
    """
    Return the products of *models* and options: of each a value, a list, or text with commas.

    Errors name the *asker*, a function of the library. Raises a KvplanError for a model or an option that
    nobody knows.
    """
    axes = {name: _values(name, value, asker) for name, value in options.items() if value is not None}
    return Products(specs=_specs(models, options.get("ignore") or (), asker), axes=axes)


def _specs(models: Models, ignore: Sequence[str], asker: str) -> tuple[ModelSpec, ...]:
    listed = as_models(models, asker)
    if not listed:
        raise OptionsError("give at least one model: llama-3.1-8b, or several: llama-3.1-8b,qwen3-8b")
    return tuple(as_spec(each, ignore) for each in listed)


def _values(name: str, value: object, asker: str) -> tuple[Any, ...]:
    """Return the values of an option: of a list, of text with commas, or the one that is given."""
    known: Mapping[str, Any] = FitOptions.__annotations__
    if name not in known:
        raise ArgumentError(f"{asker}: {name}: no option of fit{did_you_mean(name, list(known))}")
    if name in OF_LISTS:
        return (value,)
    several_of = value if isinstance(value, list | tuple) else (value,)
    values = tuple(
        _read(name, part, asker)
        for each in several_of
        for part in (split_values(name, each) if isinstance(each, str) else [each])
    )
    if not values:
        raise OptionsError(f"--{name.replace('_', '-')} has no value: give one, or leave it out")
    try:
        return tuple(dict.fromkeys(values))
    except TypeError:  # What is no key is no value of an option either.
        raise ArgumentError(f"{asker}: {name}: expected a value, text with commas or a list") from None


def _read(name: str, value: object, asker: str) -> Any:  # noqa: ANN401 - any option's value
    """Return one value as `fit` takes it; numbers may be text."""
    kind, option = get_args(FitOptions.__annotations__[name])
    if not isinstance(value, str):
        return as_argument(value, kind, f"{asker}: {name}")
    if isinstance(option, Option) and option.read is not None:
        return option.read(value)
    kinds = {kind, *get_args(kind)}
    if bool in kinds:
        if value.lower() not in _TRUTHS:
            raise OptionsError(f"{value[:40]!r} is neither true nor false, one of which {name} takes")
        return _TRUTHS[value.lower()]
    return int(value) if int in kinds and str not in kinds and value.isdigit() else value


def option_words(name: str, value: object) -> str:
    """Return a value of an option as a line's name has it."""
    plain = name in ("gpu", "engine", "kv_dtype", "weight_dtype", "dtype")
    return f"{value}" if plain else f"{name.replace('_', '-')} {value}"
