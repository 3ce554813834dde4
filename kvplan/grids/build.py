"""A grid from what was asked: models, axes, pairs and prices."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from kvplan.errors import OptionsError
from kvplan.frozen import FrozenDict
from kvplan.grids.arrays import Ints
from kvplan.grids.axes import NUMBERS, read_axis, read_numbers, require_option
from kvplan.grids.columns import PLANNED
from kvplan.grids.comes import require_one_load
from kvplan.grids.grid import Axis, Grid, Structure
from kvplan.grids.pairs import MODEL, read_pairs
from kvplan.planner.options import OF_LISTS
from kvplan.planner.prices import as_prices
from kvplan.planner.several import Models, as_models
from kvplan.planner.size import Model, as_spec
from kvplan.specs import ModelSpec

_MOST_STRUCTURES = 10**6
"""Plans of one grid: each has its line in memory."""

_LONGEST: Axis = (None,)
_ALONE: Ints = np.ones(1, dtype=np.int64)


def make_grid(
    models: Models | None,
    options: Mapping[str, Any],
    *,
    pairs: object = (),
    prices: Mapping[str, float] | None = None,
) -> Grid:
    """
    Return the grid of all products of axes, with each of the *pairs*; raise a KvplanError for a bad one.

    A model, a GPU or an engine that nobody knows is an error; what cannot go together is a point of the
    grid, with its reason.
    """
    read = read_pairs(pairs)
    given = {require_option(name): value for name, value in options.items() if value is not None}
    _require_apart(given, read)
    axes = {name: read_axis(name, given[name]) for name in _in_order(given) if name not in NUMBERS}
    numbers = {name: read_numbers(name, given[name]) for name in NUMBERS if name in given}
    paired = list(read[0]) if read else []
    require_one_load({*given, *paired})
    named = _models(models, read)
    combinations = len(named) * prod(map(len, axes.values()))
    if combinations > _MOST_STRUCTURES:
        raise OptionsError(
            f"{combinations:,} plans are more than {_MOST_STRUCTURES:,}: give fewer values but of "
            "context and batch, or several grids"
        )
    ignored = axes.get("ignore", ((),))[0]
    specs = {name: as_spec(model, ignored) for name, model in dict(named_once(named)).items()}
    asked = tuple(name for name in (*axes, *paired) if name not in (*OF_LISTS, *NUMBERS, MODEL))
    structures = tuple(_structures(named, specs, axes, numbers, asked))
    return Grid(
        structures=structures,
        asked=asked,
        paired=tuple(paired),
        prices=as_prices(prices or {}, "kvplan.sweep"),
    )


def _in_order(names: Iterable[str]) -> list[str]:
    """Return the names of axes as their columns stand: so do points."""
    planned = [each.name for each in PLANNED]
    return sorted(names, key=lambda name: planned.index(name) if name in planned else len(planned))


Named = tuple[str, Model, Mapping[str, Any]]
"""How a model is called in the table, the model, and the options that go with it."""


def named_once(named: Sequence[Named]) -> Iterator[tuple[str, Model]]:
    """Yield each model with its name; raise OptionsError for two unlike ones of one name."""
    seen: dict[str, Model] = {}
    for name, model, _ in named:
        if seen.setdefault(name, model) != model:
            raise OptionsError(f"two models of this grid are called {name}: give one of them another name")
    yield from seen.items()


def _models(models: Models | None, pairs: Sequence[Mapping[str, Any]]) -> list[Named]:
    """Return the models, each with each of the pairs."""
    if pairs and MODEL in pairs[0]:
        if models:
            raise OptionsError("the models are in the pairs, too: give them in one place")
        return [(_name(each[MODEL]), each[MODEL], _rest(each)) for each in pairs]
    found = _listed(models)
    if not found:
        raise OptionsError("a grid has at least one model: llama-3.1-8b, or several: llama-3.1-8b,qwen3-8b")
    return [(_name(model), model, each) for model in found for each in (pairs or ({},))]


def _rest(pair: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in pair.items() if name != MODEL}


def _listed(models: object) -> list[Model]:
    """Return the models one by one, each once."""
    found = [] if models is None else as_models(models, "kvplan.sweep")
    names = [_name(each) for each in found]
    for name in names:
        if names.count(name) > 1:
            raise OptionsError(f"the model {name} is there twice: each point would be there twice")
    return found


def _name(model: object) -> str:
    return model.name if isinstance(model, ModelSpec) else str(model)


def _require_apart(given: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]]) -> None:
    for name in pairs[0] if pairs else ():
        if name in given:
            raise OptionsError(f"{name} is in the pairs and beside them: give it in one place")


def _structures(
    named: Sequence[Named],
    specs: Mapping[str, ModelSpec],
    axes: Mapping[str, tuple[Any, ...]],
    numbers: Mapping[str, Axis],
    asked: tuple[str, ...],
) -> Iterator[Structure]:
    """Yield what makes one plan each: model by model, and then the axes in the order of their names."""
    for name, _, own in named:
        for values in product(*axes.values()):
            options = {**dict(zip(axes, values, strict=True)), **own}
            work = {each: options.pop(each) for each in NUMBERS if each in options}
            yield Structure(
                model=name,
                spec=specs[name],
                options=FrozenDict(options),
                asked={each: options[each] for each in asked if each in options},
                contexts=(work["context"],) if "context" in work else numbers.get("context", _LONGEST),
                batches=_batches(work.get("batch"), numbers),
            )


def _batches(own: int | None, numbers: Mapping[str, Axis]) -> Ints:
    if own is not None:
        return np.array([own], dtype=np.int64)
    found = numbers.get("batch", _ALONE)
    return found if isinstance(found, np.ndarray) else np.array(found, dtype=np.int64)
