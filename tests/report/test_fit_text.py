"""The text of `kvplan fit`: the sentence that answers, and lines that add up to the card."""

import re
from pathlib import Path

import pytest

from tests.program import Cli

LINE = re.compile(r"^(\S)  (\w[\w ]*?)  +(-?\d+\.\d\d) GiB", re.MULTILINE)

ANSWERS = {
    "llama-3.1-8b --gpu h100-80gb --context 8k": (
        "53 sequences of 8,192 tokens fit on one NVIDIA H100 SXM 80GB."
    ),
    "llama-3.1-8b --gpu h100-80gb --context 8k --batch 53": (
        "Yes: 53 sequences of 8,192 tokens fit on one NVIDIA H100 SXM 80GB; at most 53 do."
    ),
    "llama-3.1-8b --gpu h100-80gb --context 8k --batch 54": (
        "No: 54 sequences of 8,192 tokens do not fit on one NVIDIA H100 SXM 80GB; at most 53 fit."
    ),
    "llama-3.1-8b --gpu h100-80gb --context 1m --batch 2": (
        "No: 2 sequences of 1,048,576 tokens do not fit on one NVIDIA H100 SXM 80GB; not even one does."
    ),
    "llama-3.1-8b --gpu 1GB --context 8k": (
        "No: 1 sequence of 8,192 tokens does not fit on one GPU with 1GB."
    ),
    "llama-3.1-8b --kv-memory 1.5GiB --context 8k": (
        "1 sequence of 8,192 tokens fits in 1.50 GiB of KV memory."
    ),
    "bert-base --gpu 80GB": (
        "Any number of sequences fits on one GPU with 80GB: bert-base-uncased caches nothing."
    ),
}

PLANS = [
    *ANSWERS,
    "deepseek-v3 --gpu h200-141gb --tp 8 --context 128k --batch 256",
    "llama-3.1-405b --gpu rtx-4090-24gb --context 128k --batch 512",
    "qwen3-32b --gpu 96GB --weights 40GB --activation 1.2GiB --overhead 3MB --context 8k",
    "gemma-3-27b --gpu a16-16gb --context 64k --tp 4 --pp 2 --dp 3 --batch 7",
    "mamba-2.8b --gpu 24GiB --utilization 1 --overhead 0B",
]


@pytest.mark.parametrize(("options", "answer"), ANSWERS.items())
def test_the_first_line_answers_the_question(kvplan: Cli, options: str, answer: str) -> None:
    """An H100 has 53.22 GiB for sequences of 1 GiB: 79.18 x 0.9 - 14.96 - 3.08."""
    assert kvplan(f"fit {options}").out.partition("\n")[0] == answer


@pytest.mark.parametrize("options", PLANS)
def test_the_printed_lines_sum_to_the_printed_card(kvplan: Cli, options: str) -> None:
    lines = LINE.findall(kvplan(f"fit {options}").out)
    *parts, (mark, name, total) = [(glyph, name, round(float(gib) * 100)) for glyph, name, gib in lines]
    assert (mark, name) == ("=", "each GPU")
    assert sum(cents for _, _, cents in parts) == total
    assert {"KV cache used"} < {name for _, name, _ in parts}


def test_an_h100_line_by_line(kvplan: Cli) -> None:
    """
    Weights are 2 x 8030261248 bytes = 14.957 GiB, activations 2023837696 bytes = 1.885 GiB.

    Beside torch are 0.25 GiB, a table of 131072 x 128 x 2 bytes, and graphs of 0.34 + 32 x 0.018 GiB:
    1.197 GiB. Kept back are 7.918 GiB, and of the 53.22 GiB between them 53 are used.
    """
    out = kvplan("fit llama-3.1-8b --gpu h100-80gb --context 8k").out
    assert [(name, gib) for _, name, gib in LINE.findall(out)] == [
        ("weights", "14.96"),
        ("KV cache used", "53.00"),
        ("KV cache free", "0.22"),
        ("activation", "1.88"),
        ("overhead", "1.20"),
        ("kept back", "7.92"),
        ("each GPU", "79.18"),
    ]
    assert "53 sequences of 1.00 GiB, 128 KiB per token" in out
    assert "llama-3.1-8b, KV cache in bf16, engine exact" in out


def test_the_bar_shows_the_shares(kvplan: Cli) -> None:
    """80 characters for 80 GB without overhead: 16 for the weights, 60 for 60 GB of cache, 4 free."""
    out = kvplan(
        "fit llama-3.1-8b --gpu 80GB --weights 16GB --overhead 0B --utilization 1 --context 457764 --batch 1"
    ).out
    assert out.splitlines()[3] == "█" * 16 + "▓" * 60 + "░" * 4


def test_a_guess_is_called_one(kvplan: Cli) -> None:
    """Overhead is an estimate, and a card whose driver's figure is not known is read by its label."""
    out = kvplan("fit llama-3.1-8b --gpu a16-16gb --context 1k --weight-dtype fp8").out
    assert re.search(r"activation +0\.\d\d GiB  estimate\n", out)
    assert re.search(r"overhead +1\.20 GiB  estimate borrowed from vLLM's profile run and 56 published", out)
    assert "no driver's figure for a16-16gb is known" in out
    assert "what its driver reports" not in out


def test_what_is_given_is_called_given(kvplan: Cli) -> None:
    out = kvplan("fit llama-3.1-8b --gpu 80GB --weights 16GB --overhead 1GiB --utilization 0.5 -c 8k").out
    notes = dict(re.findall(r"^\S  (\w[\w ]*?)  +-?\d+\.\d\d GiB  (.*)$", out, re.MULTILINE))
    assert notes["weights"] == notes["overhead"] == notes["each GPU"] == "given"
    assert notes["kept back"] == "utilization 0.5"


def test_of_a_design_of_ones_own_only_what_is_known_is_printed(kvplan: Cli, tmp_path: Path) -> None:
    """No longest context, and no commit to read it again from."""
    model = tmp_path / "design.yaml"
    model.write_text(
        "dtype: bfloat16\nlayers: 2\nattention: {kind: mha, heads: 2, head_dim: 64}\n", encoding="utf-8"
    )
    for command in ("size", "fit --kv-memory 1GiB", "show"):
        out = kvplan(f"{command} {model} --context 8k").out
        assert out.startswith("design") or " fit in " in out or "of KV memory" in out
        assert not re.search("made for|read from|None", out)


def test_the_commit_of_a_model_that_was_read_from_a_hub_is_printed(kvplan: Cli, tmp_path: Path) -> None:
    source = f"https://huggingface.co/some-org/some-model/blob/{'0123456789' * 4}/config.json"
    model = tmp_path / "some-model.yaml"
    model.write_text(
        f"name: some-model\nsource: {source}\ndtype: bfloat16\nmax_context: 4096\nparameters: 1000\n"
        "layers: 2\nattention: {kind: mha, heads: 2, head_dim: 64}\n",
        encoding="utf-8",
    )
    for command in ("size", "fit --gpu 24GB"):
        assert f"\nread from {source}\n" in kvplan(f"{command} {model}").out
    assert "read from" not in kvplan("size llama-3.1-8b").out
