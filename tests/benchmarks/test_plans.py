"""
Plans beside kvfit, another calculator, in one run: compared and reported, not judged.

Not part of the default run, which skips benchmarks. On a quiet machine, with `pip install kvfit`:

    python -m pytest -o addopts= tests/benchmarks
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import kvplan
from kvplan.planner.deployment import kept_deployment
from kvplan.planner.plan import make_plan

kvfit = pytest.importorskip("kvfit", reason="kvfit, another calculator, is not installed")

ROUNDS, CALLS = 9, 50
GPU, CONTEXT = "h200-141gb", 8192
MODELS = ("llama-3.1-8b", "gemma-3-27b", "qwen3.5-4b", "deepseek-v4-flash")
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "head_dim": 128,
    "max_position_embeddings": 131072,
}


def microseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """Return the median time of one call, over some rounds of many."""
    call()
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - begun) / calls)
    return median(times) * 1e6


def anew(ask: Callable[[], object]) -> None:
    """Ask as for the first time: no deployment and no plan is kept."""
    kept_deployment.cache_clear()
    make_plan.cache_clear()
    ask()


def measured(model: str, engine: str) -> list[float]:
    """Return the times of each question to one model under one engine; a fit is read in part or whole."""
    spec = kvplan.load(model)
    options: dict[str, Any] = {"gpu": GPU, "engine": engine}
    plan = kvplan.plan(spec, **options)
    ask: dict[str, Any] = {**options, "context": CONTEXT}
    return [
        microseconds(lambda: plan.max_batch(CONTEXT)),
        microseconds(lambda: plan.max_context(64)),
        microseconds(lambda: kvplan.fit(spec, advice=False, **ask).max_batch),
        microseconds(lambda: kvplan.fit(spec, advice=False, **ask).to_dict()),
        microseconds(lambda: kvplan.fit(spec, **ask).to_dict()),
        microseconds(lambda: anew(lambda: kvplan.fit(spec, **ask).to_dict()), 5),
    ]


def test_plans_beside_another_calculator(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, float | list[float]] = {}

    def everything() -> None:
        found["kvfit"] = microseconds(lambda: kvfit.estimate_cache(LLAMA, context_tokens=CONTEXT))
        for model in MODELS:
            for engine in ("exact", "vllm"):
                found[f"{model} {engine}"] = measured(model, engine)

    benchmark.pedantic(everything, rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(found)
    heads = ("max_batch", "max_context", "fit's max_batch", "all but advice", "all", "first of all")
    with capsys.disabled():
        print(f"\nmicroseconds; kvfit's estimate_cache of llama-3.1-8b: {found['kvfit']:.0f}")  # noqa: T201 - the report
        print(f"{'':26}" + "".join(f"{head:>16}" for head in heads))  # noqa: T201 - as above
        for name, times in found.items():
            if isinstance(times, list):
                print(f"{name:26}" + "".join(f"{each:16.0f}" for each in times))  # noqa: T201 - as above
