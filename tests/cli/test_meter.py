"""How far a run is: nothing of a short one, and the time that is left."""

import sys
import time

import pytest

from kvplan.cli.meter import Meter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_a_log_gets_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """After 40 s a fourth is done, so that 120 s are left."""
    meter = Meter("points", begun=0, said=0)
    for seconds, done in ((1, 10), (29, 200), (40, 250), (50, 400), (160, 1000)):
        clock.now = seconds
        meter(done, 1000)
    meter.clear()
    assert capsys.readouterr().err == "250 of 1,000 points (25 %), 2 min 0 s left\n"


def test_a_terminal_gets_one_line_that_goes_away(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    meter = Meter("points", begun=0, said=0)
    for seconds, done in ((1, 100), (3, 300), (3.1, 310), (3601, 500)):
        clock.now = seconds
        meter(done, 1000)
    meter.clear()
    assert capsys.readouterr().err.split("\r\x1b[K") == [
        "",
        "300 of 1,000 points (30 %), 7 s left",
        "500 of 1,000 points (50 %), 1 h 0 min left",
        "",
    ]
