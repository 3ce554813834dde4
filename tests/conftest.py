"""What several test files share."""

import shlex
import sys

import pytest
from hypothesis import settings

from kvplan.cli import main
from tests.program import PRESENTATION, Cli, Run

# Hypothesis fails a slow example unless told not to: on a busy machine that says nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def kvplan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs a command line in this process, as in a pipe."""
    for name in PRESENTATION:
        monkeypatch.delenv(name, raising=False)

    def run(command: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["kvplan", *shlex.split(command)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, out, err)

    return run
