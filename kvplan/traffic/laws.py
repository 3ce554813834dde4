"""
Laws of lengths, as text: `fixed:32k`, `lognormal:p50=2k,p99=16k,max=64k`, `uniform:1k..64k`, ...

A law gives the share F(x) of requests that have at most x tokens, and a length is rounded up to whole tokens:
P(n) = F(n) - F(n - 1), so that a law's quantiles are the integers that it was given. `min=` and `max=`
condition a law on the lengths between them: what lies outside is as if it had never been asked, and the
quantiles that the law was given are those before.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from kvplan.errors import UnitError, did_you_mean
from kvplan.inert import inert
from kvplan.records import record
from kvplan.traffic.arrays import Floats
from kvplan.traffic.requests import MOST_TOKENS, TrafficError
from kvplan.units import parse_count

Knots = Sequence[tuple[int, float]]
"""Tokens, and the share of requests that have at most so many: a cumulative distribution."""

_LEAST_SHARE = 1e-9
"""Of a law with less than this between its ends, floats of a cumulative distribution say nothing."""

_PERCENT = re.compile(r"p(\d{1,2}(?:\.\d{1,9})?)", re.ASCII)
_DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_NAMED = re.compile(r"([a-z]+):(.*)", re.DOTALL)

EXAMPLES = {
    "fixed": "fixed:32k",
    "lognormal": "lognormal:p50=2k,p99=16k,max=64k",
    "pareto": "pareto:p50=2k,p99=16k,max=64k",
    "uniform": "uniform:1k..64k",
    "quantiles": "quantiles:p50=2k,p99=16k,max=64k",
}
"""The laws that there are, each by what may be written."""


@record
class Law:
    """A law of lengths: `cumulative` is F, by whole tokens; `least` and `most` are its ends."""

    words: str
    cumulative: Callable[[Floats], Floats]
    least: int = 1
    most: int | None = None

    def pmf(self, limit: int | None = None) -> Floats:
        """
        Return the probabilities by tokens from 0 on, of no more than *limit* tokens.

        What is beyond that is missing, and counts as refused. Raises TrafficError for a law without an end
        and without a limit: what it holds would depend on where it is broken off.
        """
        end = self._end(limit)
        last = end if limit is None else min(end, limit)
        shares = self.cumulative(np.arange(self.least - 1, max(last, self.least) + 1, dtype=np.float64))
        below = float(shares[0])
        whole = self._upto() - below
        if whole < _LEAST_SHARE:
            raise TrafficError(
                f"{self.words}: not one in 10^9 lengths of this law has {self.least:,} to {end:,} tokens"
            )
        if last < self.least or shares[-1] <= below:
            raise TrafficError(f"{self.words}: no length of this law has at most {last:,} tokens")
        lengths = np.zeros(last + 1)
        lengths[self.least :] = np.diff(shares) / whole
        return lengths

    def _upto(self) -> float:
        """Return the share of lengths up to the end that the law is conditioned on."""
        return 1.0 if self.most is None else float(self.cumulative(np.array([float(self.most)]))[0])

    def _end(self, limit: int | None) -> int:
        end = limit if self.most is None else self.most
        if end is None:
            raise TrafficError(
                f"{self.words} has no end, and memory goes by the longest: add max=, the longest's tokens"
            )
        if end > MOST_TOKENS:
            raise TrafficError(
                f"{self.words}: its end of {end:,} tokens is above the {MOST_TOKENS:,} that kvplan takes"
            )
        return end


def is_law(text: str) -> bool:
    """Tell whether a text means a law: a word before a colon that is one, or is nearly one."""
    named = _NAMED.fullmatch(text)
    return named is not None and (named[1] in EXAMPLES or bool(did_you_mean(named[1], list(EXAMPLES))))


def read_law(text: str) -> Law:
    """Return the law that a text says; raise TrafficError, which names what it does not understand."""
    named = _NAMED.fullmatch(text.strip())
    if named is None or named[1] not in EXAMPLES:
        name = text.partition(":")[0]
        raise TrafficError(
            f"{_shown(name)} is no law of lengths{did_you_mean(name, list(EXAMPLES))}: "
            f"write {', '.join(EXAMPLES.values())}"
        )
    law = _READERS[named[1]](_Parts(text.strip(), named[1], named[2]))
    return replace(law, words=inert(text.strip(), 200))


def knots_law(words: str, knots: Knots) -> Law:
    """
    Return the law of a cumulative distribution, linear between its knots.

    The share of the first knot lies on it alone. Raises TrafficError unless tokens and shares rise, and the
    last share is 1.
    """
    tokens = np.array([each for each, _ in knots], dtype=np.float64)
    shares = np.array([share for _, share in knots], dtype=np.float64)
    for (one, low), (other, high) in pairwise(knots):
        if other < one or high < low:
            raise TrafficError(
                f"{words}: {other:,} tokens at {high:g} come behind {one:,} at {low:g}: "
                "tokens and shares rise together"
            )
    if shares[0] < 0 or shares[-1] != 1:
        raise TrafficError(f"{words}: shares rise from 0 to 1, the longest's; these end at {shares[-1]:g}")
    least = int(tokens[0]) + (0 if shares[0] > 0 else 1)
    return Law(words=words, cumulative=_Linear(tokens, shares), least=least, most=int(tokens[-1]))


@record(kw_only=False, eq=False)
class _Linear:
    """F of knots; where two have the same tokens it leaps there. A worker is sent it as it is."""

    tokens: Floats
    shares: Floats

    def __call__(self, lengths: Floats) -> Floats:
        place = np.searchsorted(self.tokens, lengths, side="right")
        before, behind = (place - 1).clip(min=0), place.clip(max=self.tokens.size - 1)
        width = np.maximum(self.tokens[behind] - self.tokens[before], 1.0)
        rise = (self.shares[behind] - self.shares[before]) * (lengths - self.tokens[before]) / width
        return np.where(place == 0, 0.0, self.shares[before] + rise)


@record(kw_only=False)
class _Parts:
    """A law as it was written: its name, and what stands behind it."""

    text: str
    name: str
    rest: str

    def bad(self, what: str) -> TrafficError:
        return TrafficError(f"{_shown(self.text)}: {what}: write {EXAMPLES[self.name]}")

    def tokens(self, text: str, what: str) -> int:
        try:
            return parse_count(text)
        except UnitError as error:
            raise TrafficError(f"{_shown(self.text)}: {what}: {error}") from None

    def values(self, *known: str) -> tuple[dict[float, int], dict[str, str]]:
        """Return the tokens by their shares, and the other parts by their names, of *known* ones."""
        shares: dict[float, int] = {}
        others: dict[str, str] = {}
        for part in self.rest.split(","):
            key, equals, value = (each.strip() for each in part.partition("="))
            percent = _PERCENT.fullmatch(key)
            if not equals:
                raise self.bad(f"{_shown(part)} is not a name and its value")
            if percent is None and key not in known:
                names = ["p50", "p99", *known]
                raise self.bad(
                    f"{_shown(key)} is none of its parts, {', '.join(names)}{did_you_mean(key, names)}"
                )
            share = float(percent[1]) / 100 if percent else None
            if key in others or share in shares:
                raise self.bad(f"{key} is there twice")
            if share is None:
                others[key] = value
            elif share == 0:
                raise self.bad("p0 is the shortest: min=")
            else:
                shares[share] = self.tokens(value, key)
        return dict(sorted(shares.items())), others

    def ends(self, others: dict[str, str]) -> tuple[int | None, int | None]:
        """Return `min=` and `max=`, None for what is not there."""
        least, most = (self.tokens(others[key], key) if key in others else None for key in ("min", "max"))
        if least is not None and most is not None and least > most:
            raise self.bad(f"min={others['min']} is above max={others['max']}")
        return least, most

    def decimal(self, others: dict[str, str], key: str) -> float:
        value = others[key]
        if not _DECIMAL.fullmatch(value) or not float(value):
            raise self.bad(f"{key}={_shown(value)} is not a number above 0")
        return float(value)

    def two(self, shares: dict[float, int]) -> tuple[tuple[float, int], tuple[float, int]]:
        """Return the two quantiles of a law that two give."""
        (low, short), (high, long) = shares.items()
        if short >= long:
            raise self.bad(f"{short:,} and {long:,} tokens: the larger share has the more tokens")
        return (low, short), (high, long)


def _fixed(parts: _Parts) -> Law:
    tokens = parts.tokens(parts.rest, "its tokens")
    return knots_law(parts.text, ((tokens, 1.0),))


def _uniform(parts: _Parts) -> Law:
    first, dots, last = parts.rest.partition("..")
    if not dots:
        raise parts.bad(f"{_shown(parts.rest)} is not two numbers of tokens")
    least, most = parts.tokens(first, "its shortest"), parts.tokens(last, "its longest")
    if least > most:
        raise parts.bad(f"{first} is above {last}")
    return knots_law(parts.text, ((least - 1, 0.0), (most, 1.0)))


def _quantiles(parts: _Parts) -> Law:
    shares, others = parts.values("min", "max")
    least, most = parts.ends(others)
    if most is None:
        raise parts.bad("it needs max=, the tokens of the longest")
    first = [] if least is None else [(least - 1, 0.0)]
    middle = [(tokens, share) for share, tokens in shares.items()]
    return knots_law(_shown(parts.text), [*first, *middle, (most, 1.0)])


def _lognormal(parts: _Parts) -> Law:
    """
    Return the law whose logarithm is normal: two quantiles give its mean and deviation.

    `mean` is that of the lengths themselves, exp(mu + sigma^2 / 2), and `sigma` the logarithm's deviation.
    """
    shares, others = parts.values("mean", "sigma", "min", "max")
    least, most = parts.ends(others)
    if len(shares) == 2 and not {"mean", "sigma"} & set(others):  # noqa: PLR2004 - two unknowns
        (low, short), (high, long) = parts.two(shares)
        normal = NormalDist()
        sigma = math.log(long / short) / (normal.inv_cdf(high) - normal.inv_cdf(low))
        center = math.log(short) - sigma * normal.inv_cdf(low)
    elif not shares and {"mean", "sigma"} <= set(others):
        sigma = parts.decimal(others, "sigma")
        center = math.log(parts.tokens(others["mean"], "mean")) - sigma**2 / 2
    else:
        raise parts.bad("it needs two quantiles, or mean= and sigma=")

    def cumulative(lengths: Floats) -> Floats:
        at_least_one = lengths.clip(min=1.0)
        places = (center - np.log(at_least_one)) / (sigma * math.sqrt(2))
        # numpy has no error function.
        shares = np.fromiter(map(math.erfc, places.tolist()), np.float64, places.size) / 2
        return np.where(lengths < 1, 0.0, shares)

    return Law(words=parts.text, cumulative=cumulative, least=least or 1, most=most)


def _pareto(parts: _Parts) -> Law:
    """Return the law whose share above x is (min / x)^alpha: two quantiles give min and alpha."""
    shares, others = parts.values("alpha", "min", "max")
    least, most = parts.ends(others)
    if len(shares) == 2 and "alpha" not in others:  # noqa: PLR2004 - two unknowns
        (low, short), (high, long) = parts.two(shares)
        alpha = math.log((1 - low) / (1 - high)) / math.log(long / short)
        start = short * (1 - low) ** (1 / alpha)
    elif not shares and "alpha" in others and least is not None:
        alpha, start = parts.decimal(others, "alpha"), float(least)
    else:
        raise parts.bad("it needs two quantiles, or min= and alpha=")

    def cumulative(lengths: Floats) -> Floats:
        above: Floats = (start / lengths.clip(min=start)) ** alpha
        return 1 - above

    return Law(words=parts.text, cumulative=cumulative, least=least or 1, most=most)


_READERS: dict[str, Callable[[_Parts], Law]] = {
    "fixed": _fixed,
    "lognormal": _lognormal,
    "pareto": _pareto,
    "quantiles": _quantiles,
    "uniform": _uniform,
}


def _shown(text: str) -> str:
    """Quote what was typed, and cut what would fill the screen."""
    return repr(text if len(text) <= 80 else f"{text[:76]}...")  # noqa: PLR2004
