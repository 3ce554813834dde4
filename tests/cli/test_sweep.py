"""The command `sweep`: tables, lines and files, and where several values of `fit` lead to."""

import csv
import io
import json
from pathlib import Path

import pytest

import kvplan as library
from tests.program import Cli

GRID = "sweep llama-3.1-8b,qwen3-8b --gpu h100-80gb,h200-141gb --engine vllm,exact --tp 1,3 -c 8k,32k"


def test_a_table_and_its_reasons(kvplan: Cli) -> None:
    run = kvplan(GRID)
    assert (run.status, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0] == "max_batch by context"
    assert lines[3].split() == ["model", "gpu", "engine", "tp", "8k", "32k"]
    assert len(lines) == 4 + 16 + 1 + 2
    held = [
        library.fit("llama-3.1-8b", gpu="h100-80gb", engine="vllm", context=each).max_batch
        for each in ("8k", "32k")
    ]
    assert lines[4].split() == ["llama-3.1-8b", "h100-80gb", "vllm", "1", *map(str, held)]
    assert lines[-2] == "[1] llama-3.1-8b: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0"


def test_lines_of_json_and_csv_say_what_the_library_says(kvplan: Cli) -> None:
    rows = list(
        library.sweep(
            "llama-3.1-8b,qwen3-8b",
            gpu="h100-80gb,h200-141gb",
            engine="vllm,exact",
            tp="1,3",
            context="8k,32k",
        )
    )
    assert [json.loads(line) for line in kvplan(f"{GRID} --json").out.splitlines()] == rows
    read = list(csv.DictReader(io.StringIO(kvplan(f"{GRID} --csv").out)))
    assert [row["max_batch"] for row in read] == [
        "" if row["max_batch"] is None else str(row["max_batch"]) for row in rows
    ]
    assert [row["reason"] or None for row in read] == [row["reason"] for row in rows]


def test_markdown_and_a_file_of_it(kvplan: Cli, tmp_path: Path) -> None:
    command = "sweep llama-3.1-8b --kv-memory 60GiB --tp 1,2 --kv-dtype bf16,fp8 -c 32k --columns tp"
    text = kvplan(f"{command} --markdown").out
    assert text.splitlines()[2:] == [
        "| kv_dtype | 1 | 2 |",
        "| --- | ---: | ---: |",
        "| bf16 | 15 | 30 |",
        "| fp8 | 30 | 60 |",
    ]
    run = kvplan(f"{command} -o {tmp_path / 'table.md'}")
    assert (run.status, run.out, run.err) == (0, "", "")
    assert (tmp_path / "table.md").read_text() == text


def test_pairs_prices_and_settings(kvplan: Cli) -> None:
    command = (
        "sweep qwen3-32b --with gpu=h100-80gb,tp=4 --with gpu=h200-141gb,tp=2 -c 32k --engine vllm "
        "--price h100-80gb=2.5,h200-141gb=3.8 --set watermark=0.01 --json"
    )
    rows = [json.loads(line) for line in kvplan(command).out.splitlines()]
    assert [(row["gpu"], row["tp"]) for row in rows] == [("h100-80gb", 4), ("h200-141gb", 2)]
    for row, price in zip(rows, (2.5, 3.8), strict=True):
        assert row["price_per_sequence"] == price * row["tp"] / row["max_batch"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sweep", "a grid has at least one model"),
        (
            "sweep llama-3.1-8b --gpu h100-80gb --csv --markdown",
            "give one of --csv, --json, --markdown and -o FILE",
        ),
        ("sweep llama-3.1-8b --gpu h100-80gb --resume", "name it with -o FILE"),
        ("sweep llama-3.1-8b --gpu h100-80gb --price 2.5", "'2.5' is no GPU with its price"),
        ("sweep llama-3.1-8b --gpu h100-80gb -c 8q", "'8q' is not a number of tokens"),
        ("sweep llama-3.1-8b --gpu h100-80gb --with tq=2", "'tq=2' in 'tq=2' is no option and value"),
        ("sweep llama-3.1-8b --gpu h100-80gb --columns tq", "'tq' is no axis of this grid"),
        ("sweep llama-3.1-8b --gpu h100-80gb -o grid.xlsx", "ends in .xlsx"),
        ("sweep llama-3.1-8b --gpu h100-80gb --utilization 2", "'2' is not above 0 and at most 1"),
    ],
)
def test_misuse_is_one_line_and_status_2(kvplan: Cli, command: str, words: str) -> None:
    run = kvplan(command)
    assert (run.status, run.out) == (2, "")
    assert words in run.err
    assert len(run.err.splitlines()) == 1


def test_unknown_names_are_errors_and_no_points(kvplan: Cli) -> None:
    for command in ("sweep llama-9,qwen3-8b --gpu h100-80gb", "sweep qwen3-8b --gpu h1000,h100-80gb"):
        run = kvplan(command)
        assert (run.status, run.out) == (1, "")
        assert "unknown" in run.err


def test_a_grid_without_one_answer_has_status_1(kvplan: Cli) -> None:
    run = kvplan("sweep llama-3.1-8b --gpu h100-80gb --tp 3,5 -c 8k --markdown")
    assert run.status == 1
    assert "- [1] llama-3.1-8b: 32 heads do not spread over tp=3" in run.out
    assert run.err == (
        "kvplan: no point of this grid has an answer: llama-3.1-8b: 32 heads do not spread over tp=3: "
        "32 % 3 is 2, not 0\n"
    )


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--gpu h100-80gb,h200-141gb", "--gpu h100-80gb,h200-141gb"),
        ("--gpu=h100-80gb,h200-141gb", "--gpu h100-80gb,h200-141gb"),
        ("--gpu h100-80gb -c 8k,32k", "-c 8k,32k"),
        ("--gpu h100-80gb -c 1k..1m", "-c 1k..1m"),
        ("--gpu h100-80gb --tp 1,2", "--tp 1,2"),
        ("--gpu h100-80gb --engine vllm,exact", "--engine vllm,exact"),
        ("--gpu h100-80gb --kv-dtype bf16,fp8", "--kv-dtype bf16,fp8"),
    ],
)
def test_several_values_of_one_plan_lead_to_sweep(kvplan: Cli, option: str, named: str) -> None:
    run = kvplan(f"fit llama-3.1-8b {option}")
    assert (run.status, run.out) == (2, "")
    joined = ", and + joins cards of one machine" if named.startswith("--gpu") else ""
    assert run.err == (
        f"kvplan: {named} has several values, and `kvplan fit` answers one plan: `kvplan sweep` takes "
        f"lists{joined}\n"
    )


def test_what_is_no_list_keeps_its_own_error(kvplan: Cli) -> None:
    assert "is not ROLE=DTYPE" in kvplan("size llama-3.1-8b --kv-dtype q8_0,values=q4_0").err
    assert "unknown GPU" in kvplan("fit llama-3.1-8b --gpu h1000").err
