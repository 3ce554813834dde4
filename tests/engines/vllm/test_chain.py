"""
From a published config.json to blocks, against vLLM's own steps.

chain.json has, for each file, what vLLM 0.33.0 made of 60,000,012,345 bytes and 20,000 tokens on an H100:
blocks, tokens of its "GPU KV cache size" and tokens in a block. Its engine arguments, the model's own class
on the meta device and its planner ran without a GPU, and the card was told to it.
"""

import json
from pathlib import Path

import pytest

import kvplan
from tests.importers.originals import FOLDER, REFUSED, needs_originals

SAID: dict[str, list[int]] = json.loads((Path(__file__).parent / "chain.json").read_text(encoding="utf-8"))

DIFFERENT = {
    "XiaomiMiMo--MiMo-7B-Base.json": (
        "vLLM was run without the file's own class, which drops the window, as use_sliding_window is false"
    ),
    "google--gemma-3-4b-pt.json": "vLLM pools the bare text model, and then schedules one batch at a time",
}
"""Files whose figures differ, and why; the number of blocks does not."""


@needs_originals
@pytest.mark.parametrize("file", [file for file in SAID if file not in REFUSED])
def test_a_config_becomes_the_blocks_that_vllm_makes_of_it(file: str) -> None:
    answer = kvplan.fit(
        FOLDER / file, engine="vllm@0.33", gpu="h100-80gb", kv_memory=60_000_012_345, context=20_000
    )
    blocks, tokens, block_size = SAID[file]
    assert (answer.num_blocks, answer.block_size) == (blocks, block_size)
    assert (answer.kv_tokens == tokens) == (file not in DIFFERENT)
