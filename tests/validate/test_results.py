"""What a run says of itself: passed or not, and the same again after a trip through JSON."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from kvplan.errors import KvplanError
from kvplan.validate.results import Level, Measurement, Missing, Number, Rule, Run, Timing, run_from_dict
from tests.validate.recorded_runs import runs


def measurement(
    measured: Number, predicted: Number | None, *, rule: Rule = "equal", level: Level = "L1"
) -> Measurement:
    return Measurement(
        level=level,
        subject="llama",
        claim="bytes cached",
        measured=measured,
        predicted=predicted,
        unit="bytes",
        rule=rule,
    )


def a_run(*measurements: Measurement, **changes: Any) -> Run:
    run = Run(
        device="cpu",
        torch="2.13.0",
        transformers="5.23.0",
        driver=None,
        date="2026-11-22",
        measurements=measurements,
    )
    return replace(run, **changes)


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (measurement(1024, 1024), True),
        (measurement(1025, 1024), False),
        (measurement(1023, 1024), False),
        (measurement(1e-12, 1e-9, rule="at most"), True),
        (measurement(1e-9, 1e-9, rule="at most"), True),
        (measurement(2e-9, 1e-9, rule="at most"), False),
        (measurement(math.nan, 1e-9, rule="at most"), False),
        (measurement(math.nan, math.nan), False),
        (measurement(512, None, rule="finding"), True),
        (measurement(512, None), False),
    ],
)
def test_bytes_are_equal_or_they_are_wrong(found: Measurement, passed: bool) -> None:  # noqa: FBT001
    assert found.passed is passed


def test_a_run_passes_when_every_measurement_does_and_no_check_broke() -> None:
    good, bad = measurement(1, 1), measurement(1, 2)
    broken = Missing(level="L2", name="jamba", reason="TypeError: no such argument")
    assert a_run(good).passed
    assert a_run(good, skipped=(broken,)).passed
    assert not a_run(good, bad).passed
    assert not a_run(good, failed=(broken,)).passed


def test_a_skipped_check_of_a_gpu_is_no_pass() -> None:
    skipped = Missing(level="L4", name="(c) GQA", reason="the card has too little free memory")
    assert a_run(measurement(1, 1), skipped=(skipped,)).passed
    assert not a_run(measurement(1, 1), skipped=(skipped,), driver="580.95").passed
    assert a_run(measurement(1, 1), skipped=(replace(skipped, level="L2"),), driver="580.95").passed


def test_only_a_gpu_that_was_measured_counts_as_cuda() -> None:
    on_gpu = {"device": "NVIDIA H100 80GB HBM3", "driver": "580.95"}
    assert a_run(measurement(1, 1, level="L4"), **on_gpu).on_cuda
    assert not a_run(measurement(1, 1, level="L4")).on_cuda
    assert not a_run(measurement(1, 1, level="L0"), **on_gpu).on_cuda
    assert not a_run(measurement(1, 1, level="L4"), device="no GPU (fakecuda)", driver="580.95").on_cuda
    assert not a_run(measurement(1, 1, level="L4"), device="NVIDIA H100", driver="none (FakeCUDA)").on_cuda


def test_a_run_survives_json() -> None:
    missing = Missing(level="L3", name="tp=8", reason="no GPU")
    run = a_run(
        measurement(1152, 1152),
        measurement(7, None, rule="finding"),
        skipped=(missing,),
        failed=(missing,),
        complete=False,
    )
    found = json.loads(json.dumps(run.to_dict()))
    assert found["measurements"][0]["passed"] is True
    assert found["passed"] is False
    assert run_from_dict(found) == run


def test_a_run_of_a_gpu_says_where_and_how_long() -> None:
    timing = Timing(level="L4", name="(a) llama", seconds=1.5, peak_bytes=7)
    run = a_run(driver="580.95", card_bytes=150, cuda="13.0", cudnn="91900", timings=(timing,))
    assert run_from_dict(json.loads(json.dumps(run.to_dict()))) == run
    assert run.machine["card_bytes"] == 150


def test_a_run_from_before_timings_is_read() -> None:
    found = a_run(measurement(1, 1)).to_dict()
    for later in ("card_bytes", "cuda", "cudnn", "allocator", "timings"):
        del found[later]
    assert run_from_dict(found) == a_run(measurement(1, 1))


def test_what_a_recorded_run_says_of_itself_is_not_believed() -> None:
    found = a_run(measurement(1, 2)).to_dict()
    found["passed"] = found["measurements"][0]["passed"] = True
    assert not run_from_dict(found).passed


@pytest.mark.parametrize("change", [{"extra": 1}, {"measurements": [{"level": "L0"}]}])
def test_another_json_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(KvplanError, match="not a recorded validation run"):
        run_from_dict({**a_run().to_dict(), **change})


@pytest.mark.parametrize("level", ["L0", "L4"])
def test_the_recorded_runs_hold_and_say_where_they_were_taken(level: Level) -> None:
    recorded = runs(level)
    assert recorded
    for run in recorded:
        assert run.passed
        assert run.complete
        assert run.on_cuda is (level == "L4" and run.driver is not None)
