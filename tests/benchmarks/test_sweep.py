"""
Grids beside numpy by hand, a loop over `fit`, and kvfit: compared and reported, not judged.

Not part of the default run, which skips benchmarks. Times are those of the processor, so that what else
the machine does counts little. With `pip install kvfit` it stands beside them:

    python -m pytest -o addopts= tests/benchmarks/test_sweep.py
"""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import kvplan
from kvplan.grids.results import Sweep
from tests.program import ROOT

MODEL, GPU = "llama-3.1-8b", "h100-80gb"
CONTEXTS, BATCHES = range(64, 64 * 1001, 64), range(1, 1001)
ROUNDS = 7
TOKEN_BYTES = 2 * 8 * 128 * 2 * 32
SIZES = (10**5, 10**6, 10**7, 10**8)


def seconds(call: Callable[[], object]) -> float:
    """Return the median of the processor's seconds for a call."""
    call()
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return median(times)


def by_hand(left: int) -> tuple[Any, ...]:
    """Return the dense formula's figures of every context with every batch, as one writes it with numpy."""
    context, batch = np.repeat(np.array(CONTEXTS), len(BATCHES)), np.tile(np.array(BATCHES), len(CONTEXTS))
    sequence = TOKEN_BYTES * context
    used = sequence * batch
    return (
        context,
        batch,
        sequence,
        used,
        left - used,
        used <= left,
        left // sequence,
        left // (TOKEN_BYTES * batch),
    )


def asked(**more: Any) -> Sweep:
    return kvplan.sweep(MODEL, **{"gpu": GPU, "context": CONTEXTS, "batch": BATCHES} | more)


def answered(**more: Any) -> int:
    """Work out all points of a grid anew, plan and all."""
    return sum(map(len, asked(**more).chunks()))


def in_columns(**more: Any) -> int:
    """Work out all points, and write each column of numbers out point by point."""
    sweep = asked(**more)
    numbers = [each for each in sweep.columns if each.kind != "text"]
    return sum(len(chunk.number(each)[0]) for chunk in sweep.chunks() for each in numbers)


def test_a_million_points_of_one_plan(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, float] = {}

    def everything() -> None:
        left = kvplan.plan(MODEL, gpu=GPU).left[0]
        found["numpy by hand"] = seconds(partial(by_hand, left))
        for engine in ("exact", "vllm"):
            found[f"sweep, {engine}"] = seconds(partial(answered, engine=engine))
            found[f"sweep, {engine}, all columns"] = seconds(partial(in_columns, engine=engine))

    benchmark.pedantic(everything, rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(found)
    hand = found["numpy by hand"]
    with capsys.disabled():
        print()  # noqa: T201 - the report
        for name, each in found.items():
            print(f"{name:28}{each * 1000:9.1f} ms{each / hand:7.2f}")  # noqa: T201 - as above


def test_a_grid_beside_a_loop(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """50 plans; the loop asks 10 numbers of each, the grid 10 and 10,000."""
    plans: dict[str, Any] = {
        "gpu": ["h100-80gb", "h200-141gb", "l4-24gb", "a100-80gb", "b200-180gb"],
        "tp": [1, 2, 4, 8, 16],
        "kv_dtype": ["bf16", "fp8"],
        "engine": "vllm",
    }
    contexts = [1024 * each for each in range(1, 11)]
    found: dict[str, float] = {}

    def loop() -> None:
        for row in kvplan.sweep(MODEL, **plans, context=contexts, batch=1):
            try:
                answer = kvplan.fit(
                    MODEL,
                    advice=False,
                    engine="vllm",
                    **{name: row[name] for name in ("gpu", "tp", "kv_dtype", "context")},
                )
                _ = answer.max_batch, answer.max_context, answer.memory
            except kvplan.KvplanError:
                continue

    def everything() -> None:
        found["loop over fit, 500 points"] = seconds(loop)
        grid = partial(kvplan.sweep, MODEL, **plans)
        found["sweep, 500 points"] = seconds(lambda: sum(map(len, grid(context=contexts, batch=1).chunks())))
        many = range(64, 64 * 1001, 64)
        found["sweep, 5,000,000 points"] = seconds(
            lambda: sum(map(len, grid(context=many, batch=range(1, 101)).chunks()))
        )
        if find_spec("kvfit"):
            found["kvfit, 500 points"] = 500 * seconds(kvfit_point)

    benchmark.pedantic(everything, rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(found)
    with capsys.disabled():
        print()  # noqa: T201 - the report
        for name, each in found.items():
            print(f"{name:28}{each * 1000:9.1f} ms")  # noqa: T201 - as above


def kvfit_point() -> object:
    """Return one estimate of kvfit's, of the same model."""
    kvfit = import_module("kvfit")
    from tests.benchmarks.test_plans import LLAMA  # noqa: PLC0415 - it skips without kvfit

    return kvfit.estimate_cache(LLAMA, context_tokens=8192)


_PEAK = """
import resource, sys
import kvplan
points = int(sys.argv[1])
contexts = range(64, 64 * (points // 1000) + 1, 64)
sweep = kvplan.sweep("llama-3.1-8b", gpu="h100-80gb", context=contexts, batch=range(1, 1001))
assert sum(map(len, sweep.chunks())) == len(sweep) == points
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
"""


def test_memory_is_flat(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[int, tuple[int, float]] = {}

    def everything() -> None:
        for points in SIZES:
            done = subprocess.run(  # noqa: S603 - the program under test
                [sys.executable, "-c", _PEAK, str(points)],
                check=True,
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
            peak, spent = done.stdout.split()
            found[points] = int(peak), float(spent)

    benchmark.pedantic(everything, rounds=1)  # type: ignore[no-untyped-call]
    with capsys.disabled():
        print()  # noqa: T201 - the report
        for points, (peak, spent) in found.items():
            print(f"{points:12,} points  peak {peak:5} MiB  {spent:6.1f} s")  # noqa: T201 - as above
