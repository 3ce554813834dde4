"""How many unequal requests run at once: laws, figures by hand, and three methods that must agree."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.engines.tally import Bound
from kvplan.errors import KvplanError
from kvplan.planner.facts import Lowered
from kvplan.traffic.chances import Convolution, Draws, Normal
from kvplan.traffic.held import Held
from kvplan.traffic.holding import Packed, crowd_of
from kvplan.traffic.moments import Moments
from kvplan.traffic.requests import Traffic

ENGINES = ("exact", "vllm", "sglang", "trtllm", "llamacpp", "transformers")
H100: dict[str, Any] = {"gpu": "h100-80gb"}
CHAT: dict[str, Any] = {"traffic": "lognormal:p50=1k,p99=4k,max=8k", "outputs": "uniform:16..512"}


def numbers(answer: Held) -> tuple[int, int, int]:
    """The three numbers, of a plan that memory limits."""
    assert answer.never is not None
    assert answer.likely is not None
    assert answer.average is not None
    return answer.never, answer.likely, answer.average


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", ["llama-3.1-8b", "gemma-3-12b"])
def test_requests_of_one_length_are_as_many_as_fit(model: str, engine: str) -> None:
    fitted = kvplan.fit(model, context=4096, engine=engine, advice=False, **H100).max_batch
    assert (
        numbers(kvplan.hold(model, traffic="fixed:4k", context="4k", engine=engine, **H100)) == (fitted,) * 3
    )


def test_states_of_one_length_are_as_many_as_fit() -> None:
    asked: dict[str, Any] = {"gpu": "h100-80gb", "tp": 4, "engine": "vllm", "context": 8000}
    fitted = kvplan.fit("qwen3-next-80b-a3b", advice=False, **asked).max_batch
    assert kvplan.hold("qwen3-next-80b-a3b", traffic="fixed:8000", **asked).never == fitted


@pytest.mark.parametrize("engine", ENGINES)
def test_the_three_numbers_are_in_order(engine: str) -> None:
    never, likely, average = numbers(kvplan.hold("qwen3-8b", engine=engine, context="9k", **CHAT, **H100))
    assert 0 < never <= likely <= average


def test_sums_by_hand() -> None:
    """
    Two lengths, 1,024 and 3,072 tokens of 1 B, equally likely; room for 10 of 3,072 or so.

    Of n sequences k are long with the binomial probability; n are held if 1024 n + 2048 k <= 30,720, that is
    k <= 15 - n / 2. Of 12 at most 9 may be long: P(k > 9) = (66 + 12 + 1) / 4096 = 1.93 %. Of 11 also 9:
    12 / 2048 = 0.59 %.
    """
    moments = Moments(
        amounts=np.array([[1024, 3072]]), shares=np.array([0.5, 0.5]), once=np.zeros(1, dtype=np.int64)
    )
    exact = Convolution(moments=moments, room=lambda _: (Bound(30_720),), cells=2**8, grain=1024)
    assert exact.exceeded(12) == pytest.approx(79 / 4096, abs=1e-12)
    assert exact.exceeded(11) == pytest.approx(12 / 2048, abs=1e-12)
    drawn = Draws(moments=moments, room=lambda _: (Bound(30_720),), seed=3)
    assert drawn.exceeded(12) == pytest.approx(79 / 4096, abs=0.005)
    assert drawn.most(0.01, 24) == 11


def packed(traffic: Traffic) -> Packed:
    """A crowd in the pools of a plan."""
    plan = kvplan.plan("qwen3-8b", engine="vllm", **H100)
    return Packed(crowd=crowd_of(plan, traffic), pools=plan.pools)


def test_three_methods_agree() -> None:
    """A probability of 1 % is known by 10,000 draws to 0.1 %, three deviations of which are allowed."""
    found = packed(kvplan.read_traffic(CHAT["traffic"], CHAT["outputs"], 9216))
    moments, room = found.crowd.moments, found.room
    exact = Convolution(moments=moments, room=room, cells=2**16, grain=int(np.gcd.reduce(moments.amounts[0])))
    normal, drawn = Normal(moments=moments, room=room), Draws(moments=moments, room=room, seed=7)
    likely = found.numbers(0.01).likely
    assert likely is not None
    for sequences in (likely - 4, likely, likely + 4):
        assert normal.exceeded(sequences) == pytest.approx(exact.exceeded(sequences), abs=0.0015)
        assert drawn.exceeded(sequences) == pytest.approx(exact.exceeded(sequences), abs=0.003)


def test_a_smaller_risk_holds_fewer_down_to_those_that_never_preempt() -> None:
    asked = {**CHAT, **H100, "context": "9k"}
    found = [numbers(kvplan.hold("qwen3-8b", risk=risk, **asked))[1] for risk in (0.5, 0.1, 0.01, 1e-9)]
    assert found == sorted(found, reverse=True)
    # Of two lengths, one of them rare: all may be long at once, which a risk of 10^-300 still allows for.
    rare = {**H100, "kv_memory": "1500MiB", "traffic": "quantiles:p99=64,max=8k", "context": "8k"}
    never, likely, _ = numbers(kvplan.hold("qwen3-8b", risk=1e-300, **rare))
    assert never == likely == 1


@settings(max_examples=10)
@given(share=st.floats(0.05, 0.95))
def test_a_mixture_holds_no_more_than_the_shorter_and_no_fewer_than_the_longer(share: float) -> None:
    from kvplan.traffic.mixture import mixed  # noqa: PLC0415 - with numpy

    short, long = (
        kvplan.read_traffic(law, "fixed:64", 9216) for law in ("uniform:100..2k", "uniform:3k..8k")
    )
    both = [
        packed(each).numbers(0.01).likely
        for each in (long, mixed([(share, short), (1 - share, long)]), short)
    ]
    assert both == sorted(both, key=lambda each: math.inf if each is None else each)


@pytest.mark.parametrize("engine", ["exact", "vllm", "sglang"])
@pytest.mark.parametrize("prefix", ["100:0.1", "512:0.5", "1k:1"])
def test_a_shared_prefix_never_holds_fewer(engine: str, prefix: str) -> None:
    asked: dict[str, Any] = {"traffic": "uniform:1100..4k", "context": "5k", "engine": engine, **H100}
    alone, shared = (numbers(kvplan.hold("qwen3-8b", prefix=each, **asked)) for each in (None, prefix))
    assert all(before <= after for before, after in zip(alone, shared, strict=True))


def test_a_prefix_of_all_is_stored_once() -> None:
    """Llama 3.1 8B, 131,072 B per token: 16 GiB hold 131,072 tokens; 1,024 of them once, 3,072 for each."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "kv_memory": "16GiB", "context": "4k"}
    answer = kvplan.hold("llama-3.1-8b", traffic="fixed:4k", prefix="1k:1", **asked)
    assert answer.never == (131_072 - 1024) // 3072


def test_samples_share_their_prompt() -> None:
    """Of 16 GiB for 131,072 tokens, 4 samples of 1,024 + 1,024 tokens take 1,024 + 4 x 1,024."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "kv_memory": "16GiB", "context": "4k"}
    answer = kvplan.hold("llama-3.1-8b", traffic="fixed:1k", outputs="fixed:1k", samples=4, **asked)
    assert answer.never == 131_072 // (5 * 1024) * 4


def test_replicas_hold_so_many_times_the_sequences_of_one() -> None:
    one, two = (numbers(kvplan.hold("qwen3-8b", dp=dp, context="9k", **CHAT, **H100)) for dp in (1, 2))
    assert two == tuple(2 * each for each in one)


def test_littles_law_bounds_requests_and_counts_replicas() -> None:
    """Outputs of 100 tokens of 20 ms each: a sequence runs for 2 s."""
    answer = kvplan.hold(
        "qwen3-8b", traffic="fixed:1k", outputs="fixed:100", context="2k", tpot="20ms", rps="1,1000", **H100
    )
    never, likely, _ = numbers(answer)
    assert answer.requests_per_second == pytest.approx(likely / 2)
    assert [each.replicas for each in answer.replicas] == [1, math.ceil(1000 / (likely / 2))]
    assert never <= likely


def test_the_histogram_is_of_the_memory_there_is() -> None:
    answer = kvplan.hold("qwen3-8b", context="9k", engine="vllm", **CHAT, **H100)
    memory = answer.memory
    assert memory is not None
    assert memory.room_bytes == answer.plan.pools[0]
    assert sum(memory.shares) == pytest.approx(1)
    assert memory.edges_bytes == tuple(sorted(memory.edges_bytes))
    assert memory.p50_bytes < memory.p99_bytes <= memory.edges_bytes[-1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"traffic": None}, "no traffic is given"),
        ({"traffic": "fixed:1k", "rps": "5"}, "--tpot"),
        ({"traffic": "fixed:1k", "tpot": "30ms"}, "generates nothing"),
        ({"traffic": "fixed:1k", "prefix": "2k:0.5"}, "cannot begin with a prefix"),
        ({"traffic": "fixed:1k", "prefix": "512:2"}, "share of requests"),
        ({"traffic": "fixed:1k", "risk": "0"}, "probability"),
        ({"traffic": "fixed:1k", "engine": "llamacpp", "prefix": "512:1"}, "store a prefix once"),
        ({"traffic": "fixed:1k", "outputs": "fixed:9", "tpot": "30ms", "rps": "a"}, "requests per second"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(KvplanError, match=says):
        kvplan.hold("qwen3-8b", context="8k", **options, **H100)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("mimo-7b", {"gpu": "h100-80gb", "engine": "vllm", "draft": "mtp"}),
        ("qwen3.6-35b-a3b", {"gpu": "h100-80gb", "kv_memory": "10GiB", "engine": "vllm"}),
        ("llama-3.1-8b", {"gpu": "2xH100"}),
        ("qwen3-8b", {"gpu": "h100-80gb", "engine": "vllm", "max_num_batched_tokens": 4096}),
        ("deepseek-v3", {"gpu": "h200-141gb", "tp": 8}),
    ],
)
def test_what_a_fit_warns_of_is_told_of_traffic_too(model: str, options: dict[str, Any]) -> None:
    """A draft that nobody counts, a plan that was lowered, cards that were read as several."""
    fitted = kvplan.fit(model, context=2048, advice=False, **options)
    assert set(fitted.warnings) <= set(
        kvplan.hold(model, traffic="fixed:2k", context=2048, **options).warnings
    )
    timed = set(kvplan.bounds(model, context=2048, **options).warnings)
    assert {each for each in fitted.warnings if isinstance(each, Lowered)} <= timed


def test_the_longest_request_does_not_fit() -> None:
    answer = kvplan.hold(
        "qwen3-8b", gpu="l4-24gb", traffic="uniform:1k..36k", engine="vllm", kv_memory="4GiB"
    )
    assert numbers(answer) == (0, 0, 0)
