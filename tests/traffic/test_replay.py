"""Traces worked off in their order: moments counted by hand, and what order does to how many run at once."""

from pathlib import Path

import numpy as np
import pytest

import kvplan
from kvplan.engines.tally import Bound, BytesTally
from kvplan.report.hold_text import print_hold
from kvplan.traffic.arrays import Ints
from kvplan.traffic.holding import Packed, crowd_of
from kvplan.traffic.moments import ALONE, Sharing
from kvplan.traffic.observed import Observed, observed
from kvplan.traffic.replay import Replay, replay_of

TOKENS = BytesTally(of=lambda tokens: (tokens,), first_of=lambda tokens: (tokens,))
"""A byte for each token."""


def trace(prompts: Ints, outputs: Ints, *, timed: bool = True) -> Observed:
    """Requests that come one a second."""
    arrivals = np.arange(prompts.size, dtype=np.float64) if timed else None
    return observed("requests", prompts, outputs, arrivals=arrivals)


def two_phases() -> Observed:
    """20 requests of 100 tokens, then 20 of 300; each generates 10."""
    return trace(np.repeat([100, 300], 20), np.full(40, 10))


def replayed(requests: Observed, sharing: Sharing = ALONE, most: int = 210) -> Replay:
    """The replay of requests for about 2 at once, with room for *most* tokens."""
    found = replay_of(requests, TOKENS, sharing, lambda _: (Bound(most),), about=2, seed=1)
    assert found is not None
    return found


def test_moments_by_hand() -> None:
    """
    Two at a time begin at steps 0, 10, ..., 190, and hold P + 1, ..., P + 10 tokens each.

    Moments count from step 10, when two more have come, to step 190, when the last ones come. Two of 100 have
    no room for 210 tokens from 106 on, in 5 steps of 10: 45 of the 90 from 10 to 99. Two of 300 never have.
    """
    assert replayed(two_phases()).exceeded(2) == pytest.approx((45 + 91) / 181)
    assert replayed(two_phases(), most=620).exceeded(2) == 0


def test_samples_and_a_prefix_are_stored_once_by_hand() -> None:
    """Three samples of P tokens and a prefix of 50: of two requests 2 x (P - 50 + 3 x (1 to 10)) + 50."""
    found = replayed(two_phases(), Sharing(prefix=50, hits=1.0, samples=3))
    assert found.sums(2)[0, :10].tolist() == [2 * (50 + 3 * step) + 50 for step in range(1, 11)]


def test_requests_are_worked_off_by_their_arrivals() -> None:
    """Whatever the order of the lines."""
    requests = two_phases()
    order = np.random.default_rng(2).permutation(40)
    assert requests.arrivals is not None
    mixed = observed(
        "requests", requests.prompts[order], requests.outputs[order], arrivals=requests.arrivals[order]
    )
    assert replayed(mixed).sums(2).tolist() == replayed(requests).sums(2).tolist()


def test_without_an_order_or_with_few_requests_nothing_is_replayed() -> None:
    requests = two_phases()
    assert replay_of(requests, TOKENS, ALONE, lambda _: (Bound(9),), about=3, seed=1) is None
    untimed = trace(requests.prompts, requests.outputs, timed=False)
    assert replay_of(untimed, TOKENS, ALONE, lambda _: (Bound(9),), about=2, seed=1) is None


def likely(requests: Observed) -> tuple[int, str | None]:
    """How many run on one card at a risk of 1 %, and how that was found."""
    plan = kvplan.plan("qwen3-8b", engine="vllm", gpu="h100-80gb", kv_memory="14GiB", context=16_384)
    found = Packed(crowd=crowd_of(plan, requests), pools=plan.pools).numbers(0.01)
    assert found.likely is not None
    return found.likely, found.method


def drawn() -> tuple[Ints, Ints]:
    """Lengths of 40,000 requests."""
    rng = np.random.default_rng(3)
    return np.exp(rng.normal(6.8, 0.7, 40_000)).astype(np.int64).clip(8, 8000), rng.integers(8, 256, 40_000)


def test_requests_that_come_in_no_order_are_as_many_as_drawn_ones() -> None:
    """As many to 3 %, as each of the some 300 turns of the trace is met once."""
    prompts, outputs = drawn()
    one, other = likely(trace(prompts, outputs)), likely(trace(prompts, outputs, timed=False))
    assert (one[1], other[1]) == ("replay", "convolution")
    assert one[0] == pytest.approx(other[0], rel=0.03)


def test_long_requests_that_come_together_leave_room_for_fewer() -> None:
    prompts, outputs = drawn()
    slow = np.argsort(prompts + 4000 * np.sin(np.arange(prompts.size) * 6.3 / prompts.size), kind="stable")
    assert likely(trace(prompts[slow], outputs[slow]))[0] < 0.9 * likely(trace(prompts, outputs))[0]


def test_a_trace_longer_than_what_is_worked_off_is_met_in_stretches_of_all_of_it() -> None:
    """Of 200,000 requests, the later half twice as long: both halves are met."""
    lengths = np.repeat([100, 200], 100_000)
    found = replay_of(trace(lengths, np.ones_like(lengths)), TOKENS, ALONE, lambda _: (Bound(9),), 10, 1)
    assert found is not None
    sums = found.sums(10)[0]
    assert {int(sums.min()), int(sums.max())} == {1010, 2010}
    assert np.mean(sums == 1010) == pytest.approx(0.5, abs=0.02)


def test_hold_tells_that_a_trace_was_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace.csv"
    prompts, outputs = (each[:4000] for each in drawn())
    lines = [
        f"2024-05-10 00:{number // 60:02}:{number % 60:02},{prompt},{output}"
        for number, (prompt, output) in enumerate(zip(prompts[:3600], outputs[:3600], strict=True))
    ]
    file.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]), encoding="utf-8")
    answer = kvplan.hold("qwen3-8b", traffic=str(file), gpu="h100-80gb", engine="vllm", kv_memory="14GiB")
    assert answer.method == "replay"
    print_hold(answer)
    assert "(as its requests come, in their order)" in " ".join(capsys.readouterr().out.split())
    assert answer.memory is not None
    assert answer.memory.p99_bytes <= answer.memory.room_bytes
