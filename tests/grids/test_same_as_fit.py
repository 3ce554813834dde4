"""A sweep answers what `fit` answers, point by point: refusals and reasons included."""

import os
import random
from typing import Any

import numpy as np
import pytest

import kvplan
from kvplan.grids.arrays import TooLargeError
from kvplan.grids.build import make_grid
from kvplan.grids.grid import Structure
from kvplan.planner.fit import plan_of
from tests.grids.asking import ENGINES, NAMES, chunks_of, drawn, fitted, points_of

POINTS = int(os.environ.get("KVPLAN_SWEEP_POINTS", "1200"))
"""Points of the default run; more may be asked for: 10,000 take half a minute."""


def unlike(structure: Structure, found: list[dict[str, Any]]) -> list[Any]:
    """Return the points of a structure whose figures are not those of `fit`, with both."""
    asked = [(context, int(batch)) for context in structure.contexts for batch in structure.batches]
    wrong = []
    for (context, batch), point in zip(asked, found, strict=True):
        one = int(context) if isinstance(context, np.integer) else context
        expected = fitted(structure, one, batch)
        # A plan that is refused for its context still has GPUs, which `fit` does not say.
        told = point | {"gpus": None} if point["reason"] is not None else point
        if told != expected:
            wrong.append((structure.model, dict(structure.options), context, batch, told, expected))
    return wrong


def test_random_points_over_all_engines() -> None:
    rng = random.Random(20261130)  # noqa: S311 - a sample
    points, engines, refused = 0, set(), 0
    while points < POINTS:
        grid = make_grid(*drawn(rng))
        for structure, chunk in chunks_of(grid):
            found = points_of(chunk)
            assert unlike(structure, found) == []
            points += len(found)
            engines.add(structure.options["engine"])
            refused += sum(each["reason"] is not None for each in found)
    assert engines == set(ENGINES)
    assert points / 10 < refused < points * 6 / 10


@pytest.mark.parametrize("engine", ["exact", "vllm"])
@pytest.mark.parametrize(
    "model", ["llama-3.1-8b", "gemma-3-27b", "qwen3-next-80b-a3b", "mamba-2.8b", "gpt-oss-20b"]
)
def test_many_batches_and_contexts_at_once(model: str, engine: str) -> None:
    """So many that the longest contexts are found by arrays; a sample of them is asked of the plan itself."""
    options: dict[str, Any] = {"gpu": "h200-141gb", "engine": engine, "tp": 1, "dp": 2, "context": 4096}
    grid = make_grid(model, options | {"batch": range(1, 400)})
    ((structure, chunk),) = chunks_of(grid)
    found = [point["max_context"] for point in points_of(chunk)]
    plan = plan_of(structure.spec, structure.options, longest=4096)
    for batch in (1, 2, 3, 17, 64, 129, 256, 398, 399):
        assert found[batch - 1] == plan.max_context(batch)


@pytest.mark.parametrize("engine", ["exact", "vllm", "vllm@0.19"])
@pytest.mark.parametrize(
    "model",
    ["llama-3.1-8b", "gemma-3-27b", "gpt-oss-120b", "deepseek-v3.2", "qwen3-next-80b-a3b", "jamba-v0.1"],
)
def test_an_engines_rules_are_the_same_for_arrays(model: str, engine: str) -> None:
    """Each context by itself, and all of them as an array, at and beside the blocks and windows."""
    try:
        plan = kvplan.plan(model, kv_memory="57GiB", engine=engine)
    except kvplan.KvplanError as error:
        pytest.skip(str(error))
    arrangement = plan.deployment.arrangement
    assert arrangement.takes_arrays
    edges = [
        n + step for n in (1, 16, 128, 512, 1024, 4096, 8192, 32768, 131072) for step in (-1, 0, 1, 2, 3)
    ]
    contexts = np.array([each for each in edges if each > 0] + list(range(1, 3000, 7)), dtype=np.int64)
    rows = arrangement.by_sequence(contexts)  # type: ignore[arg-type]  # what is under test
    assert rows is not None
    for at, context in enumerate(contexts.tolist()):
        alone = arrangement.by_sequence(context)
        assert alone is not None
        told = tuple(tuple(int(np.broadcast_to(each, contexts.shape)[at]) for each in row) for row in rows)
        assert told == tuple(tuple(row) for row in alone)


@pytest.mark.parametrize("model", NAMES)
def test_the_formula_of_every_model_is_the_same_for_arrays(model: str) -> None:
    plan = kvplan.plan(model, kv_memory="57GiB", context=8192)
    contexts = [1, 2, 15, 16, 100, 127, 128, 129, 1000, 1024, 1025, 4096, 4097, 10**6]
    rows = plan.deployment.arrangement.by_sequence(np.array(contexts))  # type: ignore[arg-type]  # under test
    assert rows is not None
    (row,) = rows
    alone = [plan.deployment.by_sequence(each) for each in contexts]
    assert np.broadcast_to(row.first, len(contexts)).tolist() == [each[0].first for each in alone if each]


def test_by_hand() -> None:
    """Llama 3.1 8B keeps 2 x 8 x 128 x 2 x 32 = 131,072 bytes a token: 60 GiB hold 60 of 8k."""
    sweep = kvplan.sweep("llama-3.1-8b", kv_memory="60GiB", context="8k", batch=[60, 61])
    first, second = sweep
    assert first["bytes_per_sequence"] == 131_072 * 8192 == 2**30
    assert (first["fits"], first["free_bytes"], first["max_batch"]) == (True, 0, 60)
    assert (second["fits"], second["free_bytes"], second["max_batch"]) == (False, -(2**30), 60)
    assert (first["max_context"], second["max_context"]) == (8192, 60 * 2**30 // 131_072 // 61)


def test_beyond_an_int64_is_an_error_and_never_wraps_around() -> None:
    """10^12 tokens of 131,072 bytes are 1.3 x 10^17; a million such sequences are 1.3 x 10^23."""
    asked: dict[str, Any] = {"kv_memory": "60GiB", "context": 10**12}
    (alone,) = kvplan.sweep("llama-3.1-8b", batch=1, **asked)
    assert alone["kv_used_bytes"] == 131_072 * 10**12
    with pytest.raises(TooLargeError, match=r"a table holds no number beyond 2\^63"):
        list(kvplan.sweep("llama-3.1-8b", batch=10**6, **asked))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        # Two requests of 2048 tokens bring 16 images of 256 tokens, of 8192 more than a batch takes, 32.
        ("gemma-3-27b", {"engine": "vllm", "gpu": "h100-80gb", "max_num_seqs": 2, "weights": "1GB"}),
        # A cache in blocks is widened for flash attention, all cells of a layer at once.
        ("qwen3-8b", {"engine": "llamacpp", "gpu": "rtx-4090", "kv_dtype": "q8_0", "weights": "8GB"}),
    ],
)
def test_what_an_engine_needs_may_grow_with_the_context(model: str, options: dict[str, Any]) -> None:
    grid = make_grid(model, options | {"context": [2048, 8192, 131_072], "batch": [1, 2]})
    ((structure, chunk),) = chunks_of(grid)
    found = points_of(chunk)
    assert unlike(structure, found) == []
    assert len({point["kv_bytes"] for point in found}) > 1
