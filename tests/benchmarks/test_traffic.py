"""
Unequal requests beside a plain loop of numpy: compared and reported, not judged.

Not part of the default run, which skips benchmarks. Times are those of the processor:

    python -m pytest -o addopts= tests/benchmarks/test_traffic.py
"""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import kvplan
from kvplan.planner.plan import Plan
from kvplan.traffic.arrays import Floats, Ints
from kvplan.traffic.chances import DRAWS
from kvplan.traffic.holding import Packed, crowd_of
from kvplan.traffic.observed import observed
from tests.benchmarks.test_sweep import seconds

REQUESTS = 10**5
ASKED = {"exact": ("llama-3.3-70b", 8), "vllm": ("qwen3-8b", 1), "sglang": ("gpt-oss-120b", 2)}
"""By draws of a skewed law, by convolution, and by draws of two amounts; or in the order of arrivals."""


def lengths() -> tuple[Ints, Ints]:
    """Return prompts and outputs of requests."""
    rng = np.random.default_rng(1)
    prompts = np.exp(rng.normal(8.0, 0.9, REQUESTS)).astype(np.int64).clip(16, 60_000)
    return prompts, rng.integers(16, 1024, REQUESTS)


def planned(plan: Plan, prompts: Ints, outputs: Ints, arrivals: Floats | None = None) -> int | None:
    """Return what kvplan answers, from the requests on."""
    crowd = crowd_of(plan, observed("requests", prompts, outputs, arrivals=arrivals))
    return Packed(crowd=crowd, pools=plan.pools).numbers(0.01).likely


def by_hand(most: int, each: int, prompts: Ints, outputs: Ints) -> int:
    """Return the most sequences of which 10,000 draws exceed *most* bytes in 1 % of the cases, one by one."""
    rng = np.random.default_rng(1)
    shares = outputs / outputs.sum()
    sums, held = np.zeros(DRAWS), 0
    while True:
        chosen = rng.choice(REQUESTS, DRAWS, p=shares)
        sums += each * (prompts[chosen] + rng.integers(1, outputs[chosen] + 1))
        if np.mean(sums > most) > 0.01:
            return held
        held += 1


@pytest.mark.parametrize("timed", [False, True], ids=["drawn", "replayed"])
@pytest.mark.parametrize("engine", ASKED)
def test_a_hundred_thousand_requests(benchmark: BenchmarkFixture, engine: str, *, timed: bool) -> None:
    model, tp = ASKED[engine]
    plan = kvplan.plan(model, gpu="h100-80gb", tp=tp, engine=engine, context=65_536)
    prompts, outputs = lengths()
    hand = seconds(lambda: by_hand(plan.pools[0], int(plan.deployment.token_bytes(0)), prompts, outputs))
    arrivals = np.arange(REQUESTS, dtype=np.float64) if timed else None
    took = seconds(lambda: planned(plan, prompts, outputs, arrivals))
    benchmark.extra_info["processor seconds"] = {"kvplan": took, "a loop of numpy": hand}
    print(f"\n{engine}: {took:.3f} s, and {hand:.3f} s for a loop of numpy with the formula")  # noqa: T201
    benchmark(lambda: planned(plan, prompts, outputs, arrivals))
