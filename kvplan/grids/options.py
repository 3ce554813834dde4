"""The options of `sweep`: each is an axis of a grid, of `fit` or of `hold`."""

from typing import Annotated, TypedDict, get_args

from kvplan.arguments import Option
from kvplan.errors import UnitError
from kvplan.planner.options import FitOptions
from kvplan.traffic.options import Outputs, Prefix, Requests, Risk, Samples, Tpot, as_rates


def as_rate(text: str | float) -> float:
    """Return one rate of requests per second; raise UnitError for what is none, and for several."""
    rates = as_rates(str(text))
    if len(rates) != 1:
        raise UnitError(f"{str(text)[:40]!r} are several rates of requests per second: give a value for each")
    return rates[0]


class ComingOptions(TypedDict, total=False):
    """What comes in place of sequences of one length, as `hold` has it."""

    traffic: Annotated[str, get_args(Requests)[1]]
    outputs: Outputs
    prefix: Prefix
    samples: Samples
    risk: Risk
    tpot: Tpot
    rps: Annotated[
        float | None,
        Option(help="Requests per second, for which replicas are counted.", metavar="RATE", read=as_rate),
    ]


class SweepOptions(FitOptions, ComingOptions, total=False):
    """All options of `sweep`."""


TRAFFIC = "traffic"
OF_TRAFFIC = tuple(ComingOptions.__annotations__)
"""The options that say what comes, the traffic itself among them."""
