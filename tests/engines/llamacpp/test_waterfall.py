"""The lines between the formula's bytes and those of llama.cpp's tensors."""

from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from kvplan.dtypes import kv_format
from kvplan.engines.llamacpp import Arranged, RefusedError, waterfall
from kvplan.loads import uniform
from kvplan.specs import ModelSpec
from kvplan.terms import Target
from tests.engines.llamacpp.planning import arranged, lines, toy
from tests.strategies import specs

SLOTS = st.integers(0, 300)
CONTEXTS = st.integers(1, 300_000)
OPTIONS = st.fixed_dictionaries(
    {
        "kv_unified": st.booleans(),
        "swa_full": st.booleans(),
        "flash_attn": st.booleans(),
        "n_ubatch": st.integers(1, 4096),
        "windows": st.booleans(),
    }
)


@pytest.mark.parametrize(
    ("model", "context", "batch", "choices", "expected"),
    [
        # 1000 tokens are 1024 cells, twice.
        ("llama-3.1-8b", 1000, 2, {}, {"formula": 2000 * 131_072, "cell padding": 48 * 131_072}),
        # Unified: 2000 tokens are 2048 cells.
        (
            "llama-3.1-8b",
            1000,
            2,
            {"kv_unified": True},
            {"formula": 2000 * 131_072, "cell padding": 48 * 131_072},
        ),
        (
            "llama-3.1-8b",
            100,
            2,
            {"kv_unified": True},
            {"formula": 200 * 131_072, "cell padding": 56 * 131_072},
        ),
        # 10 full and 52 sliding layers of 8192 B: 1024 + 512 tokens of each window.
        (
            "gemma-3-27b",
            8192,
            1,
            {},
            {"formula": 8192 * (10 * 8192 + 52 * 1024), "window batch": 52 * 8192 * 512},
        ),
        # A window of 1024 and 100 tokens in flight: 1124 are 1280 cells.
        (
            "gemma-3-27b",
            8192,
            1,
            {"n_ubatch": 100},
            {
                "formula": 8192 * (10 * 8192 + 52 * 1024),
                "window batch": 52 * 8192 * 100,
                "cell padding": 52 * 8192 * 156,
            },
        ),
        # Three slots share 3 x 1024 + 512 cells.
        (
            "gemma-3-27b",
            8192,
            3,
            {"kv_unified": True},
            {"formula": 3 * 8192 * (10 * 8192 + 52 * 1024), "window batch": 52 * 8192 * 512},
        ),
        (
            "gemma-3-27b",
            8192,
            1,
            {"swa_full": True},
            {"formula": 8192 * (10 * 8192 + 52 * 1024), "windows kept whole": 52 * 8192 * 7168},
        ),
        # 36 layers x 3 columns x 8192 channels that the model keeps in bfloat16.
        (
            "qwen3-next-80b-a3b",
            256,
            2,
            {},
            {"formula": 2 * (256 * 24_576 + 36 * (49_152 + 2_097_152)), "float32 states": 2 * 36 * 49_152},
        ),
        # Sliding layers have 8 KV heads, full ones 4, of 192 and 128: V is padded from 512 to 1024.
        (
            "mimo-v2-flash",
            256,
            1,
            {"flash_attn": False},
            {
                "formula": 256 * 9 * 4 * 320 * 2 + 128 * 39 * 8 * 320 * 2,
                "window batch": 128 * 39 * 8 * 320 * 2,
                "V padding": 256 * 9 * 512 * 2,
            },
        ),
        # One state for each slot, unified or not.
        (
            "mamba-codestral-7b",
            256,
            3,
            {"kv_unified": True},
            {"formula": 3 * 272_367_616, "float32 states": 3 * 3_932_160},
        ),
    ],
)
def test_lines_by_hand(
    model: str, context: int, batch: int, choices: dict[str, Any], expected: dict[str, int]
) -> None:
    assert lines(model, context, batch, **choices) == expected


@settings(deadline=None)
@given(specs(), CONTEXTS, SLOTS, OPTIONS)
def test_lines_add_up_from_the_formula(
    spec: ModelSpec, context: int, batch: int, options: dict[str, Any]
) -> None:
    caches = known(spec, options)
    found = waterfall(caches, rank=0, load=uniform(context, batch))
    assert sum(line.size_bytes for line in found) == caches.reserved_bytes(
        rank=0, load=uniform(context, batch)
    )
    layers = spec.lower_types(Target(kv=kv_format("fp16")))
    exact = sum(term.bytes_on_rank(context, 1) for name in spec.layer_types for term in layers[name])
    assert found[0].size_bytes == batch * exact
    assert all(line.size_bytes > 0 for line in found[1:])


@settings(deadline=None)
@given(specs(), CONTEXTS, SLOTS, st.tuples(st.integers(0, 3000), st.integers(0, 20)), OPTIONS)
def test_more_context_or_slots_never_take_less(
    spec: ModelSpec, context: int, batch: int, more: tuple[int, int], options: dict[str, Any]
) -> None:
    caches = known(spec, options)
    least = caches.reserved_bytes(rank=0, load=uniform(context, batch))
    assert least <= caches.reserved_bytes(rank=0, load=uniform(context + more[0], batch))
    assert least <= caches.reserved_bytes(rank=0, load=uniform(context, batch + more[1]))


def known(spec: ModelSpec, options: dict[str, Any]) -> Arranged:
    """Return the caches of a model; what llama.cpp has no memory for is not of interest here."""
    try:
        return arranged(spec, **options)
    except RefusedError:
        reject()


def test_a_model_that_caches_nothing() -> None:
    assert lines(toy(2, kind="none"), 512, 2) == {"formula": 0}
