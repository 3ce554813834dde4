"""
A cold start beside an empty program of the same framework: compared and reported, not judged.

Not part of the default run, which skips benchmarks. On a quiet machine:

    python -m pytest -o addopts= tests/benchmarks
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.program import ROOT, environment

PAIRS = 25
EMPTY = """\
import pydantic
import typer


class Thing(pydantic.BaseModel):
    name: str


app = typer.Typer()


@app.command()
def main(name: str = "x") -> None:
    print(Thing(name=name))


app()
"""
FIT = ("-m", "kvplan", "fit", "llama-3.1-8b", "--gpu", "h100-80gb", "--context", "8k", "--json")


def seconds(*arguments: str, compiled: Path) -> float:
    """
    Return how long a new interpreter takes for a command, output and all.

    Both programs run from bytecode kept in *compiled*, as an installed package does; otherwise only the
    checkout's modules would be compiled anew each time.
    """
    keeps = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(compiled)}
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - the programs under comparison
        [sys.executable, *arguments],
        check=True,
        cwd=ROOT,
        env=environment(**keeps),
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def test_a_cold_fit_beside_an_empty_program(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The two alternate, so that whatever else the machine does falls on both alike."""
    (tmp_path / "empty.py").write_text(EMPTY, encoding="utf-8")
    commands = {"kvplan fit": FIT, "empty program": (str(tmp_path / "empty.py"),)}
    times: dict[str, list[float]] = {name: [] for name in commands}

    def pair() -> None:
        for name, command in commands.items():
            times[name].append(seconds(*command, compiled=tmp_path))

    benchmark.pedantic(pair, rounds=PAIRS, warmup_rounds=1)  # type: ignore[no-untyped-call]
    lines = []
    for name in commands:
        measured = times[name][-PAIRS:]
        lines.append(f"{name:14} min {min(measured):.3f} s, median {median(measured):.3f} s")
    ratio = median(times["kvplan fit"][-PAIRS:]) / median(times["empty program"][-PAIRS:])
    benchmark.extra_info["ratio_of_medians"] = ratio
    with capsys.disabled():
        print("", *lines, f"ratio of medians {ratio:.2f}, {PAIRS} pairs", sep="\n")  # noqa: T201 - the report
