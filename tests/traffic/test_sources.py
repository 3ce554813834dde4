"""What `read_traffic` takes: laws, a file of a distribution, traffic itself."""

import re
import sys
from pathlib import Path

import pytest

import kvplan
from kvplan.extras import MissingError


def test_a_law_alone_generates_nothing() -> None:
    traffic = kvplan.read_traffic("fixed:32k")
    assert traffic.words == "prompts fixed:32k, no outputs"
    assert (traffic.longest, traffic.mean_output, traffic.requests) == (32768, 0, None)
    assert traffic.living()[32768] == 1


def test_prompts_and_outputs_are_two_laws() -> None:
    """100 to 102 tokens, and two to each: at 101 to 104 tokens in 6 steps."""
    traffic = kvplan.read_traffic("uniform:100..102", "fixed:2")
    assert traffic.living()[100:].tolist() == pytest.approx([0, 1 / 6, 2 / 6, 2 / 6, 1 / 6])
    assert (traffic.mean_prompt, traffic.mean_output) == pytest.approx((101, 2))


def test_a_law_without_an_end_is_refused_from_the_engines_context_on() -> None:
    traffic = kvplan.read_traffic("lognormal:p50=2k,p99=16k", most=16384)
    assert traffic.share_cut == pytest.approx(0.01)
    assert traffic.longest == 16384
    both = kvplan.read_traffic("fixed:100", "pareto:min=100,alpha=1", most=500)
    assert both.share_cut == pytest.approx(100 / 400)
    assert kvplan.read_traffic(both, most=300).share_cut == pytest.approx(100 / 200)


def test_a_distribution_is_a_file_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text("[[100, 0.5], [200, 1]]", encoding="utf-8")
    for asked in (path, str(path)):
        traffic = kvplan.read_traffic(asked, "fixed:1")
        assert (traffic.quantile("prompt", 0.5), traffic.longest) == (100, 201)
    assert kvplan.read_traffic("fixed:1", str(path)).quantile("output", 0.5) == 100


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "it is no JSON: write pairs of tokens and the share"),
        ("[]", "it is no list of pairs"),
        ("[[1, 0.5], [2, 1, 3]]", "pair 2 is '[2, 1, 3]'"),
        ("[[true, 1]]", "pair 1 is '[True, 1]'"),
        ("[[1, NaN]]", "pair 1 is '[1, nan]'"),
        ("[[2, 0.5], [1, 1]]", "1 tokens at 1 come behind 2 at 0.5"),
        ("[[1, 0.5], [2, 0.9]]", "these end at 0.9"),
    ],
)
def test_a_file_that_is_no_distribution_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(kvplan.KvplanError, match=re.escape(said)) as refused:
        kvplan.read_traffic(path)
    assert str(path) in str(refused.value)


def test_what_is_nothing_is_refused() -> None:
    with pytest.raises(
        kvplan.KvplanError,
        match=re.escape("there is no file 'lognorml', and it is no preset (did you mean 'lognormal'?)"),
    ):
        kvplan.read_traffic("lognorml")
    with pytest.raises(kvplan.KvplanError, match=re.escape("'lognorml' is no law of lengths (did you mean")):
        kvplan.read_traffic("lognorml:p50=2k")
    with pytest.raises(
        kvplan.KvplanError, match="has outputs of its own: leave the law of outputs, 'fixed:2', out"
    ):
        kvplan.read_traffic(kvplan.read_traffic("fixed:3"), "fixed:2")
    with pytest.raises(kvplan.KvplanError, match="most=0 is not a number of tokens"):
        kvplan.read_traffic("fixed:3", most=0)
    with pytest.raises(kvplan.KvplanError, match="fixed:3: no length of this law has at most 2 tokens"):
        kvplan.read_traffic("fixed:3", most=2)
    with pytest.raises(
        kvplan.KvplanError, match=r"no request of .* has at most 4 tokens: the shortest has 5"
    ):
        kvplan.read_traffic("fixed:3", "fixed:2", most=4)
    with pytest.raises(kvplan.KvplanError, match=r"not one in 10\^9 lengths of this law has 4,096 to 8,192"):
        kvplan.read_traffic("lognormal:p50=10,p99=11,min=4k", most=8192)


def test_an_end_far_beyond_the_engines_context_costs_nothing() -> None:
    """Of lengths up to 16m a half is below 8 tokens, and above 64 is 1 %."""
    traffic = kvplan.read_traffic("quantiles:p50=8,p99=64,max=16m", most=64)
    assert traffic.longest == 64
    assert traffic.share_cut == pytest.approx(0.01)
    assert traffic.quantile("prompt", 0.5) == 8


def test_without_numpy_it_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(
        MissingError, match=r"traffic needs numpy, .* pip install '\.\[traffic\]' in the checkout"
    ):
        kvplan.read_traffic("fixed:3")
