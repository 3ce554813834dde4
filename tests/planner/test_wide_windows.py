"""Windows that the model's longest context does not fill: every token adds, and yet vLLM pages them apart."""

import pytest

import kvplan
from kvplan.specs import ModelSpec

ENGINES = ("exact", "vllm", "sglang", "trtllm", "llamacpp", "transformers")


def _model(window: int, max_context: int | None = 4096) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "wide",
            "architecture": "phi3",
            "dtype": "bfloat16",
            "max_context": max_context,
            "layers": 2,
            "attention": {"kind": "sliding", "heads": 4, "groups": 4, "head_dim": 64, "window": window},
        }
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("window", [4096, 8192])
def test_a_token_more_adds_its_rows(engine: str, window: int) -> None:
    answer = kvplan.size(_model(window), context=1024, engine=engine)
    assert answer.bytes_per_token == 2 * 2 * 4 * 64 * 2
    assert [layer.bytes_per_token for layer in answer.layers] == [answer.bytes_per_token]


@pytest.mark.parametrize(("window", "max_context"), [(4095, 4096), (4096, None)])
def test_a_window_that_is_filled_adds_nothing(window: int, max_context: int | None) -> None:
    assert kvplan.size(_model(window, max_context), context=1024).bytes_per_token == 0


def test_the_window_still_bounds_a_longer_context() -> None:
    assert kvplan.size(_model(8192), context=10_000).bytes_per_sequence == 8192 * 2 * 2 * 4 * 64 * 2


def test_the_formula_says_so_too() -> None:
    found = kvplan.explain(_model(8192))
    assert found.bytes_per_token == found.layers[0].bytes_per_token == 2 * 2 * 4 * 64 * 2


def test_vllm_charges_a_spare_block_for_it() -> None:
    """As for any sliding layer: 1,024 tokens are 64 blocks of 16, the spare one and the null block."""
    block = 16 * 2 * 2 * 4 * 64 * 2
    answer = kvplan.size(_model(8192), context=1024, engine="vllm")
    assert answer.total_bytes == (64 + 1 + 1) * block


def test_vllms_token_counts_of_phi_are_those_of_its_own_steps() -> None:
    """Of 60,000,012,345 bytes and 20,000 tokens on an H100, from the config of each."""
    for name, tokens in (("phi-3-mini-128k", 152_454), ("phi-4-mini", 457_394)):
        answer = kvplan.fit(
            name, engine="vllm@0.33", gpu="h100-80gb", kv_memory=60_000_012_345, context=20_000
        )
        assert answer.kv_tokens == tokens
