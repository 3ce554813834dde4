"""The lines between the formula's bytes and the reserved ones."""

from typing import Any

import pytest

from kvplan.dtypes import BF16
from kvplan.engines.vllm import NEWEST, Layout, plan_layout, waterfall
from kvplan.errors import KvplanError
from kvplan.loads import uniform
from tests.engines.vllm.planning import layout_of
from tests.engines.vllm.replay import layers_by_rank, options, recorded


def lines(layout: Layout, context: int, batch: int = 1, rank: int = 0) -> dict[str, int]:
    return {line.name: line.size_bytes for line in waterfall(layout, rank=rank, load=uniform(context, batch))}


def test_the_lines_of_every_recorded_job_add_up() -> None:
    """On each rank to the reserved bytes, from what exact would hold."""
    added = 0
    for case, _ in recorded():
        try:
            ranks = layers_by_rank(case)
            layout = plan_layout(ranks, tp=case["tp"], rules=NEWEST, options=options(case))
        except KvplanError:
            continue
        context, batch = case["context"], 1 + added % 3
        for rank, layers in enumerate(ranks):
            found = lines(layout, context, batch, rank)
            reserved = layout.reserved_bytes(rank=rank, load=uniform(context, batch))
            assert sum(found.values()) == reserved
            exact = sum(term.bytes_on_rank(context, case["tp"]) for layer in layers for term in layer)
            assert found["formula"] + found.get("replication", 0) == batch * exact
        added += 1
    assert added > 2000


@pytest.mark.parametrize(
    ("model", "context", "choices", "expected"),
    [
        # 32 layers x 4096 B a token; 10 of 16 tokens of the last block are empty; a null block.
        (
            "llama-3.1-8b",
            8198,
            {},
            {"formula": 8198 * 131_072, "block rounding": 10 * 131_072, "null block": 2_097_152},
        ),
        # 8 KV heads on 16 ranks: half a head each, stored twice.
        (
            "llama-3.1-8b",
            16,
            {"tp": 16},
            {"formula": 131_072, "replication": 131_072, "null block": 262_144},
        ),
        # A latent is on both ranks; each holds half of the 1024 tokens.
        (
            "deepseek-v3",
            1024,
            {"tp": 2, "dcp": 2, "block_size": 64},
            {
                "formula": 1024 * 35_136,
                "replication": 1024 * 35_136,
                "context parallelism": -512 * 70_272,
                "null block": 4_497_408,
            },
        ),
        # The indexer's 128 bf16 elements are 132 B in vLLM.
        (
            "deepseek-v3.2",
            64,
            {"kv_dtype": "bf16"},
            {"formula": 64 * 61 * 1408, "row layout": -64 * 61 * 124, "null block": 64 * 61 * 1284},
        ),
    ],
)
def test_lines_by_hand(model: str, context: int, choices: dict[str, Any], expected: dict[str, int]) -> None:
    assert lines(layout_of(model, **choices), context) == expected


def test_lines_of_gemma_3() -> None:
    """
    10 full and 52 sliding layers of 8192 B a token, window 1024, 16384 tokens in flight, 131072 asked.

    A window is charged 1023 + 16384 tokens in 1088 blocks and one more; six groups of ten places hold
    52 windows.
    """
    row = 8192
    assert lines(layout_of("gemma-3-27b"), 131_072) == {
        "formula": 10 * 131_072 * row + 52 * 1024 * row,
        "window reserve": 52 * (1023 + 16_384 - 1024) * row,
        "window spare block": 52 * 16 * row,
        "block rounding": 52 * row,
        "group padding": 8 * 1089 * 16 * row,
        "null block": 10 * 16 * row,
    }


def test_lines_of_qwen3_next() -> None:
    """
    A state is 36 x 1,097,728 B in bf16; its page one block of attention, 544 x 2048 B.

    Twelve attention layers; the spec's states are in fp32 and vLLM's in bf16. A request of one block keeps
    one state, and the planner charges two.
    """
    layout = layout_of("qwen3-next-80b-a3b", state_mode="align", conv_dtype=BF16, state_dtype=BF16)
    found = lines(layout, 544)
    states = 36 * 1_097_728
    assert found["page padding"] == 36 * (544 * 2048 - 1_097_728)
    assert found["formula"] + found["row layout"] == 544 * 24_576 + states
    assert found["start-up check"] == 36 * 544 * 2048
    assert not {"state copies", "group padding"} & set(found)


def test_a_prompt_of_many_chunks_keeps_copies_of_states() -> None:
    """Two batches in flight and the state before them: two states beside the one that is left in the end."""
    layout = layout_of("qwen3-next-80b-a3b", state_mode="align", conv_dtype=BF16, state_dtype=BF16)
    assert lines(layout, 65_536)["state copies"] == 2 * 36 * 1_097_728


def test_lines_of_cross_attention() -> None:
    """Whisper's 1500 encoder tokens are charged as max_num_batched_tokens."""
    layout = layout_of("whisper-large-v3", max_num_batched_tokens=2048)
    found = lines(layout, 448)
    assert found["encoder reserve"] == 32 * (2048 - 1500) * 2 * 1280 * 2


def test_windows_kept_whole_without_the_hybrid_manager() -> None:
    found = lines(layout_of("gemma-3-27b", hybrid_manager=False), 131_072)
    assert found["windows kept whole"] == 52 * (131_072 - 1024) * 8192
    assert "window reserve" not in found
