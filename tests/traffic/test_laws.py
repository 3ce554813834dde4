"""Laws of lengths as text: their probabilities by hand, and what is said of one that is none."""

import re

import numpy as np
import pytest

from kvplan.errors import KvplanError
from kvplan.traffic.arrays import Floats, quantile_of
from kvplan.traffic.laws import knots_law, read_law


def pmf(text: str, limit: int | None = None) -> Floats:
    return read_law(text).pmf(limit)


def mean(lengths: Floats) -> float:
    return float(lengths @ np.arange(lengths.size))


def test_a_fixed_length_is_itself() -> None:
    lengths = pmf("fixed:8")
    assert lengths.tolist() == [0] * 8 + [1]


def test_a_uniform_law_has_each_length_alike() -> None:
    assert pmf("uniform:3..6").tolist() == pytest.approx([0, 0, 0, 0.25, 0.25, 0.25, 0.25])
    assert pmf("uniform:5..5").tolist() == [0] * 5 + [1]


@pytest.mark.parametrize("law", ["lognormal", "pareto"])
def test_quantiles_are_those_of_the_law_before_it_is_conditioned(law: str) -> None:
    """Up to 2k is half of a law; of its 99.5 % or so within the ends, half is a little less."""
    lengths = pmf(f"{law}:p50=2k,p99=16k", 10**6)
    assert (quantile_of(lengths, 0.5), quantile_of(lengths, 0.99)) == (2048, 16384)
    kept = pmf(f"{law}:p50=2k,p99=16k,max=16k")
    assert kept.sum() == pytest.approx(1, abs=1e-12)
    assert kept[:2049].sum() == pytest.approx(0.5 / 0.99)
    ended = pmf(f"{law}:p50=2k,p99=16k,min=2049,max=16k")
    assert (ended[:2049] == 0).all()
    assert ended[2049] == pytest.approx(kept[2049] * 0.99 / 0.49)


def test_what_a_law_has_beyond_a_limit_is_missing() -> None:
    assert pmf("lognormal:p50=2k,p99=16k", 16384).sum() == pytest.approx(0.99)
    assert pmf("lognormal:p50=2k,p99=16k,min=2049", 16384).sum() == pytest.approx(0.49 / 0.5)


def test_a_lognormal_law_has_its_mean() -> None:
    """Rounding up adds half a token to that of the lengths; sigma is the logarithm's deviation."""
    lengths = pmf("lognormal:mean=2k,sigma=0.5", 10**6)
    assert mean(lengths) == pytest.approx(2048.5, abs=0.01)
    logarithms = np.log(np.arange(1, lengths.size))
    center = lengths[1:] @ logarithms
    assert np.sqrt(lengths[1:] @ (logarithms - center) ** 2) == pytest.approx(0.5, abs=1e-3)


def test_a_pareto_law_falls_by_its_power() -> None:
    """Above x are (1,000 / x)^2: of 1 to 4 times the shortest, 15 / 16 are all, 3 / 4 end at the double."""
    lengths = pmf("pareto:min=1000,alpha=2,max=4000")
    assert lengths[:1001].sum() == pytest.approx(0, abs=1e-12)
    assert lengths[:2001].sum() == pytest.approx((3 / 4) / (15 / 16))


def test_a_cumulative_distribution_is_linear_between_its_knots() -> None:
    """What lies on the first knot is its share; two at one length are a leap."""
    law = knots_law("knots", [(2, 0.2), (4, 0.4), (4, 0.6), (6, 1.0)])
    assert law.pmf().tolist() == pytest.approx([0, 0, 0.2, 0.1, 0.3, 0.2, 0.2])
    assert knots_law("none at all", [(0, 0.25), (1, 1.0)]).pmf().tolist() == pytest.approx([0.25, 0.75])
    text = pmf("quantiles:p50=4,p20=2,max=8,min=1")
    assert text.tolist() == pytest.approx([0, 0.1, 0.1, 0.15, 0.15, 0.125, 0.125, 0.125, 0.125])
    assert pmf("quantiles:p50=4,max=6").tolist() == pytest.approx([0, 0, 0, 0, 0.5, 0.25, 0.25])


REFUSED = {
    "weibull:p50=1k": "'weibull' is no law of lengths: write fixed:32k, lognormal:p50=2k,p99=16k,max=64k, ",
    "lognormal:p50=2k,p99=16k": "has no end, and memory goes by the longest: add max=",
    "lognormal:p50=2k": "it needs two quantiles, or mean= and sigma=: write lognormal:p50=2k,p99=16k,max=64k",
    "lognormal:p50=2k,p99=16k,sigma=1": "it needs two quantiles, or mean= and sigma=",
    "lognormal:mean=2k,sigma=0,max=4k": "sigma='0' is not a number above 0",
    "lognormal:p50=2k,p99=1k,max=4k": "2,048 and 1,024 tokens: the larger share has the more tokens",
    "lognormal:p50=2k,p99=16q,max=4k": "p99: '16q' is not a number of tokens: write 8192, 8k (8192)",
    "lognormal:p50=2k,p99=16k,mx=4k": "'mx' is none of its parts, p50, p99, mean, sigma, min, max (did you",
    "lognormal:p50=2k,p50=16k,max=4k": "p50 is there twice",
    "lognormal:p50=2k,p99=4k,min=1m,max=2m": "not one in 10^9 lengths of this law has 1,048,576 to",
    "lognormal:p50=2k,p99=16k,max=64m": "its end of 67,108,864 tokens is above the 16,777,216",
    "lognormal:p50=2k,p0=1,max=4k": "p0 is the shortest: min=",
    "lognormal:p50=2k,99,max=4k": "'99' is not a name and its value",
    "pareto:p50=2k,p99=16k,min=8k,max=4k": "min=8k is above max=4k",
    "pareto:alpha=1,max=4k": "it needs two quantiles, or min= and alpha=",
    "uniform:4k": "'4k' is not two numbers of tokens: write uniform:1k..64k",
    "uniform:4k..2k": "4k is above 2k",
    "fixed:": "its tokens: '' is not a number of tokens",
    "quantiles:p50=2k": "it needs max=, the tokens of the longest",
    "quantiles:p50=2k,p99=1k,max=64k": "1,024 tokens at 0.99 come behind 2,048 at 0.5",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_law_that_is_none_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(KvplanError, match=re.escape(REFUSED[text])) as refused:
        pmf(text)
    assert len(str(refused.value).splitlines()) == 1
