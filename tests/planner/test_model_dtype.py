"""The dtype in which a model runs: asked for, or chosen by its engine."""

from typing import Any

import pytest

import kvplan
from kvplan.engines import find_engine
from kvplan.gpus import find_card
from kvplan.planner import words
from kvplan.planner.facts import RunsIn

FLOAT32 = "gemma-2-9b"


@pytest.mark.parametrize(
    ("engine", "dtype", "architecture", "gpu", "chosen"),
    [
        # vLLM 0.33, config/model.py, _resolve_auto_dtype: float32 goes to the platform's first dtype.
        ("vllm", "float32", "llama", "h100-80gb", "bfloat16"),
        ("vllm", "float32", "llama", None, "bfloat16"),
        ("vllm", "float32", "llama", "t4-16gb", "float16"),
        ("vllm", "bfloat16", "llama", "t4-16gb", "float16"),
        ("vllm", "float16", "llama", "h100-80gb", "float16"),
        # _FLOAT16_NOT_SUPPORTED_MODELS: what is left of float16 and float32 on a T4.
        ("vllm", "float32", "gemma2", "t4-16gb", "float32"),
        ("vllm", "bfloat16", "gemma3_text", "t4-16gb", "float32"),
        ("vllm", "float32", "gemma2", "h100-80gb", "bfloat16"),
        # SGLang 0.5.23, configs/model_config.py, _get_and_verify_dtype.
        ("sglang", "float32", "llama", "h100-80gb", "float16"),
        ("sglang", "float32", None, None, "float16"),
        ("sglang", "float32", "gemma2", "h100-80gb", "bfloat16"),
        ("sglang", "bfloat16", "gemma2", "t4-16gb", "float16"),
        ("sglang", "bfloat16", "llama", "h100-80gb", "bfloat16"),
        ("exact", "float32", "llama", "h100-80gb", "float32"),
        ("transformers", "float32", "llama", "h100-80gb", "float32"),
    ],
)
def test_each_engine_has_its_rule(
    engine: str, dtype: str, architecture: str | None, gpu: str | None, chosen: str
) -> None:
    card = None if gpu is None else find_card(gpu)
    assert find_engine(engine).model_dtype(dtype, architecture, card) == chosen


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_float32_release_is_planned_as_it_runs_and_says_so(engine: str) -> None:
    """Half the bytes of weights and cache, and a line; --dtype float32 keeps all of them."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "context": 8192, "engine": engine}
    plain = kvplan.fit(FLOAT32, **asked)
    said = kvplan.fit(FLOAT32, **asked, dtype="bfloat16")
    kept = kvplan.fit(FLOAT32, **asked, dtype="float32")
    assert plain.memory.weights_bytes == said.memory.weights_bytes == kept.memory.weights_bytes // 2
    assert plain.max_batch == said.max_batch
    assert plain.bytes_per_token == said.bytes_per_token == kept.bytes_per_token / 2
    line = f"{plain.engine} runs this float32 model in bfloat16 unless --dtype says otherwise"
    assert line in map(words.warning, plain.warnings)
    assert not any(isinstance(each, RunsIn) for each in (*said.warnings, *kept.warnings))


def test_the_formula_keeps_the_release() -> None:
    """42 layers x 2 x 8 KV heads x 256 elements, half of them in a window, of 4 bytes."""
    assert kvplan.size(FLOAT32, context=8192).bytes_per_token == 21 * 2 * 8 * 256 * 4


def test_no_model_runs_in_int8() -> None:
    with pytest.raises(kvplan.KvplanError, match="no model runs in 'int8'"):
        kvplan.size(FLOAT32, dtype="int8")


@pytest.mark.parametrize("dtype", [None, "float16", "float32"])
def test_quantised_weights_stay_as_they_are_stored(dtype: str | None) -> None:
    """13,761,264,768 B of gpt-oss-20b in MXFP4 are less than its 20.9e9 parameters in 16 bits."""
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    answer = kvplan.fit("gpt-oss-20b", gpu="h100-80gb", context=8192, **options)
    assert answer.memory.weights_bytes == kvplan.load("gpt-oss-20b").weight_bytes
