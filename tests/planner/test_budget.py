"""What a card has for the cache, by hand."""

from typing import Any, Literal

import pytest

import kvplan
from kvplan.planner.budget import Budget, given

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
        sources={},
        estimated=False,
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
        ("deepseek-v3", {"engine": "trtllm"}, "the weights need 624.94 GiB per GPU, and the budget has"),
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
    assert answer.limit.startswith(limit)
