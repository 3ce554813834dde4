"""The other answers as text, and what every answer keeps to in a terminal and in a pipe."""

import re
from pathlib import Path

import pytest

from tests.program import Cli

COMMANDS = [
    "fit llama-3.1-8b --gpu h100-80gb --context 8k",
    "fit deepseek-v3 --gpu h200-141gb --tp 8 --context 128k --batch 256",
    "fit gemma-3-27b --gpu a16-16gb --tp 4 --pp 2 --dp 2 --context 1m",
    "fit llama-3.1-405b --gpu rtx-4090-24gb --context 128k --batch 512",
    "fit falcon-h1-34b --gpu 80GB --kv-dtype q8_0,value=q4_0",
    "fit mamba-2.8b --gpu l4-24gb",
    "fit bert-base --gpu t4-16gb",
    "size deepseek-v3 --tp 8 --pp 4 --dp 2 --context 1000m --batch 1000000",
    "size gemma-3-27b",
    "check llama-3.1-70b --tp 16",
    "check deepseek-v3 --tp 3 --pp 99",
    "check qwen3-next-80b-a3b --tp 16",
    "show gemma-3-27b",
    "show deepseek-v4-flash --context 1m",
    "show whisper-large-v3",
    "models",
    "gpus",
]
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_wider_than_a_terminal_of_80_columns(
    kvplan: Cli, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    out = kvplan(command).out
    assert SGR.search(out)
    assert [line for line in SGR.sub("", out).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_gets_plain_lines_without_spaces_at_their_ends(kvplan: Cli, command: str) -> None:
    out = kvplan(command).out
    assert "\x1b" not in out
    assert out.endswith("\n")
    assert [line for line in out.splitlines() if line != line.rstrip()] == []


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def test_a_size_is_told_for_a_token_a_sequence_a_batch_and_all_gpus(kvplan: Cli) -> None:
    """4 of 8 groups x 128 x K and V x 32 layers x 2 bytes; 8192 tokens, 4 sequences, 2 GPUs."""
    lines = kvplan("size llama-3.1-8b --context 8k --batch 4 --tp 2").out.splitlines()
    assert lines[0] == "llama-3.1-8b caches 64 KiB per token, 512 MiB per sequence."
    assert [cells(line) for line in lines[4:9]] == [
        ["one more token", "65,536", "64 KiB"],
        ["one sequence of 8,192 tokens", "536,870,912", "512 MiB"],
        ["of it, whatever the context", "0", "0 B"],
        ["4 sequences", "2,147,483,648", "2 GiB"],
        ["4 sequences, over 2 GPUs", "4,294,967,296", "4 GiB"],
    ]
    assert cells(lines[-1]) == ["32 x", "gqa", "65,536", "536,870,912"]


def test_the_layers_of_a_hybrid_are_told_apart(kvplan: Cli) -> None:
    """16 groups x 128, K and V in bf16: 52 layers keep 1024 tokens, 10 keep all 131072."""
    lines = kvplan("size gemma-3-27b").out.splitlines()
    assert [cells(line) for line in lines[-2:]] == [
        ["52 x", "sliding", "0", f"{52 * 8192 * 1024:,}"],
        ["10 x", "gqa", "81,920", f"{10 * 8192 * 131_072:,}"],
    ]


def test_replication_is_allowed_and_its_cost_is_told(kvplan: Cli) -> None:
    """2 x 8 x 128 x 80 layers x 2 bytes are 320 KiB; on 16 ranks one group each, so twice that."""
    run = kvplan("check llama-3.1-70b --tp 16")
    assert (
        "8 groups on TP 16: every KV head is stored twice, "
        "640 KiB per token over all GPUs instead of 320 KiB\n"
    ) in run.out
    assert run.out.startswith("llama-3.1-70b spreads over tp 16 x pp 1.\n")
    assert "\nLegal tp  1, 2, 4, 8, 16, 32, 64 (searched up to 64)\n" in run.out
    assert "8 groups for 64 heads are within the usual h/8 to h/4 (8 to 16;" in run.out


def test_a_latent_is_stored_on_every_rank(kvplan: Cli) -> None:
    """61 layers x (512 + 64) x 2 bytes are 68.625 KiB, and 8 times that 549 KiB."""
    out = kvplan("check deepseek-v3 --tp 8").out
    assert "every latent is stored 8 times, 549 KiB per token over all GPUs instead of 68.62 KiB\n" in out


@pytest.mark.parametrize(
    ("command", "verdict", "broken"),
    [
        (
            "check llama-3.1-70b --tp 3",
            "does not spread over tp 3 x pp 1",
            "heads % tp 64 heads do not spread over tp=3: 64 % 3 is 1, not 0",
        ),
        (
            "check llama-3.1-70b --pp 81",
            "does not spread over tp 1 x pp 81",
            "layers / pp 80 layers do not fill pp=81 stages; use at most --pp 80",
        ),
    ],
)
def test_a_broken_rule_says_why(kvplan: Cli, command: str, verdict: str, broken: str) -> None:
    out = kvplan(command).out
    assert out.startswith(f"llama-3.1-70b {verdict}.\n")
    assert broken in [" ".join(cells(line)[1:]) for line in out.splitlines() if line.startswith("NO")]


def test_every_refused_degree_has_its_reason(kvplan: Cli) -> None:
    """All but the powers of two up to 64, in runs: 3, then 5 to 7, and so on."""
    out = kvplan("check llama-3.1-70b").out
    assert cells(out.splitlines()[-1]) == [
        "tp 3, 5-7, 9-15, 17-31, 33-63",
        "64 heads do not spread over them",
    ]


def test_a_formula_is_shown_with_its_numbers_and_its_source(kvplan: Cli) -> None:
    """One bf16 row of 8 groups x 128 is 2048 bytes; K and V in 32 layers are 131072 a token."""
    out = kvplan("show llama-3.1-8b --context 8k").out
    assert "\nhttps://huggingface.co/meta-llama/" in out
    assert "  elements: G (d_k + d_v) per token  [GQA, arXiv 2305.13245]\n" in out
    assert "  K: 8 groups x 128 bf16 = 2,048 B, each token\n" in out
    assert "  V: 8 groups x 128 bf16 = 2,048 B, each token\n" in out
    assert f"  = 32 layers: 131,072 B per token, {131_072 * 8192:,} B for 8,192 tokens\n" in out


def test_tables_are_searched(kvplan: Cli) -> None:
    """320 KiB: 2 x 8 x 128 x 80 layers x 2 bytes. A ~ marks a label that stands in for the driver."""
    assert cells(kvplan("models meta-llama/llama-3.1-70b").out.splitlines()[1]) == [
        *("llama-3.1-70b", "80", "gqa", "320 KiB", "131,072"),
    ]
    kinds = {cells(line)[2] for line in kvplan("models --kind mla").out.splitlines()[1:]}
    assert {"mla"} <= kinds
    assert [kind for kind in kinds if "mla" not in kind.split(", ")] == []
    assert cells(kvplan("gpus h100-80gb").out.splitlines()[1])[:2] == ["h100-80gb", "79.18 GiB"]
    assert cells(kvplan("gpus a16").out.splitlines()[1])[1] == "~14.90 GiB"


ONE = """
dtype: bf16
layers: 1
attention: {kind: sliding, heads: 2, groups: 1, head_dim: 64, window: 1}
max_context: 1
"""


def test_one_of_anything_is_one(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(ONE, encoding="utf-8")
    for command in (
        f"show {path}",
        f"size {path}",
        f"check {path} --tp 4 --pp 2",
        f"size {path} --pp 2",
        "check falcon-7b",
        "fit llama-3.1-8b --gpu 80GB --engine trtllm --block-size 1",
    ):
        run = kvplan(command)
        assert not re.findall(
            r"(?<![\d.,])1 (?:heads|groups|layers|tokens|sequences|GPUs)\b.*", run.out + run.err
        )
    assert "V: 64 bf16 = 128 B, the last token\n" in kvplan(f"show {path}").out


def test_one_token_is_one_token(kvplan: Cli) -> None:
    for command in ("size llama-3.1-8b -c 1", "show llama-3.1-8b -c 1"):
        assert "1 tokens" not in kvplan(command).out
    for options in ("--gpu h100-80gb", "--gpu 10GB", "--gpu h100-80gb --engine vllm"):
        run = kvplan(f"fit llama-3.1-8b -c 1 {options}")
        assert " of 1 token" in run.out
        assert "1 tokens" not in run.out.replace("11 tokens", "") + run.err
