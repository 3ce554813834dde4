"""What is asked of several plans at once: their models, and the prices of their cards."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kvplan.arguments import ArgumentError, as_argument
from kvplan.errors import OptionsError
from kvplan.files import exists
from kvplan.frozen import FrozenDict
from kvplan.gpus import find_card, several
from kvplan.planner.lists import split_values
from kvplan.planner.size import Model
from kvplan.specs import ModelSpec

Models = Model | Sequence[Model]


def as_models(models: object, asker: str) -> list[Model]:
    """
    Return models one by one: text may name several, unless it is a file's name as it stands.

    Errors name the *asker*, a function of the library. Raises ArgumentError for what names no model.
    """
    given = [models] if isinstance(models, str | Path | ModelSpec) else models
    if not isinstance(given, list | tuple):
        raise ArgumentError(f"{asker}: models: expected a name, a path, a spec, or a list of them")
    found: list[Model] = []
    for each in given:
        if not isinstance(each, str | Path | ModelSpec):
            raise ArgumentError(f"{asker}: models: found a {type(each).__name__}; expected names or specs")
        if isinstance(each, str) and "," in each and not exists(Path(each)):
            found += split_values("model", each)
        else:
            found.append(each)
    return found


def as_prices(prices: object, asker: str) -> Mapping[str, float]:
    """Return prices of a GPU and hour by the cards' own names; raise a KvplanError for what is no price."""
    if not isinstance(prices, Mapping) or not all(isinstance(gpu, str) for gpu in prices):
        raise ArgumentError(f"{asker}: prices: expected a dict of prices by the names of GPUs")
    for gpu, price in prices.items():
        read = as_argument(price, float, f"{asker}: the price of {gpu[:40]}")
        if not 0 < float(price) < float("inf"):
            raise OptionsError(
                f"{read!r} is no price of {gpu[:40]}: write h100-80gb=2.50, for a GPU and hour"
            )
    return FrozenDict({find_card(several(gpu)[1]).name: float(price) for gpu, price in prices.items()})
