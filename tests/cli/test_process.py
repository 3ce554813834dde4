"""The program as a process: pipes that close, full disks, encodings, colours."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.program import environment, start

FITS = ("fit", "llama-3.1-8b", "--gpu", "h100-80gb", "--context", "8k")


def into_nowhere(*arguments: str) -> Any:
    """Run kvplan with a stdout whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return start(*arguments, stdout=writing)
    finally:
        os.close(writing)


@pytest.mark.parametrize("arguments", [FITS, (*FITS, "--json"), ("--help",), ("schema",)])
def test_a_reader_that_has_gone_changes_no_answer(arguments: tuple[str, ...]) -> None:
    """
    `kvplan fit ... | head -1` ends as other programs do, or as if all had been read.

    Status 1 would say under pipefail that a plan that fits does not.
    """
    done = into_nowhere(*arguments)
    assert done.returncode in (0, -signal.SIGPIPE)
    assert done.stderr == ""


def close_stdout() -> None:
    os.close(1)


@pytest.mark.parametrize(
    ("arguments", "status"), [(FITS, 0), ((*FITS, "--json"), 0), (("size", "no-such-model"), 1)]
)
def test_a_closed_stdout_is_no_crash(arguments: tuple[str, ...], status: int) -> None:
    """As after `kvplan ... >&-`: nobody reads the answer, but the exit status still says it."""
    done = start(*arguments, stdout=None, preexec_fn=close_stdout)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_an_error_of_one_line() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = start(*FITS, stdout=full)
    assert done.returncode == 1
    assert re.fullmatch(r"kvplan: .*No space left on device\n", done.stderr)


def in_ascii(text: str) -> bool:
    return text.isascii()


def without_colours(text: str) -> bool:
    return re.search(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])", text) is None


def coloured(text: str) -> bool:
    return not without_colours(text)


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ({"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, in_ascii),
        ({"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, without_colours),
        ({"FORCE_COLOR": "1", "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}, coloured),
        (
            {
                "FORCE_COLOR": "1",
                "NO_COLOR": "1",
                "TERM": "xterm-256color",
                "PYTHONIOENCODING": "utf-8",
            },
            without_colours,
        ),
    ],
)
def test_text_suits_where_it_goes(settings: dict[str, str], holds: Callable[[str], bool]) -> None:
    done = start(*FITS, env=environment(**settings), encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert "53 sequences of 8,192 tokens fit" in done.stdout.splitlines()[0]
    assert holds(done.stdout)
