"""The command that `fit` prints, as somebody copies it out of a narrow terminal."""

import re
import shlex
import subprocess

import pytest

from tests.program import Cli

SGR = re.compile(r"\x1b\[[0-9;]*m")
COMMAND = (
    "vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 64 --served-model-name 'a b' "
    '--compilation-config \'{"cudagraph_mode": "FULL_AND_PIECEWISE"}\' --host 0.0.0.0 --port 8000'
)


@pytest.mark.parametrize("width", [70, 80, 120, 200, 400])
def test_what_is_copied_is_the_command(kvplan: Cli, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines end between words, with a backslash before each end but the last."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    out = SGR.sub("", kvplan(f"fit --gpu h100-80gb -- {COMMAND}").out)
    (copied,) = re.findall(r"^Serve    ((?:.*\\\n)*.*)$", out, re.MULTILINE)
    assert all(len(line) <= width for line in copied.splitlines())
    assert ("\\\n" in copied) == (len(f"Serve    {COMMAND}") > width)
    script = f"printf '%s\\n' {copied}"
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    assert said.stdout.splitlines() == shlex.split(COMMAND)
