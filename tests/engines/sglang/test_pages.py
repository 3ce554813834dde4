"""Pages of 64 tokens where TensorRT-LLM's kernels are SGLang's own choice."""

from typing import Any

import pytest

import kvplan

TREE = {"speculative_num_steps": "3", "speculative_eagle_topk": "2", "speculative_num_draft_tokens": "4"}


@pytest.mark.parametrize(
    ("model", "gpu", "asked", "page"),
    [
        # "page_size 64, trtllm_mha" in the log of a start-up on B200 (s01 in tests/field/sglang.yaml).
        ("qwen3-8b", "b200-180gb", {}, 64),
        ("qwen3-8b", "b200-180gb", {"block_size": 16}, 16),
        ("qwen3-8b", "h100-80gb", {}, 1),
        ("qwen3-8b", "rtx-pro-6000-96gb", {}, 1),
        ("qwen3-8b", "180GiB", {}, 1),
        ("deepseek-v3", "b200-180gb", {"tp": 8}, 64),
        # As SGLang itself resolves it: a draft changes the kernels of heads alone, unless its branch is told.
        ("qwen3-8b", "b200-180gb", {"draft": "qwen3-0.6b"}, 1),
        ("qwen3-8b", "b200-180gb", {"draft": "qwen3-0.6b", "settings": {"speculative_num_steps": "3"}}, 64),
        ("qwen3-8b", "b200-180gb", {"draft": "qwen3-0.6b", "settings": TREE}, 1),
        ("deepseek-v3", "b200-180gb", {"tp": 8, "draft": "mtp"}, 64),
        ("qwen3-8b", "b200-180gb", {"settings": {"speculative_algorithm": "NGRAM"}}, 1),
        ("deepseek-v3", "h200-141gb", {"tp": 8}, 1),
        # As in a rehearsal of tests/rehearsed/sglang.jsonl: Triton's kernels.
        ("qwen3.5-27b", "b200-180gb", {}, 1),
        ("nemotron-h-8b", "b200-180gb", {}, 1),
        ("mimo-v2-flash", "b200-180gb", {"tp": 4}, 1),
    ],
)
def test_the_page_is_that_of_the_backend(model: str, gpu: str, asked: dict[str, Any], page: int) -> None:
    answer = kvplan.fit(model, gpu=gpu, engine="sglang", context=4096, advice=False, **asked)
    assert answer.block_size == page
