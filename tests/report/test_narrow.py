"""Tables at every width: no number breaks, none is cut, and the verdict of a row stays."""

import re

import pytest

from tests.program import ROOT, Cli

LOGS = ROOT / "tests" / "reconcile" / "logs"
COMMANDS = [
    "size deepseek-v3 --context 128k --batch 64 --tp 8",
    "size gemma-3-27b",
    "models",
    "gpus",
    f"reconcile {LOGS / 'vllm-0.19-llama-3.1-8b.txt'} --gpu h100-80gb",
    f"reconcile {LOGS / 'vllm-0.29-minimax-m2-short-rank.txt'}",
    f"reconcile {LOGS / 'sglang-deepseek-v3.2.txt'}",
    f"reconcile {LOGS / 'llamacpp-gpt-oss-20b.txt'} --model gpt-oss-20b --kv-dtype f16",
    "fit llama-3.1-8b --gpu h100-80gb --context 8k",
    "fit gemma-3-27b --gpu h100-80gb --engine vllm --context 32k",
    "fit deepseek-v3 --gpu h200-141gb --tp 8 --engine sglang --context 128k --batch 999999",
    "check llama-3.1-70b --tp 16",
    "check deepseek-v3 --tp 24",
]
SGR = re.compile(r"\x1b\[[0-9;]*m")
NUMBER = re.compile(r"\S*\d\S*")


def drawn(kvplan: Cli, command: str, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    return SGR.sub("", kvplan(command).out)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_is_whole_and_no_line_too_wide(
    kvplan: Cli, command: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = drawn(kvplan, command, 200, monkeypatch)
    text = drawn(kvplan, command, width, monkeypatch)
    assert sorted(NUMBER.findall(text)) == sorted(NUMBER.findall(wide))
    assert [line for line in text.splitlines() if len(line) > width] == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_verdict_of_each_row_stays(kvplan: Cli, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(kvplan, COMMANDS[4], width, monkeypatch)
    marks = re.findall(r"^(ok|NO|~) +(KV tokens|concurrency|weights|KV memory)", text, re.MULTILINE)
    assert marks == [("ok", "KV tokens"), ("ok", "concurrency"), ("ok", "weights"), ("~", "KV memory")]


def test_a_table_of_80_columns_is_a_table(kvplan: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(kvplan, COMMANDS[4], 80, monkeypatch)
    row = r"^~ +KV memory \(estimate\) +58.11 GiB +53.74 to 54.64 GiB +\+3.47 GiB"
    assert re.search(row, text, re.MULTILINE)
