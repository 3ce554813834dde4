"""The command `plot`: a file or the terminal, and one line for what cannot be drawn."""

from pathlib import Path

import pytest

from tests.program import Cli, environment, start


def test_a_picture_is_drawn_in_the_terminal_without_a_file(kvplan: Cli) -> None:
    done = kvplan("plot frontier llama-3.1-8b qwen3-8b --gpu h100-80gb --width 72")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "Sequences of 32k: 13 with llama-3.1-8b, 11 with qwen3-8b"
    assert max(map(len, lines)) <= 72
    assert "a llama-3.1-8b: 13 at 32k" in lines
    ticks = next(line.split() for line in lines if line.split()[:2] == ["1k", "2k"])
    assert ticks == ["1k", "2k", "4k", "8k", "16k", "32k", "64k", "128k"]
    assert any("⠤" in line for line in lines)
    assert "\x1b" not in done.out


@pytest.mark.parametrize(
    "asked",
    [
        "memory llama-3.1-8b qwen3-32b --gpu h100-80gb --engine vllm -c 8k",
        "growth gemma-3-27b --engine vllm",
        "tp llama-3.1-70b --gpu h100-80gb -c 8k",
        "waterfall gemma-3-27b --gpu h100-80gb --engine vllm -c 32k",
        "heat llama-3.1-70b --gpu h100-80gb,h200-141gb --tp 1..8 -c 1k..128k",
    ],
)
def test_every_kind_stays_within_a_narrow_terminal(kvplan: Cli, asked: str) -> None:
    done = kvplan(f"plot {asked} --width 50")
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 50


def test_a_terminal_of_letters_alone_gets_ascii() -> None:
    done = start(
        "plot",
        "memory",
        "llama-3.1-8b",
        "--gpu",
        "80GB",
        "-c",
        "8k",
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert done.stdout.isascii()
    assert "## weights" in done.stdout
    assert "\\u" not in done.stdout


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("pie llama-3.1-8b --gpu h100-80gb", (2, "no picture is of the kind 'pie'")),
        ("memory llama-3.1-8b", (2, "give a GPU")),
        ("memory --gpu h100-80gb", (2, "give at least one model")),
        ("memory llama-3.1-8b --gpu h100-80gb -o memory.jpg", (2, "a picture ends in .png, .svg or .pdf")),
        ("memory llama-3.1-8b --gpu h100-80gb --dark", (2, "--dark is of a file")),
        ("memory llama-3.1-8b --gpu h100-80gb -o there/memory.svg", (1, "there is not a folder")),
        ("memory nobody --gpu h100-80gb", (1, "unknown model 'nobody'")),
        ("frontier llama-3.1-405b --gpu h100-80gb", (1, "there is no frontier to draw")),
    ],
)
def test_what_cannot_be_drawn_is_a_line(
    kvplan: Cli, asked: str, answer: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = answer
    done = kvplan(f"plot {asked}")
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert done.err.count("\n") <= 2
    assert list(tmp_path.iterdir()) == []


def test_without_its_extra_a_picture_is_refused_in_one_line() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = sys.modules['plotille'] = None\n"
        "from kvplan.cli import main; sys.argv = ['kvplan', *sys.argv[1:]]; main()"
    )
    asked = ("plot", "frontier", "llama-3.1-8b", "--gpu", "h100-80gb")
    for more, what in (
        ((), "a picture in the terminal needs plotille"),
        (("-o", "a.svg"), "needs matplotlib"),
    ):
        done = start(*asked, *more, script=script)
        assert (done.returncode, done.stdout) == (1, "")
        assert what in done.stderr
        assert done.stderr.endswith("which is not installed: pip install '.[plot]' in the checkout\n")
