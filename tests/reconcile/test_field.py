"""Every quote of the collected start-ups is read: where it has the engine's own line, with its figures."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kvplan.errors import KvplanError
from kvplan.reconcile import read_log
from tests.program import ROOT

RECORDS = ROOT.parent / "shared" / "field_logs.yaml"

# A record's key, the figure, and the words of the line in which the engine prints it.
PRINTED = (
    ("available_kv_gib", "KV memory", "Available KV cache memory"),
    ("kv_tokens", "KV tokens", "GPU KV cache size: "),
    ("kv_tokens", "KV tokens", "#tokens"),
    ("num_gpu_blocks", "blocks", "# GPU blocks"),
    ("needed_gib", "needed memory", "KV cache is needed"),
    ("est_max_len", "longest context", "estimated maximum model length is"),
    ("kv_size_mib", "KV size", "KV self size"),
    ("k_mib", "K size", "K (f16)"),
    ("k_size", "K size", "K size:"),
    ("v_size", "V size", "V size:"),
    ("kv_size", "KV size", ", KV size:"),
    ("ssm_state_gb", "state size", "ssm_state size"),
)


def records(path: Path = RECORDS) -> list[dict[str, Any]]:
    if not path.is_file():
        pytest.skip("the collection of start-up logs is not beside this checkout")
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_quoted_lines_give_the_recorded_figures() -> None:
    compared = 0
    for record in records():
        for key, figure, words in PRINTED:
            if words not in record["quote"] or key not in record:
                continue
            figures = [each for each in read_log(record["quote"]).figures if each.name == figure]
            values = [float(each.printed.text.replace(",", "")) for each in figures]
            assert float(record[key]) in values, record["id"]
            compared += 1
    assert compared > 150


def test_no_quote_is_read_as_another_engines() -> None:
    read = 0
    for record in records():
        engine = record["engine"].split()[0]
        try:
            log = read_log(record["quote"])
        except KvplanError:
            continue  # somebody's words about a log, which have no line of an engine
        read += 1
        expected = {"ik_llama.cpp": "llamacpp", "llama.cpp": "llamacpp"}.get(engine, engine)
        if expected in ("vllm", "sglang", "llamacpp"):
            assert log.engine == expected, record["id"]
    assert read > 100
