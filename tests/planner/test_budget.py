"""What a card has for the cache, by hand."""

from typing import Any, Literal

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

import kvplan
from kvplan.planner import words
from kvplan.planner.budget import Budget, given
from kvplan.planner.facts import Origin, Sources

OF = Literal["card", "after start", "rest"]


def budget(share_of: OF, gpu_bytes: int = 1001) -> Budget:
    """Return nine tenths of a card on which activations take 30 bytes and the rest 70."""
    return Budget(
        gpu="toy",
        gpu_bytes=gpu_bytes,
        utilization=(9, 10),
        share_of=share_of,
        replica_weights_bytes=200,
        needs=given(30, 70),
        sources=Sources(gpu_bytes=Origin.GIVEN),
        longest=1,
    )


@pytest.mark.parametrize(
    ("share_of", "taken", "left"),
    [
        # 900.9 of 1001, rounded up as vLLM does.
        ("card", 901, 601),
        # 810.9 of the 901 that are free after the start, and the 100 that are gone.
        ("after start", 911, 611),
        # 630.9 of the 701 that weights and the rest leave.
        ("rest", 931, 631),
    ],
)
def test_a_utilization_is_a_share_of_the_card_or_of_a_part_of_it(share_of: OF, taken: int, left: int) -> None:
    assert budget(share_of).budget_bytes(200, 100) == taken
    assert budget(share_of).left_bytes(200, 100) == left
    memory = budget(share_of).memory(weights_bytes=200, kv_used_bytes=left + 1)
    assert (memory.budget_bytes, memory.kv_bytes, memory.free_bytes) == (taken, left, -1)


def test_a_card_that_does_not_hold_the_rest_leaves_less_than_nothing() -> None:
    """90 bytes of 100 are not the 300 that must be there; the others have no more than the card."""
    assert budget("card", 100).left_bytes(200, 100) == 90 - 300
    assert budget("after start", 100).left_bytes(200, 100) == -200
    assert budget("after start", 80).left_bytes(200, 100) == 80 - 300
    assert budget("rest", 250).left_bytes(200, 100) == 250 - 300


@pytest.mark.parametrize(
    ("model", "options", "limit"),
    [
        ("deepseek-v3", {"engine": "trtllm"}, "the weights need 626.92 GiB per GPU, and the budget has"),
        (
            "llama-3.1-8b",
            {"engine": "trtllm", "overhead": "100GiB"},
            "activation and overhead need 100.00 GiB per GPU, and the budget is 79.18 GiB",
        ),
        (
            "llama-3.1-8b",
            {"engine": "sglang", "overhead": "100GiB"},
            "activation and overhead need 100.00 GiB per GPU, and the budget is 79.18 GiB",
        ),
    ],
)
def test_no_more_than_the_card_is_taken(model: str, options: dict[str, Any], limit: str) -> None:
    answer = kvplan.fit(model, gpu="h100-80gb", context=8192, **options)
    assert answer.memory.budget_bytes == answer.memory.gpu_bytes
    assert words.limit(answer.limit).startswith(limit)


@pytest.mark.parametrize(("gpu", "tokens"), [("a100-80gb", 2048), ("h100-80gb", 8192), ("b200-180gb", 16384)])
def test_a_card_beside_a_known_memory_decides_the_defaults_alone(gpu: str, tokens: int) -> None:
    """What vLLM batches on the card is in flight in every window; the memory is as given."""
    asked: dict[str, Any] = {"kv_memory": "20GiB", "context": 32768, "engine": "vllm"}
    beside = kvplan.fit("gemma-3-27b", gpu=gpu, **asked)
    told = kvplan.fit("gemma-3-27b", **asked, max_num_batched_tokens=tokens)
    assert beside.gpu == f"20.00 GiB of KV memory on {gpu}"
    assert beside.memory == told.memory
    assert (beside.max_batch, beside.num_blocks, beside.kv_tokens) == (
        told.max_batch,
        told.num_blocks,
        told.kv_tokens,
    )


def test_without_a_card_the_answer_says_what_it_assumed() -> None:
    """The batch of an H100 in windows, Triton's kernel for Gated DeltaNet, SGLang's chunks."""

    def assumed(model: str, **options: Any) -> list[str]:
        answer = kvplan.fit(model, context=8192, **options)
        return [text for text in map(words.warning, answer.warnings) if text.startswith("no card is named")]

    (batch,) = assumed("gemma-3-27b", engine="vllm", kv_memory="20GiB")
    assert "8,192 tokens are batched, as on an H100" in batch
    (kernel,) = assumed("qwen3.5-4b", engine="vllm", gpu="80GB", prefix_caching=True)
    assert "Triton" in kernel
    (chunks,) = assumed("gpt-oss-20b", engine="sglang", kv_memory="20GiB")
    assert "chunks of 8,192 tokens" in chunks
    assert assumed("gemma-3-27b", engine="vllm", kv_memory="20GiB", gpu="h100-80gb") == []
    assert assumed("gemma-3-27b", engine="vllm", kv_memory="20GiB", max_num_batched_tokens=512) == []
    assert assumed("llama-3.1-8b", engine="vllm", kv_memory="20GiB") == []


@pytest.mark.parametrize("engine", ["exact", "vllm", "sglang", "trtllm", "llamacpp", "transformers"])
@pytest.mark.parametrize("option", ["weights", "overhead", "activation"])
@drawn(size=st.integers(0, 10**14), gpu=st.integers(10**9, 10**12))
@settings(max_examples=20)
def test_no_line_of_a_card_is_below_0_but_what_is_missing(
    engine: str, option: str, size: int, gpu: int
) -> None:
    """Also where weights, activations or an overhead are larger than the card."""
    asked: dict[str, Any] = {option: size}
    try:
        memory = kvplan.fit("llama-3.1-8b", engine=engine, gpu=gpu, advice=False, **asked).memory
    except kvplan.KvplanError:  # a card too small for an engine to begin with
        return
    assert 0 <= memory.budget_bytes <= memory.gpu_bytes
    others = (memory.weights_bytes, memory.activation_bytes, memory.overhead_bytes, memory.kv_used_bytes)
    assert min(others) >= 0
    assert memory.budget_bytes == sum(others) + memory.free_bytes
