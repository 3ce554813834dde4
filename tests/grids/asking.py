"""Grids drawn at random, and what `fit` answers to one point of them."""

import random
from typing import Any

import numpy as np

import kvplan
from kvplan.grids.build import make_grid
from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import FIGURES, LIMIT, REASON, Column
from kvplan.grids.grid import Grid, Structure
from kvplan.grids.points import Answering
from kvplan.specs.catalogue import spec_files

NAMES = sorted(path.stem for path in spec_files())
ENGINES: dict[str, tuple[dict[str, str], ...]] = {
    "exact": ({},),
    "transformers": ({}, {"cache_implementation": "static"}),
    "vllm": ({}, {"hybrid_manager": "false"}, {"num_gpu_blocks_override": "5000"}, {"watermark": "0.01"}),
    "vllm@0.19": ({},),
    "sglang": ({}, {"max_total_tokens": "100000"}, {"swa_full_tokens_ratio": "0.37"}),
    "trtllm": ({}, {"max_tokens": "100000"}, {"max_attention_window": "1024,4096"}),
    "llamacpp": ({}, {"kv_unified": "true"}, {"swa_full": "true"}),
}
"""Engines, each with settings of its own."""

CONTEXTS = (1, 16, 17, 100, 1024, 1025, 4097, 8192, 32768, 100_001, 131_072, 131_073, 1_048_576, "longest/4")
BATCHES = (1, 2, 3, 16, 17, 64, 256, 1000, 100_000)


def drawn(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Return a model and the options of a grid of some plans and up to 20 numbers."""
    engine = rng.choice(sorted(ENGINES))
    own = engine not in ("exact", "transformers")
    memory: dict[str, Any] = (
        {"kv_memory": [rng.choice((123_456_789, "57GiB", "5GiB"))]}
        if rng.random() < 0.3
        else {"gpu": rng.sample(["h100-80gb", "l4-24gb", "b200-180gb", "h200-141gb", "80GB"], 2)}
    )
    options: dict[str, Any] = {
        **memory,
        "engine": engine,
        "settings": rng.choice(ENGINES[engine]),
        "context": rng.sample(CONTEXTS, 5),
        "batch": sorted(rng.sample(BATCHES, 4)),
        "dp": rng.choice((1, 1, 3)),
    }
    if rng.random() < 0.05:
        options["gpu"], options["dp"] = "2xh100-80gb", None
        options.pop("kv_memory", None)
    elif engine != "llamacpp" and rng.random() < 0.6:
        options["tp"] = rng.sample((1, 2, 2, 8), 1)
    if engine in ("vllm", "sglang") and rng.random() < 0.2:
        options["ep"] = 2
    if rng.random() < 0.3:
        options["pp"] = rng.choice((2, 3))
    if rng.random() < 0.4:
        options["kv_dtype"] = ["fp8", "auto"]
    if rng.random() < 0.3:
        options["max_num_seqs"] = rng.choice((1, 16, 200))
    if own and rng.random() < 0.3:
        options["max_num_batched_tokens"] = 2048
    if engine == "vllm" and rng.random() < 0.3:
        options["prompt"] = rng.choice((5, 1000, 20_000))
    return rng.choice(NAMES), options


def chunks_of(grid: Grid) -> list[tuple[Structure, Chunk]]:
    """Return the answers to a grid, each with what was asked."""
    answering = Answering(grid)
    pieces = list(grid.pieces(range(len(grid))))
    return [(grid.structures[piece.structure], answering.answer(piece)) for piece in pieces]


def grid_of(model: str, options: dict[str, Any]) -> Grid:
    return make_grid(model, options)


FITTED = (*FIGURES, LIMIT, REASON)
"""The columns of answers of `fit`."""


def points_of(chunk: Chunk, answers: tuple[Column, ...] = FITTED) -> list[dict[str, Any]]:
    """Return the figures of each point of a chunk as plain values, None where there is none."""
    columns: dict[str, list[Any]] = {}
    for column in answers:
        if column.kind == "text":
            places, words = chunk.text(column)
            columns[column.name] = [None if at < 0 else words[at] for at in places.tolist()]
            continue
        values, missing = chunk.number(column)
        gaps = np.zeros(len(chunk), dtype=bool) if missing is None else missing
        columns[column.name] = [
            None if gap else value for value, gap in zip(values.tolist(), gaps.tolist(), strict=True)
        ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def fitted(structure: Structure, context: int | str | None, batch: int) -> dict[str, Any]:
    """Return the same figures as `fit` gives them, or its error."""
    nothing = dict.fromkeys(each.name for each in FITTED)
    try:
        answer = kvplan.fit(
            structure.spec, advice=False, **{**structure.options, "context": context, "batch": batch}
        )
    except kvplan.KvplanError as error:
        return {**nothing, "reason": error.line}
    gpus = answer.tp * answer.pp * answer.dp
    return {
        "gpus": gpus,
        "bytes_per_sequence": answer.bytes_per_sequence,
        "weights_bytes": answer.memory.weights_bytes,
        "kv_bytes": answer.memory.kv_bytes,
        "kv_used_bytes": answer.memory.kv_used_bytes,
        "free_bytes": answer.memory.free_bytes,
        "fits": answer.fits,
        "max_batch": answer.max_batch,
        "max_context": answer.max_context,
        "max_batch_per_gpu": None if answer.max_batch is None else answer.max_batch / gpus,
        "limit": answer.limit.resource.value,
        "reason": None,
    }
