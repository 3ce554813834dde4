"""What each engine's lines say, generation by generation; texts of the lines as the engines print them."""

from typing import Any

import pytest
import yaml

from kvplan.reconcile import read_log
from tests.reconcile.logs_at_hand import FOLDER, log_text

LINES: dict[str, Any] = yaml.safe_load((FOLDER.parent / "lines.yaml").read_text(encoding="utf-8"))


def figures(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for figure in read_log(text).figures:
        found.setdefault(figure.name, []).append(str(figure.printed))
    return found


@pytest.mark.parametrize("case", LINES["figures"], ids=lambda case: case["line"][:50])
def test_the_figures_of_a_line(case: dict[str, Any]) -> None:
    assert figures(case["line"]) == case["figures"]


def test_device_lines_are_not_counted_beside_the_sum() -> None:
    found = figures(log_text("llamacpp-gpt-oss-20b"))
    assert found == {
        "KV size": ["102.00 MiB", "3.19 MiB"],
        "K size": ["51.00 MiB", "1.59 MiB"],
        "V size": ["51.00 MiB", "1.59 MiB"],
    }


@pytest.mark.parametrize(
    ("name", "engine", "version", "options"),
    [
        (
            "vllm-0.19-llama-3.1-8b",
            "vllm",
            "0.19.0",
            {
                "model": "meta-llama/Llama-3.1-8B-Instruct",
                "dtype": "float16",
                "kv_dtype": "auto",
                "quantization": None,
                "tp": 1,
                "pp": 1,
                "dp": 1,
                "dcp": 1,
                "context": 8192,
                "max_num_batched_tokens": 8192,
                "prefix_caching": True,
                "draft": "none",
            },
        ),
        (
            "vllm-0.29-minimax-m2-refused",
            "vllm",
            "0.29.1rc1.dev17+gd2d649e67",
            {"model": "/models/MiniMax-M2.7-AWQ", "tp": 2, "context": 196608, "quantization": "awq_marlin"},
        ),
        ("vllm-0.6-llama-3.1-8b", "vllm", None, {"model": None, "context": 20000, "utilization": "0.90"}),
        (
            "sglang-qwen3.5-397b",
            "sglang",
            None,
            {
                "model": "Qwen/Qwen3.5-397B-A17B",
                "kv_dtype": "auto",
                "tp": 2,
                "pp": 1,
                "block_size": 1,
                "utilization": "0.9",
                "context": 8192,
                "max_num_seqs": 27,
                "max_num_batched_tokens": 4096,
                "prefix_caching": True,
                "draft": "none",
            },
        ),
        (
            "llamacpp-gpt-oss-20b",
            "llamacpp",
            None,
            {"context": 8192, "max_num_seqs": 1, "kv_dtype": "q8_0", "model": None},
        ),
        (
            "llamacpp-deepseek-r1-expanded",
            "llamacpp",
            None,
            {
                "model": "DeepSeek R1",
                "context": 512,
                "max_num_batched_tokens": 512,
                "settings": {"flash_attn": "off"},
            },
        ),
        (
            "trtllm-llama-8b",
            "trtllm",
            None,
            {"block_size": 64, "context": 131072, "max_num_batched_tokens": 8192},
        ),
    ],
)
def test_the_options_of_a_log(name: str, engine: str, version: str | None, options: dict[str, Any]) -> None:
    log = read_log(log_text(name))
    assert (log.engine, log.version) == (engine, version)
    assert {key: getattr(log.options, key) for key in options} == options


@pytest.mark.parametrize("case", LINES["options"], ids=lambda case: case["line"][:50])
def test_the_options_of_a_vllm_line(case: dict[str, Any]) -> None:
    log = read_log(f"{case['line']}\nGPU KV cache size: 16 tokens")
    assert {key: getattr(log.options, key) for key in case["options"]} == case["options"]


def test_slots_that_share_a_stream_are_a_unified_cache() -> None:
    """`4/1 seqs`: four sequences, one stream of cells."""
    log = read_log(
        "llama_kv_cache: size = 4224.00 MiB (135168 cells,   8 layers,  4/1 seqs), K (f16): 2112.00 MiB"
    )
    assert log.options.max_num_seqs == 4
    assert log.options.context == 135168
    assert log.options.settings == {"kv_unified": "on"}


def test_a_servers_slot_does_not_give_the_context() -> None:
    log = read_log(
        "llama_context: n_ctx = 8192\nslot load_model: new slot, n_ctx = 2048\nKV self size = 1.00 MiB"
    )
    assert log.options.context == 8192
