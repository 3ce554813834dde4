"""The runner: what it keeps when checks fail, cannot run or are interrupted, and what it prints."""

import importlib.util
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kvplan.cli import app
from kvplan.errors import KvplanError, UnknownNameError
from kvplan.validate import run as runner
from kvplan.validate.machine import describe_machine
from kvplan.validate.record import load, save
from kvplan.validate.results import Check, Measurement, Run, SkippedError, Timing, run_from_dict
from kvplan.validate.run import level_by_name, run_checks, validate
from kvplan.validate.table import summary

MACHINE = {"device": "cpu", "torch": "2.13.0", "transformers": "5.23.0", "driver": None}


def found(measured: int, predicted: int = 2) -> Measurement:
    return Measurement(
        level="L1", subject="toy", claim="bytes", measured=measured, predicted=predicted, unit="bytes"
    )


def good(device: str) -> list[Measurement]:
    assert device == "cpu"
    return [found(2)]


def differs(_: str) -> list[Measurement]:
    return [found(3)]


def cannot_run(_: str) -> list[Measurement]:
    raise SkippedError("needs two GPUs")


def breaks(_: str) -> list[Measurement]:
    raise RuntimeError("shape '[2, 32, -1, 16]' is invalid\nand more of it")


def runs_out(_: str) -> list[Measurement]:
    raise MemoryError


def interrupted(_: str) -> list[Measurement]:
    raise KeyboardInterrupt


def terminated(_: str) -> list[Measurement]:
    os.kill(os.getpid(), signal.SIGTERM)
    return []


def execute(*runs: object) -> Run:
    checks = [Check(level="L1", name=run.__name__, run=run) for run in runs]  # type: ignore[attr-defined, arg-type]
    return run_checks(checks, device="cpu", machine=MACHINE)


def test_a_check_that_breaks_or_cannot_run_stops_no_other() -> None:
    run = execute(breaks, cannot_run, runs_out, good)
    assert [each.measured for each in run.measurements] == [2]
    assert [(each.name, each.reason) for each in run.skipped] == [("cannot_run", "needs two GPUs")]
    assert [(each.name, each.reason) for each in run.failed] == [
        ("breaks", "RuntimeError: shape '[2, 32, -1, 16]' is invalid"),
        ("runs_out", "MemoryError: no message"),
    ]
    assert run.complete
    assert not run.passed
    assert "in breaks\n" in run.failed[0].trace


def test_an_interruption_keeps_what_is_done() -> None:
    run = execute(good, interrupted, differs)
    assert len(run.measurements) == 1
    assert not run.complete
    assert "interrupted" in "\n".join(summary(run))


def test_a_termination_is_an_interruption() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run = execute(good, terminated, differs)
    assert len(run.measurements) == 1
    assert not run.complete
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_done_is_kept_after_each_check(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    kept = []

    def keep(run: Run) -> None:
        save(run, file)
        kept.append(run_from_dict(json.loads(file.read_text())))

    checks = [Check(level="L1", name=name, run=good) for name in ("first", "second", "third")]
    last = run_checks(checks, device="cpu", machine=MACHINE, keep=keep)
    assert [(len(run.measurements), run.complete) for run in kept] == [(1, False), (2, False)]
    assert (len(last.measurements), last.complete) == (3, True)
    assert list(tmp_path.iterdir()) == [file]


def named(name: str, run: object, part: str = "") -> Check:
    return Check(level="L1", name=name, run=run, part=part)  # type: ignore[arg-type]


def test_a_run_goes_on_where_it_ended_and_tries_again_what_measured_nothing() -> None:
    first = run_checks(
        [
            named("first", good),
            named("second", cannot_run),
            named("third", breaks),
            named("stop", interrupted),
        ],
        device="cpu",
        machine=MACHINE,
    )
    assert [each.name for each in first.timings] == ["first", "second", "third"]
    began: list[str] = []
    again = run_checks(
        [named("first", breaks), named("second", good), named("third", cannot_run)],
        device="cpu",
        machine=MACHINE,
        announce=lambda _, total, check: began.append(f"{check.name} of {total}"),
        before=first,
    )
    assert began == ["second of 2", "third of 2"]
    assert [each.measured for each in again.measurements] == [2, 2]
    assert [each.name for each in again.skipped] == ["third"]
    assert (again.failed, again.complete) == ((), True)
    assert [each.name for each in again.timings] == ["first", "second", "third"]


def test_a_run_of_another_machine_is_not_gone_on_with() -> None:
    with pytest.raises(KvplanError, match=r"taken with torch 2\.13\.0, and here it is 2\.11\.0"):
        run_checks([], device="cpu", machine={**MACHINE, "torch": "2.11.0"}, before=execute(good))


def test_a_file_that_holds_no_run_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    assert load(file) is None
    file.write_text("{")
    with pytest.raises(KvplanError, match="it is no JSON"):
        load(file)
    file.write_text("{}")
    with pytest.raises(KvplanError, match="not a recorded validation run"):
        load(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"complete": "yes"}, "complete: input should be a valid boolean"),
        ({"measurements": ["x"]}, "a measurement is no object"),
        ({"measurements": [{"level": "L9"}]}, "missing"),
        ({"failed": [{"level": "L0", "name": 1, "reason": ""}]}, "name: input should be a valid string"),
        ({"timings": [{"level": "L9", "name": "", "seconds": 1, "peak_bytes": 1}]}, "level: input should be"),
        ({"skipped": 3}, "not iterable"),
    ],
)
def test_a_record_with_a_field_of_another_type_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({**execute(good).to_dict(), **change}))
    with pytest.raises(KvplanError, match=f"not a recorded validation run: .*{reason}"):
        load(file)


def test_a_record_that_does_not_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvplan.files.IDLE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "long").write_text(f'{{"card_bytes": {"9" * 400}}}')
    for path, reason in (
        (tmp_path / "fifo", "nothing was written into this pipe"),
        (tmp_path / "deep", "it is no JSON"),
        (tmp_path / "long", "it is no JSON"),
        (tmp_path, "cannot read"),
        (Path("\0"), "no file can be called so"),
        (Path("/dev/zero"), "it has more than 64 MiB"),
    ):
        with pytest.raises(KvplanError, match=reason):
            load(path)


def test_parts_are_run_apart_and_put_together_in_one_file(
    monkeypatch: pytest.MonkeyPatch, toy_level: list[Check], tmp_path: Path
) -> None:
    toy_level += [named("one", good, "a"), named("two", good, "b"), named("rest", good)]
    file = tmp_path / "run.json"
    for part, held in (("b", ["two"]), ("a", ["two", "one"])):
        assert command_line(monkeypatch, "--part", part, "--json", str(file), "--resume") == 0
        found = load(file)
        assert found
        assert [each.name for each in found.timings] == held
    assert command_line(monkeypatch, "--json", str(file), "--resume") == 0
    assert [each["name"] for each in json.loads(file.read_text())["timings"]] == ["two", "one", "rest"]
    with pytest.raises(UnknownNameError, match="unknown part 'z': there are a, b"):
        command_line(monkeypatch, "--part", "z")
    with pytest.raises(KvplanError, match="name it with --json"):
        command_line(monkeypatch, "--resume")


def test_a_run_that_cannot_be_written_leaves_the_file_before_it(tmp_path: Path) -> None:
    with pytest.raises(KvplanError, match="cannot write"):
        save(execute(good), tmp_path / "none" / "run.json")


def test_each_check_is_announced_before_it_runs() -> None:
    seen: list[tuple[int, int, str]] = []
    checks = [Check(level="L1", name=name, run=good) for name in ("first", "second")]
    run_checks(
        checks,
        device="cpu",
        machine=MACHINE,
        announce=lambda number, total, check: seen.append((number, total, check.name)),
    )
    assert seen == [(1, 2, "first"), (2, 2, "second")]


def test_the_summary_says_that_no_gpu_was_measured() -> None:
    lines = summary(execute(good, differs, cannot_run, breaks))
    assert lines[0] == "skipped: L1 cannot_run: needs two GPUs"
    assert lines[1].startswith("failed: L1 breaks: RuntimeError")
    assert lines[2].startswith("1 of 2 claims hold (cpu, torch 2.13.0, transformers 5.23.0, ")
    assert lines[3].startswith("not validated on CUDA")


def test_the_summary_of_a_gpu_says_how_long_it_took_and_what_it_held() -> None:
    timings = (
        Timing(level="L4", name="(a) llama", seconds=1.4, peak_bytes=2**30),
        Timing(level="L4", name="(b) GQA pool", seconds=2.2, peak_bytes=3 * 2**29),
    )
    run = replace(execute(good), driver="580.95", timings=timings)
    assert "2 checks in 4 s; torch's allocator held 1.50 GiB at most" in summary(run)


def test_a_cpu_has_no_driver_and_its_checks_no_peak() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    machine = describe_machine("cpu")
    assert (machine["device"], machine["driver"], "card_bytes" in machine) == ("cpu", None, False)
    [timing] = execute(good).timings
    assert (timing.name, timing.peak_bytes) == ("good", None)
    assert 0 <= timing.seconds < 60


def test_levels_are_known_in_any_case() -> None:
    assert level_by_name(" l2") == "L2"
    with pytest.raises(UnknownNameError, match="the levels are L0, L1, L2, L3, L4"):
        level_by_name("L5")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(
        KvplanError, match=r"needs torch:\n.*pip install '\.\[validate\]' in kvplan's checkout"
    ):
        validate()


def command_line(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command as the program would, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["kvplan", "validate", *arguments])
    status = app(standalone_mode=False, args=["validate", *arguments])
    return status if isinstance(status, int) else 0


@pytest.fixture
def toy_level(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """Replace the levels by a list of checks, and the machine by one without torch."""
    checks: list[Check] = []
    monkeypatch.setattr(runner, "require_torch", lambda: None)
    monkeypatch.setattr(runner, "choose_device", lambda device: device or "cpu")
    monkeypatch.setattr(runner, "describe_machine", lambda _: MACHINE)
    monkeypatch.setattr(runner, "level_checks", lambda level, _: checks if level == "L1" else [])
    return checks


def test_the_command_prints_a_table_and_writes_the_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    toy_level: list[Check],
    tmp_path: Path,
) -> None:
    toy_level.append(Check(level="L1", name="toy", run=good))
    file = tmp_path / "run.json"
    assert command_line(monkeypatch, "--json", str(file)) == 0
    out, err = capsys.readouterr()
    assert "1 of 1 claims hold" in out
    assert err == "1/1 L1 toy\n"
    assert json.loads(file.read_text())["passed"] is True


def test_any_difference_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], toy_level: list[Check]
) -> None:
    toy_level.append(Check(level="L1", name="toy", run=differs))
    with pytest.raises(KvplanError, match="1 claims do not hold, 0 checks failed to run, and 0 were skipped"):
        command_line(monkeypatch)
    assert "DIFFERS" in capsys.readouterr().out


def test_an_interruption_ends_with_130_and_the_file_is_written(
    monkeypatch: pytest.MonkeyPatch, toy_level: list[Check], tmp_path: Path
) -> None:
    toy_level += [Check(level="L1", name="toy", run=good), Check(level="L1", name="stop", run=interrupted)]
    file = tmp_path / "run.json"
    assert command_line(monkeypatch, "--json", str(file)) == 130
    assert json.loads(file.read_text())["complete"] is False


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, toy_level: list[Check], tmp_path: Path
) -> None:
    toy_level.append(Check(level="L1", name="toy", run=interrupted))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(KvplanError, match="it is no regular file"):
        command_line(monkeypatch, "--json", str(tmp_path / "fifo"))
    with pytest.raises(KvplanError, match="is not a folder"):
        command_line(monkeypatch, "--json", str(tmp_path / "none" / "run.json"))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    import torch  # noqa: PLC0415 - where it is installed

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(KvplanError, match="no CUDA device"):
        runner.choose_device("cuda")
    assert runner.choose_device(None) == "cpu"
