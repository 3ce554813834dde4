"""`--json`: the keys and types on which scripts rely."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from kvplan.validate import run as validate_run
from kvplan.validate.results import Run
from tests.importers.configs import LLAMA
from tests.program import Cli
from tests.reconcile.logs_at_hand import FOLDER

SIZE = {
    "model": str,
    "engine": str,
    "kv_dtype": str,
    "tp": int,
    "pp": int,
    "context": int,
    "batch": int,
    "bytes_per_sequence": int,
    "fixed_bytes": int,
    "total_bytes": int,
    "total_bytes_all_gpus": int,
    "layers": list,
}
FIT = {**SIZE, "fits": bool, "memory": dict, "limit": str, "warnings": list, "hints": list} | {
    "weights_bytes_all_gpus": int
}
LIMITS = ("max_batch", "analytic_max_batch", "max_context")
START_UP = ("kv_tokens", "num_blocks", "block_size", "max_concurrency")
"""The start-up figures of an engine; `exact` has none."""
MEMORY = (
    "gpu_bytes",
    "budget_bytes",
    "weights_bytes",
    "activation_bytes",
    "overhead_bytes",
    "kv_bytes",
    "kv_used_bytes",
    "free_bytes",
)

PLANS = {
    "one card": "llama-3.1-8b --gpu h100-80gb --context 8k",
    "a batch that does not fit": "llama-3.1-8b --gpu h100-80gb --context 8k --batch 999",
    "weights that do not fit": "llama-3.1-405b --gpu rtx-4090-24gb --context 8k",
    "a known KV memory": "mistral-7b-v0.3 --kv-memory 57.30GiB --context 8k",
    "all degrees": "llama-3.1-70b --gpu a100-80gb --tp 4 --pp 3 --dp 2 --context 8k --batch 5",
    "all parts given": "qwen3-32b --gpu 96GB --weights 40GB --activation 1.2GiB --overhead 3MB --context 8k",
    "a hybrid": "gemma-3-27b --gpu h200-141gb --context 128k --batch 4",
    "a latent": "deepseek-v3 --gpu h200-141gb --tp 8 --context 32k --kv-dtype fp8_ds_mla",
    "a compressed cache": "deepseek-v4-flash --gpu b200-180gb --tp 8 --context 1m",
    "states only": "mamba-2.8b --gpu l4-24gb --context 1k",
    "no cache at all": "bert-base --gpu t4-16gb",
}


def types_of(answer: dict[str, Any], keys: dict[str, type]) -> dict[str, type]:
    return {key: type(answer[key]) for key in keys}


@pytest.mark.parametrize("options", PLANS.values(), ids=PLANS)
def test_a_plan_has_its_keys_and_its_lines_sum_to_the_card(kvplan: Cli, options: str) -> None:
    """Free is below zero where something is missing; the sum holds for the filled card as well."""
    run = kvplan(f"fit {options} --json")
    answer = json.loads(run.out)
    assert types_of(answer, FIT) == FIT
    assert {type(answer[key]) for key in LIMITS} <= {int, type(None)}
    assert [answer[key] for key in START_UP] == [None] * 4
    assert answer["analytic_max_batch"] == answer["max_batch"]
    assert answer["fits"] == (run.status == 0)
    for card in (answer["memory"], answer["filled"]):
        assert {key: type(card[key]) for key in MEMORY} == dict.fromkeys(MEMORY, int)
        gpu, budget, weights, activation, overhead, kv, used, free = (card[key] for key in MEMORY)
        assert gpu == (gpu - budget) + weights + activation + overhead + used + free
        assert kv == max(0, used + free)
    assert answer["memory"]["kv_used_bytes"] == answer["total_bytes"]
    assert answer["fits"] == (answer["memory"]["free_bytes"] >= 0)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            # 4 of 8 groups on a rank, 2 x 4 x 128 x 80 layers x 2 bytes; 16384 tokens; 3 sequences.
            "size llama-3.1-70b --tp 2 --context 16k --batch 3",
            {
                "model": "llama-3.1-70b",
                "engine": "exact",
                "kv_dtype": "bf16",
                "tp": 2,
                "pp": 1,
                "context": 16_384,
                "batch": 3,
                "bytes_per_token": 163_840,
                "bytes_per_sequence": 163_840 * 16_384,
                "fixed_bytes": 0,
                "total_bytes": 3 * 163_840 * 16_384,
                "total_bytes_all_gpus": 2 * 3 * 163_840 * 16_384,
                "layers": [
                    {
                        "kind": "gqa",
                        "count": 80,
                        "bytes_per_token": 163_840,
                        "bytes_per_sequence": 163_840 * 16_384,
                    }
                ],
            },
        ),
        (
            # 16 groups x 128, K and V in bf16 are 8192 bytes: 52 layers keep the last 1024 tokens,
            # 10 all of 32768.
            "size gemma-3-27b --context 32k",
            {
                "bytes_per_token": 81_920,
                "bytes_per_sequence": 52 * 8192 * 1024 + 10 * 8192 * 32_768,
                "layers": [
                    {
                        "kind": "sliding",
                        "count": 52,
                        "bytes_per_token": 0,
                        "bytes_per_sequence": 52 * 8192 * 1024,
                    },
                    {
                        "kind": "gqa",
                        "count": 10,
                        "bytes_per_token": 81_920,
                        "bytes_per_sequence": 10 * 8192 * 32_768,
                    },
                ],
            },
        ),
    ],
)
def test_a_size_worked_out_by_hand(kvplan: Cli, command: str, expected: dict[str, Any]) -> None:
    answer = json.loads(kvplan(f"{command} --json").out)
    assert types_of(answer, SIZE) == SIZE
    assert {key: answer[key] for key in expected} == expected


def test_a_check_lists_its_rules_and_degrees(kvplan: Cli) -> None:
    """Of 64 heads and 8 groups the legal degrees are the powers of two up to 64."""
    run = kvplan("check llama-3.1-70b --tp 16 --json")
    answer = json.loads(run.out)
    head = {key: answer[key] for key in ("model", "tp", "pp", "ok", "legal_tp")}
    assert head == {
        "model": "llama-3.1-70b",
        "tp": 16,
        "pp": 1,
        "ok": True,
        "legal_tp": [1, 2, 4, 8, 16, 32, 64],
    }
    assert [tuple(rule) for rule in answer["checks"]] == [("rule", "ok", "detail")] * len(answer["checks"])
    assert set(answer["refused_tp"]) == {str(tp) for tp in range(1, 65)} - set(map(str, answer["legal_tp"]))


def test_a_broken_rule_is_false_and_the_others_stay_true(kvplan: Cli) -> None:
    run = kvplan("check llama-3.1-70b --tp 16 --pp 81 --json")
    answer = json.loads(run.out)
    assert (run.status, answer["ok"]) == (1, False)
    assert [rule["rule"] for rule in answer["checks"] if not rule["ok"]] == ["layers / pp"]


def test_an_explanation_gives_the_source_of_each_formula(kvplan: Cli) -> None:
    (layer,) = json.loads(kvplan("show llama-3.1-8b --json").out)["layers"]
    assert (layer["count"], layer["kinds"]) == (32, ["gqa"])
    assert layer["sources"] == ["GQA, arXiv 2305.13245"]


def test_a_row_of_the_catalogue(kvplan: Cli) -> None:
    (row,) = json.loads(kvplan("models deepseek-v2-lite --kind mla --json").out)
    assert row["name"] == "deepseek-v2-lite"
    assert (row["layers"], row["bytes_per_token"]) == (27, 27 * (512 + 64) * 2)


def test_a_gpus_memory_is_in_bytes(kvplan: Cli) -> None:
    (row,) = json.loads(kvplan("gpus l4-24gb --json").out)
    assert (row["label"], row["memory_bytes"]) == ("NVIDIA L4 24GB", 23_659_151_360)


def test_the_schema_is_one_object(kvplan: Cli) -> None:
    schema = json.loads(kvplan("schema").out)
    assert {"dtype", "layers", "attention"} == set(schema["required"])


def llama(folder: Path) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8")
    return path


OBJECTS = {
    "fit": "fit llama-3.1-8b --gpu h100-80gb --context 8k --json",
    "fit that does not": "fit llama-3.1-8b --gpu 10GB --context 8k --json",
    "fit of a command": "fit --gpu h100-80gb --json -- vllm serve Qwen/Qwen3-8B",
    "tiers": "tiers llama-3.1-8b --gpu h100-80gb --context 8k --host 8GiB --json",
    "size": "size llama-3.1-8b --json",
    "check": "check llama-3.1-8b --tp 3 --json",
    "show": "show llama-3.1-8b --json",
    "bounds": "bounds llama-3.1-8b --gpu h100-80gb --context 8k --json",
    "disaggregate": "disaggregate llama-3.1-8b --gpu h100-80gb --context 8k --json",
    "import": "import {config} --json",
    "import to a file": "import {config} --json -o {config}.yaml",
    "check of an import": "import {config} --json --check {config}.yaml",
    "reconcile": f"reconcile {shlex.quote(str(FOLDER / 'vllm-0.19-llama-3.1-8b.txt'))} --json",
}
"""The commands whose answer is one object; `models` and `gpus` list rows, `schema` has its own form."""


@pytest.mark.parametrize("command", OBJECTS.values(), ids=OBJECTS)
def test_every_answer_is_one_object_with_a_version(kvplan: Cli, tmp_path: Path, command: str) -> None:
    config = llama(tmp_path)
    if "--check" in command:
        assert kvplan(f"import {config} -o {config}.yaml").status == 0
    run = kvplan(command.format(config=config))
    answer = json.loads(run.out)
    assert next(iter(answer)) == "schema_version"
    assert answer["schema_version"] == 1
    assert "error" not in answer


@pytest.mark.parametrize("command", ["models", "gpus", "schema"])
def test_tables_and_the_schema_are_json_too(kvplan: Cli, command: str) -> None:
    assert json.loads(kvplan(f"{command} --json").out)


def test_an_import_is_the_spec_and_where_its_facts_came_from(kvplan: Cli, tmp_path: Path) -> None:
    config = llama(tmp_path)
    answer = json.loads(kvplan(f"import {config} --json").out)
    assert answer["spec"]["max_context"] == 131_072
    assert answer["origins"]["max_context"].startswith("max_position_embeddings")
    assert (answer["not_counted"], answer["output"]) == ([], None)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("size no-such --json", {"type": "UnknownNameError", "status": 1}),
        ("size llama-3.1-8b --tp 3 --json", {"type": "SplitError", "status": 1}),
        ("size --json --context x", {"type": "OptionsError", "status": 2}),
        ("fit llama-3.1-8b --json", {"type": "OptionsError", "status": 2}),
        ("fit llama-3.1-8b --gpu 80 --json", {"type": "UnitError", "status": 2}),
        ("models zzz --json", {"type": "KvplanError", "status": 1}),
        ("gpus zzz --json", {"type": "KvplanError", "status": 1}),
        ("check no-such --json", {"type": "UnknownNameError", "status": 1}),
        ("show no-such --json", {"type": "UnknownNameError", "status": 1}),
        ("schema x --json", {"type": "OptionsError", "status": 2}),
        ("help what --json", {"type": "OptionsError", "status": 2}),
        ("llama-3.1-8b --json", {"type": "OptionsError", "status": 2}),
        ("--nope --json", {"type": "OptionsError", "status": 2}),
        ("import none.json --json", {"type": "ImportedError", "status": 1}),
        ("reconcile none.log --json", {"type": "LogError", "status": 1}),
        ("validate --json - --level L9", {"type": "UnknownNameError", "status": 1}),
    ],
)
def test_an_error_is_an_object_too(kvplan: Cli, command: str, error: dict[str, Any]) -> None:
    """Its text stands on stderr as ever."""
    run = kvplan(command)
    answer = json.loads(run.out)
    assert list(answer) == ["schema_version", "error"]
    assert answer["schema_version"] == 1
    told = answer["error"]
    assert {key: told[key] for key in error} == error
    assert run.status == told["status"]
    lines = run.err.splitlines()
    assert lines[0] == f"kvplan: {told['message']}"
    assert [line.strip() for line in lines[1:]] == ([told["advice"]] if told["advice"] else [])


@pytest.mark.parametrize("command", ["validate --json run.json --level L9", "size no-such -- --json"])
def test_text_is_asked_for_by_all_that_is_not_json(kvplan: Cli, command: str) -> None:
    run = kvplan(command)
    assert run.status
    assert run.out == ""


def test_a_run_goes_to_stdout(kvplan: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(device="cpu", torch="2", transformers=None, driver=None, date="2026-01-01", measurements=())
    monkeypatch.setattr(validate_run, "validate", lambda *_, **__: run)
    told = kvplan("validate --json -")
    assert json.loads(told.out) == json.loads(json.dumps({"schema_version": 1, **run.to_dict()}))
    assert (told.status, told.err) == (0, "")
