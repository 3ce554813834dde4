"""
From a published config.json to blocks, against vLLM's own steps.

chain.json.gz has, for each file, the context and what vLLM 0.33.0 made of 60,000,012,345 bytes on an H100,
by tensor parallelism, KV dtype and prefix caching: blocks, tokens of its "GPU KV cache size", tokens in a
block, and the bytes of rank 0's parameters; null where it refused the degree. Its engine arguments, the
model's own class on the meta device and its planner ran without a GPU, and the card was told to it.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from tests.importers.originals import FOLDER, REFUSED, needs_originals

Answers = dict[str, Any]

SAID: dict[str, Answers] = json.loads(gzip.decompress((Path(__file__).parent / "chain.json.gz").read_bytes()))

DIFFERENT = {
    "XiaomiMiMo--MiMo-7B-Base.json": (
        "vLLM was run without the file's own class, which drops the window, as use_sliding_window is false"
    ),
    "google--gemma-3-4b-pt.json": "vLLM pools the bare text model, and then schedules one batch at a time",
}
"""Files whose figures differ, and why."""

UNTOLD = {"tiiuae--falcon-40b.json"}
"""Files whose KV dtype vLLM's class does not take over, which kvplan refuses to plan."""

FILES = [file for file in SAID if file not in REFUSED and file not in DIFFERENT]


def options(asked: str) -> dict[str, Any]:
    """Return the options of kvplan.fit for `tp=2 kv_dtype=fp8 prefix_caching=on`."""
    given: dict[str, Any] = dict(each.split("=") for each in asked.split())
    given["tp"] = int(given["tp"])
    if "prefix_caching" in given:
        given["prefix_caching"] = given["prefix_caching"] == "on"
    return given


def planned(file: str, asked: str) -> list[int | None] | None:
    """Return blocks, tokens and tokens in a block; None if kvplan refuses."""
    try:
        answer = kvplan.fit(
            FOLDER / file,
            engine="vllm@0.33",
            gpu="h100-80gb",
            kv_memory=60_000_012_345,
            context=SAID[file]["context"],
            **options(asked),
        )
    except kvplan.KvplanError:
        return None
    return [answer.num_blocks, answer.kv_tokens, answer.block_size]


def figures(file: str) -> dict[str, list[int] | None]:
    """Return what vLLM said of a file, by what it was asked."""
    answers = {asked: said and said[:3] for asked, said in SAID[file].items() if asked != "context"}
    return {
        asked: None if file in UNTOLD and "kv_dtype" in asked else said for asked, said in answers.items()
    }


@needs_originals
@pytest.mark.parametrize("file", FILES)
def test_a_config_becomes_the_blocks_that_vllm_makes_of_it(file: str) -> None:
    said = figures(file)
    assert {asked: planned(file, asked) for asked in said} == said


@needs_originals
@pytest.mark.parametrize("file", DIFFERENT)
def test_what_differs_still_differs(file: str) -> None:
    """A file that has come to agree leaves the list."""
    assert planned(file, "tp=1") != figures(file)["tp=1"]
