"""The options of `hold`, each said once: its type, its words, and how its text is read."""

from typing import Annotated, TypedDict

from kvplan.arguments import Option, as_written
from kvplan.errors import UnitError
from kvplan.planner.options import (
    CardOptions,
    Context,
    FileOptions,
    MemoryOptions,
    Settings,
    SharedChoices,
    SpreadOptions,
)
from kvplan.units import parse_count, parse_seconds

_MOST_RISK = 0.5
_MOST_RATE = 10**9


def as_prefix(text: str) -> tuple[int, float]:
    """Return a prefix's tokens and the share of requests that begin with it: `2k:0.8`, or `2k` of all."""
    tokens, colon, share = text.partition(":")
    hits = _number(share) if colon else 1.0
    if hits is None or not 0 <= hits <= 1:
        raise UnitError(f"{text[:40]!r} is not a prefix: write its tokens and the share of requests, 2k:0.8")
    return parse_count(tokens), hits


def as_risk(risk: str | float) -> float:
    """Return a probability above 0 and up to a half: `0.01`, `1%`."""
    text = str(risk)
    number = _number(text.removesuffix("%"))
    share = number if number is None or not text.endswith("%") else number / 100
    if share is None or not 0 < share <= _MOST_RISK:
        raise UnitError(f"{text[:40]!r} is not a probability above 0 and up to 0.5: write 0.01, or 1%")
    return share


def as_rates(text: str) -> tuple[float, ...]:
    """Return rates of requests per second, `1,5,20`."""
    rates = tuple(_number(each) for each in text.split(","))
    known = tuple(rate for rate in rates if rate is not None and 0 < rate <= _MOST_RATE)
    if len(known) < len(rates):
        raise UnitError(f"{text[:40]!r} are no requests per second: write 1,5,20")
    return known


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


Requests = Annotated[
    str | None,
    Option(
        help="Requests: a law of prompts (lognormal:p50=2k,p99=16k), a trace file, or a preset.",
        metavar="TRAFFIC",
    ),
]
Outputs = Annotated[
    str | None,
    Option(
        help="A law of outputs, beside one of prompts.",
        unsaid="none: sequences stand at their prompts",
        metavar="LAW",
    ),
]
Prefix = Annotated[
    str | None,
    Option(
        help="Tokens that begin a share of all requests, stored once: 2k:0.8.",
        metavar="TOKENS:SHARE",
        read=as_written(as_prefix),
    ),
]
Samples = Annotated[int, Option(help="Sequences that answer a request, of one prompt.", default=1, least=1)]
Risk = Annotated[
    str | float,
    Option(
        help="The probability, at any moment, that memory runs out.",
        default="1%",
        metavar="P",
        read=as_risk,
    ),
]
Tpot = Annotated[
    str | None,
    Option(
        help="The time per output token, which bounds requests per second: 30ms.",
        metavar="TIME",
        read=as_written(parse_seconds),
    ),
]
Rates = Annotated[
    str | None,
    Option(
        help="Requests per second, for each of which replicas are counted: 1,5,20.",
        metavar="RATE,...",
        read=as_written(as_rates),
    ),
]


class TrafficOptions(TypedDict, total=False):
    """What comes, and what may happen to it."""

    traffic: Requests
    outputs: Outputs
    prefix: Prefix
    samples: Samples
    risk: Risk
    tpot: Tpot
    rps: Rates


class HoldOptions(
    TrafficOptions, CardOptions, SpreadOptions, MemoryOptions, SharedChoices, FileOptions, total=False
):
    """All options of `hold`: prompts are the traffic's."""

    settings: Settings
    context: Context
