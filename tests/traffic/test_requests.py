"""Traffic of laws, of observed requests and of mixtures: against sums over every request and token."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.traffic.arrays import Floats, convolved
from kvplan.traffic.independent import independent
from kvplan.traffic.mixture import mixed
from kvplan.traffic.observed import observed
from kvplan.traffic.requests import Of, Traffic, TrafficError
from tests.traffic import brute

FEW = settings(max_examples=40, deadline=None)
LENGTHS = st.lists(st.integers(0, 5), min_size=2, max_size=9).filter(any)
PAIRS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=9)


def probabilities(weights: list[int]) -> Floats:
    return np.array(weights, dtype=np.float64) / sum(weights)


def of_pairs(pairs: list[tuple[int, int]]) -> Traffic:
    prompts, outputs = np.array(pairs, dtype=np.int64).T
    return observed("some", prompts, outputs)


def same(one: Floats, other: Floats) -> bool:
    return one.size == other.size and bool(np.abs(one - other).max() < 1e-12)


def as_summed(traffic: Traffic, requests: list[tuple[int, int, float]]) -> bool:
    return (
        same(traffic.living(), brute.living(requests))
        and same(traffic.living_final(), brute.living_final(requests))
        and same(traffic.totals(), brute.totals(requests))
    )


@FEW
@given(LENGTHS, LENGTHS, st.integers(1, 20))
def test_a_law_is_the_sum_over_all_its_requests(prompts: list[int], outputs: list[int], most: int) -> None:
    prompt, output = probabilities(prompts), probabilities(outputs)
    requests = [(p, o, prompt[p] * output[o]) for p, o in product(range(len(prompts)), range(len(outputs)))]
    left = [each for each in requests if each[0] + each[1] <= most and each[2] > 0]
    whole = independent("some", prompt.copy(), output.copy())
    assert as_summed(whole, [each for each in requests if each[2] > 0])
    assert whole.share_cut == 0
    if not left:
        with pytest.raises(TrafficError, match="no request of some has at most"):
            whole.cut(most)
        return
    cut = whole.cut(most)
    assert as_summed(cut, left)
    weight = sum(each[2] for each in left)
    assert cut.share_cut == pytest.approx(1 - weight, abs=1e-12)
    assert cut.mean_prompt == pytest.approx(sum(p * w for p, _, w in left) / weight)
    assert cut.mean_output == pytest.approx(sum(o * w for _, o, w in left) / weight)
    assert (cut.longest, cut.longest_prompt) == (max(p + o for p, o, _ in left), max(p for p, _, _ in left))


@FEW
@given(PAIRS, st.integers(1, 18))
def test_observed_requests_are_summed_one_by_one(pairs: list[tuple[int, int]], most: int) -> None:
    traffic = of_pairs(pairs)
    assert traffic.requests == len(pairs)
    assert as_summed(traffic, [(p, o, 1.0) for p, o in pairs])
    left = [(p, o, 1.0) for p, o in pairs if p + o <= most]
    if left:
        cut = traffic.cut(most)
        assert as_summed(cut, left)
        assert cut.share_cut == pytest.approx(1 - len(left) / len(pairs), abs=1e-12)
        again = cut.cut(cut.longest)
        assert (again.requests, again.share_cut) == (len(left), cut.share_cut)


@FEW
@given(PAIRS, PAIRS, st.integers(1, 9), st.integers(1, 18))
def test_a_mixture_is_the_sum_of_its_parts_requests(
    some: list[tuple[int, int]], others: list[tuple[int, int]], times: int, most: int
) -> None:
    """So many requests of one kind to one of the other: what runs long counts more."""
    mixture = mixed([(times, of_pairs(some)), (1, of_pairs(others))])
    requests = [(p, o, times / len(some)) for p, o in some] + [(p, o, 1 / len(others)) for p, o in others]
    assert as_summed(mixture, requests)
    left = [each for each in requests if each[0] + each[1] <= most]
    if left:
        cut = mixture.cut(most)
        assert as_summed(cut, left)
        refused = 1 - sum(each[2] for each in left) / (times + 1)
        assert cut.share_cut == pytest.approx(refused, abs=1e-12)


def test_parts_that_were_cut_say_so_in_a_mixture() -> None:
    """Half of each kind is left of one, all of the other: of 2 + 1 requests 1 was refused."""
    some = of_pairs([(2, 0), (9, 0)]).cut(5)
    mixture = mixed([(1, some), (1, of_pairs([(3, 0)]))])
    assert mixture.share_cut == pytest.approx(1 / 3)


def test_a_law_of_the_observed_shares_is_the_observed_traffic() -> None:
    """Every pair of two prompts and two outputs, one of them nothing."""
    law = independent("law", probabilities([0, 0, 1, 1]), probabilities([1, 0, 0, 1]))
    pairs = of_pairs([(2, 0), (2, 3), (3, 0), (3, 3)])
    assert same(law.living(), pairs.living())
    # 2 and 3 stand there for a step, and 3 to 5 and 4 to 6 are passed: 8 steps.
    assert pairs.living() * 8 == pytest.approx([0, 0, 1, 2, 2, 2, 1])
    assert pairs.living_final() * 8 == pytest.approx([0, 0, 1, 1, 0, 3, 3])
    assert pairs.totals() * 4 == pytest.approx([0, 0, 1, 1, 0, 1, 1])


@pytest.mark.parametrize(
    ("of", "share", "tokens"),
    [("prompt", 0, 2), ("prompt", 0.5, 4), ("prompt", 0.51, 6), ("prompt", 1, 8), ("total", 0.75, 10)],
)
def test_a_quantile_is_the_fewest_tokens_that_so_many_do_not_exceed(
    of: Of, share: float, tokens: int
) -> None:
    traffic = of_pairs([(2, 1), (4, 1), (6, 4), (8, 4)])
    assert traffic.quantile(of, share) == tokens
    with pytest.raises(TrafficError, match="from 0 to 1, not 99"):
        traffic.quantile(of, 99)


def test_draws_are_requests_of_the_traffic() -> None:
    rng = np.random.default_rng(7)
    law = independent("law", probabilities([0, 1, 2, 3]), probabilities([2, 1, 1])).cut(4)
    for traffic in (law, of_pairs([(2, 0), (2, 3), (9, 1)]), mixed([(1, law), (3, of_pairs([(50, 2)]))])):
        prompts, outputs = traffic.draw(rng, 20_000)
        counts = np.bincount(prompts + outputs, minlength=traffic.longest + 1)
        assert counts.size == traffic.longest + 1
        # Four deviations of a share among 20,000 draws are at most 4 x sqrt(0.25 / 20,000) = 0.014.
        assert np.abs(counts / 20_000 - traffic.totals()).max() < 0.015


def test_long_laws_are_convolved_as_exactly_as_short_ones() -> None:
    """Two uniform laws of n lengths: the sum k has min(k + 1, 2 n - 1 - k) of n^2 ways."""
    size = 10**5
    flat = np.full(size, 1 / size)
    ways = np.minimum(np.arange(1, 2 * size), np.arange(2 * size - 1, 0, -1))
    assert np.abs(convolved(flat, flat) - ways / size**2).max() < 1e-15


def test_what_is_no_traffic_is_refused() -> None:
    nothing = np.array([], dtype=np.int64)
    with pytest.raises(TrafficError, match="an empty file holds no request"):
        observed("an empty file", nothing, nothing)
    with pytest.raises(TrafficError, match="a request has 16,777,217 tokens"):
        of_pairs([(2**24, 1)])
    with pytest.raises(TrafficError, match="a share above 0"):
        mixed([(0, of_pairs([(1, 1)]))])
