"""Weights: which source wins, and what start-up logs printed for one GPU."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kvplan.importers.parameters.base import Parameters
from kvplan.importers.quantization import read_quantization
from kvplan.importers.stored import StoredTensor, StoredWeights
from kvplan.importers.weights import (
    Counted,
    Weights,
    quantization_of,
    stored_weights,
    weight_bytes,
)
from kvplan.units import GIB, ceil_div
from tests.importers.model_files import gguf, safetensors

LOGS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "weight_logs.yaml").read_text())
SMALL = Counted(
    parameters=Parameters(sharded=1000, replicated=24, experts=0), embedding=100, head=0, dtype="bfloat16"
)


def planned(log: dict[str, Any]) -> tuple[int, int]:
    """Return kvplan's bytes per rank for a log's model."""
    counted = Counted(
        parameters=Parameters(
            sharded=log["sharded"], replicated=log["replicated"], experts=log.get("experts", 0)
        ),
        embedding=log.get("embedding", 0),
        head=log.get("head", 0),
        dtype=log["dtype"],
    )
    stored = None
    if "stored" in log:
        tensors = [
            StoredTensor(name=dtype, dtype=dtype, elements=1, size_bytes=size)
            for dtype, size in log["stored"].items()
        ]
        total = sum(log["stored"].values())
        stored = StoredWeights(total_bytes=total, tensors=tuple(tensors), origin="headers")
    quantization = read_quantization(log, file=log["model"])
    weights = weight_bytes(stored, counted, quantization)
    assert weights is not None
    return weights.on_rank(counted, log["tp"])


def error_of(log: dict[str, Any], low: int, high: int) -> float:
    return (low + high) / 2 / GIB / float(log["printed_gib"]) - 1


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log['model']} tp={log['tp']}")
def test_weights_are_what_a_real_engine_printed(log: dict[str, Any]) -> None:
    """Within 2 % for the middle of the range, and 0.1 % where all the engine holds is itemised."""
    besides = log.get("besides", 0)
    low, high = (size + besides for size in planned(log))
    assert high / low < 1.06
    assert abs(error_of(log, low, high)) < (0.001 if besides else 0.02)


def test_the_logs_are_many_and_unlike() -> None:
    assert len([log for log in LOGS if "besides" not in log]) >= 10
    assert {log["tp"] for log in LOGS} == {1, 2, 4, 8}
    methods = {log["quantization_config"]["quant_method"] for log in LOGS if "quantization_config" in log}
    assert methods == {"fp8", "awq", "compressed-tensors"}


def test_parameters_by_hand() -> None:
    """2 v h + L (2 h h + 2 h kv + 3 h i) of Llama 3.1 8B, Qwen2.5 72B with its biases, and Mixtral."""
    llama, qwen, mixtral = LOGS[0], LOGS[1], LOGS[3]
    h, i, v, kv, layers = 4096, 14336, 128256, 1024, 32
    assert llama["sharded"] == 2 * v * h + layers * (2 * h * h + 2 * h * kv + 3 * h * i)
    assert llama["replicated"] == 65 * h
    assert mixtral["experts"] == layers * 8 * 3 * h * i
    assert mixtral["replicated"] == 65 * h + layers * 8 * h
    h, i, v, layers = 8192, 29568, 152064, 80
    per_layer = 2 * h * h + 2 * h * kv + 3 * h * i + h + 2 * kv
    assert qwen["sharded"] == 2 * v * h + layers * per_layer
    assert qwen["sharded"] + qwen["replicated"] == 72706203648


def test_what_an_engine_holds_besides_by_hand() -> None:
    """gpt-oss: scales in a second layout, biases in float32, rotary tables. Scout: rotary tables."""
    gpt_oss, scout = (log for log in LOGS if "besides" in log)
    h, i, experts = 2880, 2880, 36 * 128
    assert gpt_oss["stored"]["U8"] == experts * 3 * h * i * 17 // 32
    rows = ceil_div(2 * i, 256) * 256 + ceil_div(h, 256) * 256
    assert gpt_oss["besides"] == experts * (rows * i // 32 + (2 * i + h) * 2) + 131072 * 64 * 4
    assert scout["besides"] == 10 * 2**20 * 128 * 2


def test_parameters_of_scout_by_hand() -> None:
    """Their sum is the count in the checkpoint's headers, as the Hub shows it."""
    scout = LOGS[-1]
    h, i, v, kv, layers = 5120, 8192, 202048, 1024, 48
    d, f, p = 1408, 5632, 4096
    vision = 34 * (4 * d * d + 2 * d * f + 3 * d + f) + 588 * d + f * p + p * p + p * h
    text = 2 * v * h + layers * (2 * h * h + 2 * h * kv + 3 * h * i)
    assert scout["sharded"] == text + vision
    assert scout["replicated"] == 97 * h + layers * 16 * h + 34 * 6 * d + 582 * d
    assert scout["experts"] == layers * 16 * 3 * h * i
    assert scout["sharded"] + scout["replicated"] + scout["experts"] == 108641793536


def test_headers_win_over_the_config_and_the_count() -> None:
    tensor = StoredTensor(name="a", dtype="U8", elements=600, size_bytes=600)
    stored = StoredWeights(total_bytes=600, tensors=(tensor,), origin="the header of model.safetensors")
    awq = read_quantization({"quantization_config": {"quant_method": "awq", "bits": 4}}, file="config.json")
    weights = weight_bytes(stored, SMALL, awq)
    assert weights == Weights(low_bytes=600, high_bytes=600, by_dtype=(("U8", 600),), origin=stored.origin)


def test_unquantised_parameters_are_exact() -> None:
    weights = weight_bytes(None, SMALL, None)
    assert weights is not None
    assert weights.exact
    assert (weights.low_bytes, weights.origin) == (2048, "1,024 parameters in bf16")


def test_a_quantised_config_alone_is_a_range() -> None:
    """900 in 4 bits, 1 to 4 bytes for each 128, perhaps 7 of biases; the embedding, perhaps norms in 16."""
    config: dict[str, Any] = {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}
    weights = weight_bytes(None, SMALL, read_quantization(config, file="config.json"))
    assert weights is not None
    assert not weights.exact
    assert weights.low_bytes == int(200 + 924 / 2 + 924 / 128)
    assert weights.high_bytes == 200 + 48 + 450 + 36


def test_nothing_known_is_no_weights() -> None:
    assert weight_bytes(None, None, None) is None


def test_a_rank_holds_what_is_replicated_whole() -> None:
    """(2048 - 48) / 4 + 48."""
    weights = weight_bytes(None, SMALL, None)
    assert weights is not None
    assert weights.on_rank(SMALL, 1) == (2048, 2048)
    assert weights.on_rank(SMALL, 4) == (548, 548)


def test_weights_of_files_and_folders(tmp_path: Path) -> None:
    assert stored_weights(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(safetensors({"a": ("F32", [4], 16)}))
    (tmp_path / "m.gguf").write_bytes(gguf({}, {"a": (1, [32], 64)}))
    sizes = {
        name: found.total_bytes
        for name in (".", "model.safetensors", "m.gguf")
        if (found := stored_weights(tmp_path / name))
    }
    assert sizes == {".": 16, "model.safetensors": 16, "m.gguf": 64}


def test_hf_quant_config_is_read_beside_the_config(tmp_path: Path) -> None:
    section = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps({"quantization": section}))
    found = quantization_of({}, tmp_path, file="config.json")
    assert found is not None
    assert (found.method, found.bits, found.group_size, found.kv_dtype) == ("modelopt", (4,), 16, "fp8")
    assert quantization_of({}, None, file="config.json") is None
