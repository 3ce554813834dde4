"""What GPUs cost in an hour."""

from collections.abc import Mapping

from kvplan.arguments import ArgumentError, as_argument
from kvplan.errors import OptionsError
from kvplan.frozen import FrozenDict
from kvplan.gpus import find_card, machine, several


def as_prices(prices: object, asker: str) -> Mapping[str, float]:
    """
    Return the prices of a GPU and hour by the catalogue's names; raise a KvplanError for what is no price.

    *asker* is who was given them.
    """
    if not isinstance(prices, Mapping) or not all(isinstance(gpu, str) for gpu in prices):
        raise ArgumentError(f"{asker}: prices: expected a dict of prices by the names of GPUs")
    for gpu, price in prices.items():
        as_argument(price, float, f"{asker}: the price of {gpu[:40]}")
        if not 0 < price < float("inf"):
            raise OptionsError(
                f"{price!r} is no price of {gpu[:40]}: write h100-80gb=2.50, for a GPU and hour"
            )
    return FrozenDict({find_card(several(gpu)[1]).name: float(price) for gpu, price in prices.items()})


def hourly(gpu: object, gpus: int, prices: Mapping[str, float]) -> float | None:
    """
    Return what *gpus* GPUs cost in an hour that were named as a plan's *gpu*: `h100-80gb`, `8xH100`.

    Those of several kinds, `2xrtx-4090+1xrtx-3090`, each cost their own. None where one has no price.
    """
    if not prices or not isinstance(gpu, str):
        return None
    kinds = machine(gpu)
    counts = [gpus] if len(kinds) == 1 else [count for count, _ in kinds]
    each = [prices.get(find_card(one).name) for _, one in kinds]
    return (
        None if None in each else sum(count * (cost or 0) for count, cost in zip(counts, each, strict=True))
    )
