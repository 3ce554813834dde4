"""
A law: a model's file and its name in the catalogue are one model to every engine.

The reserved bytes, the formats, the weights on each rank and the refusals are equal, but for what is listed
here.
"""

import shutil
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from random import Random

import pytest

from kvplan.errors import KvplanError
from kvplan.importers import load
from kvplan.planner import words
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.weights import stage_weights
from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import read_index
from tests.importers.originals import FOLDER, REFUSED, index, needs_originals

ENGINES = ("exact", "vllm", "sglang", "trtllm", "llamacpp", "transformers")

_VOCABULARY = "the copy has other rows of embedding and head than the published model"
_BOUND = "a config bounds the size of quantised weights, the catalogue has the published one"
_BFLOAT16 = "the copy is bfloat16, Meta published float16"
_TEXT = "the copy describes the text model alone, the catalogue counts the tower"

OTHER_WEIGHTS = {
    "MiniMaxAI--MiniMax-M3.json": _TEXT,
    "Qwen--Qwen3.5-4B.json": _TEXT,
    "Qwen--Qwen1.5-1.8B-Chat.json": "the copy ties the head, the published model does not",
    "codellama--CodeLlama-34b-hf.json": _VOCABULARY,
    "databricks--dbrx-base.json": "the copy has experts a third as wide as the published model",
    "deepseek-ai--DeepSeek-V4-Flash.json": _BOUND,
    "deepseek-ai--DeepSeek-V4-Pro.json": _BOUND,
    "google--gemma-3-4b-pt.json": _TEXT,
    "meta-llama--Llama-2-13b-hf.json": _VOCABULARY,
    "meta-llama--Llama-4-Scout-17B-16E-Instruct.json": _TEXT,
    "microsoft--Phi-3-vision-128k-instruct.json": "the file names its tower and gives no dimension of it",
    "mistralai--Devstral-2-123B-Instruct.json": _BOUND,
    "openbmb--MiniCPM-2B-sft-bf16.json": "the copy is untied, and pads the embedding by 7 rows",
    "stepfun-ai--Step-3.7-Flash.json": "the copy leaves out the heads of its sliding layers, and the tower",
}
"""Files whose weights differ from those of their name, and why; their caches do not."""

OTHER_CACHE = {
    "Qwen--Qwen3.5-4B.json": {
        "vllm": "the copy leaves out mamba_ssm_dtype, which the other Qwen3.5 files have",
    },
    "meta-llama--Llama-2-13b-hf.json": dict.fromkeys(ENGINES, _BFLOAT16),
    "meta-llama--Llama-2-70b-hf.json": dict.fromkeys(ENGINES, _BFLOAT16),
    "state-spaces--mamba-2.8b-hf.json": {
        "sglang": "the copy was saved by OpenVINO under a model type of its own, ov_mamba",
    },
}
"""Files whose cache, or its format, differs from that of their name, by engine, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine answers: bytes at each context and batch, or the refusal; weights of each rank."""

    bytes: tuple[object, ...]
    kv_dtype: str
    dtype: str
    weights: tuple[int, ...] | None
    notes: tuple[str, ...] = ()


def answer(spec: ModelSpec, engine: str, tp: int) -> Answer | str:
    """Return what *engine* answers of a model on *tp* ranks, or its refusal; names are no part of it."""
    try:
        made = deploy(spec, Choice(engine=engine, tp=tp))
        replica = made.spec.weights()
        return Answer(
            bytes=tuple(
                tuple(made.by_stage((asked,))) for asked in ((1, 1), (1000, 3), (4096, 2), (100_000, 1))
            ),
            kv_dtype=made.kv.name,
            dtype=made.spec.dtype,
            weights=None if replica is None else stage_weights(made, replica),
            notes=tuple(map(words.warning, made.notes)),
        )
    except KvplanError as error:
        return str(error).replace(spec.name, "MODEL")


def _named() -> list[str]:
    known = read_index()
    return [
        entry["file"] for entry in index() if entry["hf_id"].lower() in known and entry["file"] not in REFUSED
    ]


def _name(file: str) -> str:
    return file.removesuffix(".json").replace("--", "/")


@cache
def _both(file: str) -> tuple[ModelSpec, ModelSpec]:
    return load(FOLDER / file), load(_name(file))


def _is_quantised_release(file: str) -> bool:
    """Tell whether the catalogue has the model of a file alone, and not its quantised weights."""
    return _both(file)[1].weights() is None


def _cache(given: Answer | str) -> object:
    return given if isinstance(given, str) else (given.bytes, given.kv_dtype, given.dtype)


@pytest.mark.parametrize("file", _named())
def test_a_file_is_the_model_of_its_name(file: str) -> None:
    """The cache, but for the engines that are listed, and the weights: every engine is asked of both once."""
    pairs = {
        (engine, tp): [answer(spec, engine, tp) for spec in _both(file)]
        for engine, tp in product(ENGINES, (1, 2))
    }
    others = {engine for (engine, _), (mine, theirs) in pairs.items() if _cache(mine) != _cache(theirs)}
    assert others == OTHER_CACHE.get(file, {}).keys()
    # The catalogue knows the cache of a quantised release, and not its weights.
    if not _is_quantised_release(file):
        different = {
            asked: (mine.weights, theirs.weights)
            for asked, (mine, theirs) in pairs.items()
            if isinstance(mine, Answer) and isinstance(theirs, Answer) and mine.weights != theirs.weights
        }
        assert bool(different) == (file in OTHER_WEIGHTS), different


@pytest.mark.parametrize("file", sorted(OTHER_WEIGHTS) if FOLDER.is_dir() else [])
def test_a_bound_is_none_below_the_published_weights(file: str) -> None:
    mine, theirs = (spec.weights() for spec in _both(file))
    assert mine is not None
    assert theirs is not None
    assert (mine > theirs) or OTHER_WEIGHTS[file] != _BOUND


@needs_originals
def test_what_is_listed_is_a_file_with_a_name() -> None:
    assert OTHER_WEIGHTS.keys() | OTHER_CACHE.keys() <= set(_named())
    assert len(_named()) == 197


@pytest.mark.parametrize("file", [entry["file"] for entry in index() if entry["file"] not in REFUSED])
def test_where_a_file_lies_and_its_name_change_nothing(file: str, tmp_path: Path) -> None:
    """A seeded sweep: copies under random names and in random folders are one model to every engine."""
    random = Random(file)  # noqa: S311 - names of folders
    folder = tmp_path / "".join(random.choices("abcXYZ089-_. é", k=12)).strip(" .-") / "deep"
    folder.mkdir(parents=True)
    copies = [folder / f"x{random.randrange(10**9)}.json", folder / "config.json"]
    for copy in copies:
        shutil.copy(FOLDER / file, copy)
    original = load(FOLDER / file)
    answers = {engine: answer(original, engine, 1) for engine in ENGINES}
    for spec in (*map(load, copies), load(folder)):
        assert spec.model_copy(update={"name": "", "source": ""}) == original.model_copy(
            update={"name": "", "source": ""}
        )
        assert {engine: answer(spec, engine, 1) for engine in ENGINES} == answers
