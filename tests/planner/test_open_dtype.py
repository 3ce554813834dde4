"""A model whose files name no dtype: who decides it, and the line that says so."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.planner import words
from kvplan.planner.facts import RunsIn
from tests.importers import configs
from tests.importers.model_files import safetensors

TOKEN_ELEMENTS = 32 * 2 * 8 * 128
PARAMETERS = 8_030_261_248


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    values = {name: value for name, value in configs.LLAMA.items() if name != "torch_dtype"}
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def _said(answer: kvplan.Size) -> tuple[str, ...]:
    return tuple(words.warning(each) for each in answer.warnings if isinstance(each, RunsIn))


@pytest.mark.parametrize(
    ("engine", "card", "dtype", "width"),
    [
        # _resolve_auto_dtype of vLLM: float32 is run in the first 16-bit dtype of the card.
        ("vllm", "h100-80gb", "bfloat16", 2),
        ("vllm", "v100-32gb", "float16", 2),
        ("sglang", "h100-80gb", "float16", 2),
        ("trtllm", "h100-80gb", "bfloat16", 2),
        ("transformers", "h100-80gb", "float32", 4),
    ],
)
def test_an_engine_decides(config: Path, engine: str, card: str, dtype: str, width: int) -> None:
    answer = kvplan.fit(config, gpu=card, context=4096, engine=engine, batch=1)
    assert answer.bytes_per_token == TOKEN_ELEMENTS * width
    assert answer.memory.weights_bytes == PARAMETERS * width
    (line,) = _said(answer)
    runs = f"{answer.engine} runs it in {dtype} unless --dtype says otherwise"
    assert line == f"the model's files name no dtype: {runs}"


@pytest.mark.parametrize("engine", ["exact", "vllm", "llamacpp"])
@pytest.mark.parametrize(("asked", "width"), [("bf16", 2), ("float32", 4)])
def test_who_asks_decides(config: Path, engine: str, asked: str, width: int) -> None:
    answer = kvplan.fit(config, gpu="h100-80gb", context=4096, engine=engine, dtype=asked)
    assert answer.memory.weights_bytes == pytest.approx(PARAMETERS * width, rel=0.07)
    name = {"bf16": "bfloat16"}.get(asked, asked)
    assert _said(answer) == (f"the model's files name no dtype: it runs in {name}, as asked",)


@pytest.mark.parametrize("engine", ["exact", "llamacpp"])
def test_nobody_decides(config: Path, engine: str) -> None:
    with pytest.raises(OptionsError, match=r"name no dtype, and the engine .* decides none: give --dtype"):
        kvplan.size(config, context=4096, engine=engine)


def test_the_formula_of_a_cache_needs_its_own_dtype_alone(config: Path) -> None:
    answer = kvplan.size(config, context=4096, kv_dtype="fp8")
    assert (answer.bytes_per_token, _said(answer)) == (TOKEN_ELEMENTS, ())
    with pytest.raises(OptionsError, match="name no dtype"):
        kvplan.fit(config, gpu="h100-80gb", context=4096, kv_dtype="fp8")


@pytest.mark.parametrize("ask", [kvplan.check, kvplan.explain])
def test_a_formula_is_asked_for_in_a_kv_dtype(config: Path, ask: Any) -> None:
    with pytest.raises(OptionsError, match="name no dtype: give --kv-dtype, as in --kv-dtype bf16"):
        ask(config)
    assert ask(config, kv_dtype="bf16")


def test_stored_tensors_decide_where_they_agree(config: Path) -> None:
    (config.parent / "model.safetensors").write_bytes(safetensors({"weight": ("F16", [4, 4], 32)}))
    answer = kvplan.size(config.parent, context=4096)
    assert (answer.kv_dtype, _said(answer)) == ("fp16", ())


def test_stored_tensors_that_differ_leave_it_open(config: Path) -> None:
    tensors = {"one": ("F16", [4, 4], 32), "two": ("BF16", [4, 4], 32)}
    (config.parent / "model.safetensors").write_bytes(safetensors(tensors))
    with pytest.raises(OptionsError, match="name no dtype"):
        kvplan.size(config.parent, context=4096)
