"""A sweep of traffic answers what `hold` answers, point by point: refusals and reasons included."""

import os
import random
from itertools import cycle
from pathlib import Path
from typing import Any

import kvplan
from kvplan.grids.build import make_grid
from kvplan.grids.columns import HELD, RATE, REASON, REPLICAS
from kvplan.grids.grid import Structure
from tests.grids.asking import ENGINES, chunks_of, points_of

POINTS = int(os.environ.get("KVPLAN_SWEEP_TRAFFIC", "60"))
"""Points of the default run, each of which takes some tenths of a second; more may be asked for."""

ANSWERS = (*HELD, RATE, *REPLICAS, REASON)
MODELS = (
    "llama-3.1-8b",
    "qwen3-32b",
    "gemma-3-27b",
    "qwen3-next-80b-a3b",
    "deepseek-v3.2",
    "gpt-oss-20b",
    "bert-base",
)
LAWS = ("fixed:1k", "uniform:100..9k", "lognormal:p50=1k,p99=4k", "pareto:p50=1k,p99=8k,max=16k")
TIMED = Path(__file__).parents[1] / "traffic" / "traces" / "azure-code-2023.csv.gz"
"""8,819 requests in the order of their arrival."""

TRACE = "prompt_tokens,completion_tokens\n100,20\n3000,500\n12000,1\n700,0\n"


def drawn(rng: random.Random, engine: str, trace: str) -> tuple[str, dict[str, Any]]:
    """Return a model and the options of a grid of some traffics."""
    # Laws and an output mostly; what has outputs of its own, and all that may not go together, too.
    traffics, outputs = rng.choice(
        [(LAWS, "uniform:16..512"), (LAWS, "uniform:16..512"), ((trace, "azure-code-2023"), None),
         ((*LAWS, trace), rng.choice((None, "fixed:9")))]
    )  # fmt: skip
    options: dict[str, Any] = {
        "gpu": [rng.choice(("h100-80gb", "l4-24gb", "80GB", "2xh200-141gb"))],
        "engine": engine,
        "settings": rng.choice(ENGINES[engine]),
        "traffic": rng.sample(traffics, 2),
        "context": rng.sample((700, 8192, 20_000, "longest/4"), 2),
        "outputs": outputs,
        "risk": rng.choice((None, 0.2, "0.1%")),
        "samples": rng.choice((None, None, [1, 3])),
        "prefix": rng.choice((None, None, None, "200:0.3")),
        **rng.choice([{}, {"tpot": "30ms"}, {"tpot": "30ms", "rps": 20}, {"rps": "20"}]),
    }
    if rng.random() < 0.2:
        options["tp"] = rng.choice((2, 3))
    if rng.random() < 0.1:
        options["max_num_seqs"] = 16
    return rng.choice(MODELS), options


def held(structure: Structure, context: int | str | None) -> dict[str, Any]:
    """Return the same figures as `hold` gives them, or its error."""
    asked = {name: each for name, each in structure.options.items() if each is not None}
    asked |= {name: str(asked[name]) for name in ("traffic", "outputs", "rps") if name in asked}
    try:
        answer = kvplan.hold(structure.spec, **{**asked, "context": context})
        told = answer.to_dict()
    except kvplan.KvplanError as error:
        return {**dict.fromkeys(each.name for each in ANSWERS), "reason": error.line}
    gpus, likely = told["tp"] * told["pp"] * told["dp"], told["likely"]
    (replicas,) = told["replicas"] or [{"replicas": None, "gpus": None}]
    return {
        "gpus": gpus,
        "fits": told["never"] != 0,
        "max_batch_never": told["never"],
        "max_batch_likely": likely,
        "max_batch_average": told["average"],
        "max_batch_likely_per_gpu": None if likely is None else likely / gpus,
        "method": told["method"],
        "share_refused": told["refused"],
        **{name: told[name] for name in ("longest", "mean_prompt", "mean_output", "requests_per_second")},
        "replicas": replicas["replicas"],
        "replicas_gpus": replicas["gpus"],
        "reason": None,
    }


def test_random_points_over_all_engines(tmp_path: Path) -> None:
    trace = tmp_path / "a,b.csv"
    trace.write_text(TRACE, encoding="utf-8")
    rng = random.Random(20261201)  # noqa: S311 - a sample
    points = refused = 0
    for engine in cycle(ENGINES):
        if points >= POINTS:
            break
        grid = make_grid(*drawn(rng, engine, str(trace)))
        for structure, chunk in chunks_of(grid):
            found = points_of(chunk, ANSWERS)
            expected = [held(structure, context) for context in structure.contexts]
            # A plan that is refused for its context still has GPUs, which `hold` does not say.
            told = [each | {"gpus": None} if each["reason"] is not None else each for each in found]
            assert told == expected, (structure.model, structure.options)
            points += len(found)
            refused += sum(each["reason"] is not None for each in found)
    assert points / 10 < refused < points * 6 / 10


def test_a_trace_with_arrivals_is_worked_off_in_its_order_in_a_grid_too() -> None:
    options = {"gpu": "h100-80gb", "engine": "vllm", "context": 16_384, "traffic": [str(TIMED)]}
    (structure, chunk), *others = chunks_of(make_grid("llama-3.1-8b", options))
    assert not others
    (found,) = points_of(chunk, ANSWERS)
    assert found["method"] == "replay"
    assert found == held(structure, 16_384)
