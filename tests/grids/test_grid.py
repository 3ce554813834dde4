"""Where each point of a grid stands: shards and pieces are all points, each once, in order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.grids.build import make_grid
from kvplan.grids.grid import CHUNK, Grid, Piece


def asked(grid: Grid, piece: Piece) -> list[tuple[int, int, int]]:
    structure = grid.structures[piece.structure]
    contexts, batches = structure.contexts[piece.contexts], structure.batches[piece.batches]
    return [(piece.structure, int(context), int(batch)) for context in contexts for batch in batches]


SMALL = make_grid(
    "llama-3.1-8b", {"gpu": "80GB", "tp": "1,2,4", "context": range(1, 6), "batch": range(1, 8)}
)


def test_points_go_structure_by_structure_context_by_context_batch_by_batch() -> None:
    found = [each for piece in SMALL.pieces(range(len(SMALL))) for each in asked(SMALL, piece)]
    assert len(SMALL) == 3 * 5 * 7
    assert found == [(s, c, b) for s in range(3) for c in range(1, 6) for b in range(1, 8)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 150))
def test_shards_are_all_points_each_once(count: int) -> None:
    whole = [each for piece in SMALL.pieces(range(len(SMALL))) for each in asked(SMALL, piece)]
    shards = [
        each
        for number in range(count)
        for piece in SMALL.pieces(SMALL.shard(number, count))
        for each in asked(SMALL, piece)
    ]
    assert shards == whole


@pytest.mark.parametrize("shape", [(1, CHUNK + 5), (CHUNK + 5, 1), (3, CHUNK - 1), (1000, 1000)])
def test_no_piece_is_larger_than_a_chunk(shape: tuple[int, int]) -> None:
    contexts, batches = shape
    grid = make_grid(
        "llama-3.1-8b", {"gpu": "80GB", "context": range(1, contexts + 1), "batch": range(1, batches + 1)}
    )
    pieces = list(grid.pieces(range(len(grid))))
    assert max(map(len, pieces)) <= CHUNK
    assert sum(map(len, pieces)) == len(grid) == contexts * batches


def test_a_fingerprint_tells_grids_apart() -> None:
    asked: dict[str, Any] = {"gpu": "80GB", "context": [8192], "batch": [1, 2]}
    prints = {
        make_grid("llama-3.1-8b", options).fingerprint
        for options in (asked, asked | {"tp": 2}, asked | {"context": [8193]}, asked | {"batch": [1]})
    }
    prints.add(make_grid("qwen3-8b", asked).fingerprint)
    prints.add(make_grid("llama-3.1-8b", asked, prices={"h100-80gb": 2}).fingerprint)
    assert len(prints) == 6
    assert make_grid("llama-3.1-8b", asked).fingerprint in prints


def test_pairs_stand_in_place_of_products() -> None:
    rows = list(
        kvplan.sweep(
            "qwen3-32b", pairs=["gpu=h100-80gb,tp=4", {"gpu": "h200-141gb", "tp": 2}], context="8k,16k"
        )
    )
    assert [(row["gpu"], row["tp"], row["context"]) for row in rows] == [
        ("h100-80gb", 4, 8192),
        ("h100-80gb", 4, 16384),
        ("h200-141gb", 2, 8192),
        ("h200-141gb", 2, 16384),
    ]


def test_models_go_with_their_own_spread() -> None:
    pairs = ["model=llama-3.1-8b,tp=1,batch=8", "model=llama-3.1-70b,tp=4,batch=2"]
    rows = list(kvplan.sweep(pairs=pairs, gpu="h100-80gb", context="8k"))
    assert [(row["model"], row["tp"], row["batch"]) for row in rows] == [
        ("llama-3.1-8b", 1, 8),
        ("llama-3.1-70b", 4, 2),
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"models": "llama-3.1-8b", "gpu": "h1000"}, "unknown GPU 'h1000'"),
        ({"models": "llama-9", "gpu": "h100-80gb"}, "llama-9"),
        ({"models": "llama-3.1-8b", "gpu": "h100-80gb", "engine": "vllm,vlm"}, "unknown engine 'vlm'"),
        ({"models": "llama-3.1-8b", "gpu": "h100-80gb", "tp": "1,1"}, "tp has 1 twice"),
        ({"models": "llama-3.1-8b", "gpu": "h100-80gb", "tp": []}, "tp has no value"),
        ({"models": "llama-3.1-8b", "gpu": "h100-80gb", "tp": 0}, "tp is 0: it is at least 1"),
        ({"models": "llama-3.1-8b", "gpu": "h100-80gb", "tq": 1}, "no option of a plan is called 'tq'"),
        (
            {"models": "llama-3.1-8b", "gpu": "h100-80gb", "context": "64k..8k"},
            "begins above its end: write 8k..64k",
        ),
        (
            {"models": "llama-3.1-8b", "gpu": "h100-80gb", "context": "8,192"},
            "one number or several: write 8192,",
        ),
        ({"models": "llama-3.1-8b", "gpu": "h100-80gb", "batch": np.array([1.5])}, "give one of ints"),
        ({"models": "llama-3.1-8b,llama-3.1-8b", "gpu": "h100-80gb"}, "is there twice"),
        ({"models": [], "gpu": "h100-80gb"}, "at least one model"),
        (
            {"models": "llama-3.1-8b", "tp": 2, "pairs": "gpu=h100-80gb,tp=2"},
            "tp is in the pairs and beside them",
        ),
        ({"models": "llama-3.1-8b", "pairs": ["gpu=80GB", "tp=2"]}, "pairs name the same options"),
        ({"models": "llama-3.1-8b", "pairs": "h100-80gb"}, "is no option and value"),
        ({"models": "llama-3.1-8b", "gpu": "80GB", "prices": {"h100-80gb": -1}}, "is no price of h100-80gb"),
        ({"models": "llama-3.1-8b", "gpu": "80GB", "pareto": "limit"}, "no value of limit is better"),
        ({"models": "llama-3.1-8b", "gpu": "80GB", "workers": 0}, "workers is 0: give a number of processes"),
    ],
)
def test_what_is_no_grid(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(kvplan.KvplanError) as refused:
        kvplan.sweep(**asked)
    assert words in refused.value.line


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("8k", [8192]),
        ("8k,32k", [8192, 32768]),
        ("1k..8k", [1024, 2048, 4096, 8192]),
        ("1..6", [1, 2, 4, 6]),
        ("8k..20k+8k", [8192, 16384]),
        ("1k..2k,1m", [1024, 2048, 1048576]),
    ],
)
def test_lists_and_ranges(text: str, values: list[int]) -> None:
    (structure,) = make_grid("llama-3.1-8b", {"gpu": "80GB", "context": text}).structures
    assert list(structure.contexts) == values


def test_a_format_of_one_role_apart_is_one_value() -> None:
    formats = [
        row["kv_dtype"]
        for row in kvplan.sweep("llama-3.1-8b", gpu="80GB", context="8k", kv_dtype="fp8,q8_0,value=q4_0")
    ]
    assert formats == ["fp8", "q8_0,value=q4_0"]
