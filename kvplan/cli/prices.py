"""The option `--price`: what a GPU costs in an hour."""

from collections.abc import Iterable
from typing import Annotated

import typer

from kvplan.errors import OptionsError

Prices = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="GPU=PRICE,...",
        help="What a GPU costs in an hour: adds the price of a sequence.",
    ),
]


def read_prices(given: Iterable[str] | None) -> dict[str, float]:
    """Return prices by GPU; raise OptionsError for what is not one."""
    prices: dict[str, float] = {}
    for text in (part for each in given or () for part in each.split(",")):
        name, _, price = text.rpartition("=")
        try:
            prices[name.strip()] = float(price)
        except ValueError:
            prices[name.strip()] = -1.0
        if not name.strip() or not prices[name.strip()] > 0:
            raise OptionsError(f"{text[:40]!r} is no GPU with its price: write h100-80gb=2.50")
    return prices
