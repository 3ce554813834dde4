"""The lines between the formula's bytes and the memory that SGLang needs, worked by hand."""

import pytest

from kvplan.loads import uniform
from tests.engines.sglang.planning import pools_of

SLOT = 77_266_944
"""A slot of Qwen3-Next's states: 36 x (49 152 + 2 097 152)."""


@pytest.mark.parametrize(
    ("model", "context", "batch", "choice", "expected"),
    [
        ("llama-3.1-8b", 1000, 3, {}, {"formula": 3000 * 131_072}),
        # 24 tokens of the last of 16 pages are empty.
        (
            "llama-3.1-8b",
            1000,
            3,
            {"block_size": 64},
            {"formula": 3000 * 131_072, "page rounding": 3 * 24 * 131_072},
        ),
        # 8 KV heads on 16 ranks: half a head each, stored twice.
        (
            "llama-3.1-8b",
            1000,
            1,
            {"tp": 16},
            {"formula": 1000 * 8192, "replication": 1000 * 8192},
        ),
        # 6 layers of 4096 B on the first of 5 ranks, 7 on the third.
        (
            "llama-3.1-8b",
            1000,
            1,
            {"pp": 5, "pp_layers": (6, 6, 7, 7, 6)},
            {"formula": 1000 * 6 * 4096, "fullest stage": 1000 * 4096},
        ),
        # bf16 takes 256 B for an indexer's key, SGLang 132 whatever the KV dtype.
        (
            "deepseek-v3.2",
            64,
            1,
            {"kv_dtype": "bf16"},
            {"formula": 64 * 61 * 1408, "row layout": -64 * 61 * 124},
        ),
        # 49 of 80 layers have attention.
        (
            "llama-3.3-nemotron-super-49b-v1",
            1000,
            1,
            {},
            {"formula": 1000 * 49 * 4096, "layers without rows": 1000 * 31 * 4096},
        ),
        # 52 of 62 layers of 8192 B would need 1024 tokens only.
        (
            "gemma-3-27b",
            2000,
            1,
            {},
            {"formula": (10 * 2000 + 52 * 1024) * 8192, "windows kept whole": 52 * 976 * 8192},
        ),
        # Windows of 4 x 128 tokens; 4 x 1000 held in flight, and so 5000 tokens in either pool's scale.
        (
            "gpt-oss-120b",
            1000,
            4,
            {},
            {
                "formula": (4000 + 512) * 36_864,
                "window reserve": (4000 - 512) * 36_864,
                "pool ratio": 1000 * 36_864,
            },
        ),
        # 16 x 258 + 16 385 tokens of windows are there for 16 requests.
        (
            "gpt-oss-120b",
            1000,
            4,
            {"prefix_caching": False, "max_num_seqs": 16},
            {
                "formula": (4000 + 512) * 36_864,
                "window reserve": (4000 - 512) * 36_864,
                "pool of windows": (16 * 258 + 16_385 - 4000) * 36_864,
            },
        ),
        # 5 slots of a request and one of padding, which are 9 / 19 of the memory.
        (
            "qwen3-next-80b-a3b",
            4096,
            1,
            {},
            {
                "formula": 4096 * 24_576 + SLOT,
                "state copies": 4 * SLOT,
                "padding slot": SLOT,
                "memory ratio": 978_714_624 - 6 * SLOT - 4096 * 24_576,
            },
        ),
        (
            "qwen3-next-80b-a3b",
            100,
            10,
            {"settings": {"max_mamba_cache_size": "82", "mamba_radix_cache_strategy": "no_buffer"}},
            {
                "formula": 10 * (100 * 24_576 + SLOT),
                "state copies": 20 * SLOT,
                "state slots": 52 * SLOT,
                "padding slot": SLOT,
            },
        ),
    ],
)
def test_lines(
    model: str, context: int, batch: int, choice: dict[str, object], expected: dict[str, int]
) -> None:
    pools = pools_of(model, **choice)
    lines = pools.lines(rank=0, load=uniform(context, batch))
    assert {line.name: line.size_bytes for line in lines} == expected
    assert pools.reserved_bytes(rank=0, load=uniform(context, batch)) == sum(expected.values())


def test_states_in_another_dtype() -> None:
    """Half of the float32 of the spec: 36 x 32 x 128 x 128 x 2 B less."""
    pools = pools_of(
        "qwen3-next-80b-a3b", settings={"mamba_ssm_dtype": "bfloat16", "max_mamba_cache_size": "5"}
    )
    sizes = {line.name: line.size_bytes for line in pools.lines(rank=0, load=uniform(100, 1))}
    slot = 36 * (49_152 + 1_048_576)
    assert sizes == {
        "formula": 100 * 24_576 + SLOT,
        "row layout": slot - SLOT,
        "state copies": 4 * slot,
        "padding slot": slot,
    }


def test_an_empty_pool_keeps_its_padding_slot() -> None:
    """A slot is 0.9 / 1.9 of 163 119 104 B."""
    lines = pools_of("qwen3-next-80b-a3b").lines(rank=0, load=uniform(4096, 0))
    assert {line.name: line.size_bytes for line in lines} == {
        "formula": 0,
        "padding slot": SLOT,
        "memory ratio": 163_119_104 - SLOT,
    }
