"""Files: whole or not at all, gone on with after an interruption, nothing lost and nothing doubled."""

import csv
import errno
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

import kvplan
from kvplan.files import UNFINISHED
from kvplan.grids import saving, sinks
from kvplan.grids.points import Answering
from kvplan.grids.results import Sweep
from tests.program import ROOT, environment

ASKED: dict[str, Any] = {
    "gpu": "h100-80gb,l4-24gb", "tp": "1,3", "engine": "exact,vllm", "context": "8k,1m",
    "batch": range(1, 51),
}  # fmt: skip


def asked(**more: Any) -> Sweep:
    return kvplan.sweep("llama-3.1-8b", **ASKED, **more)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Parts of 100 points, so that a small grid has 8 of them."""
    monkeypatch.setattr(saving, "PART", 100)
    return 8


def read(path: Path) -> list[dict[str, Any]]:
    """Return the points of a file."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".arrow":
        ipc = pytest.importorskip("pyarrow.ipc")
        return list(ipc.open_file(path.read_bytes()).read_all().to_pylist())
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    return list(parquet.read_table(path).to_pylist())


def as_csv(row: dict[str, Any]) -> dict[str, str]:
    said = {None: "", True: "true", False: "false"}
    return {
        name: said[each] if each is None or isinstance(each, bool) else str(each)
        for name, each in row.items()
    }


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".arrow"])
@pytest.mark.usefixtures("small_parts")
def test_a_file_holds_all_points_in_order(ending: str, workers: int | None, tmp_path: Path) -> None:
    sweep, path = asked(workers=workers), tmp_path / f"grid{ending}"
    if ending in (".parquet", ".arrow"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    if workers and ending in (".jsonl", ".arrow"):
        pytest.skip("as the others do")
    sweep.save(path)
    rows = list(asked())
    assert read(path) == ([as_csv(row) for row in rows] if ending == ".csv" else rows)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_gets_a_part_for_each_shard(small_parts: int, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    folder = tmp_path / "grid"
    asked(workers=1).save(folder)
    parts = sorted(folder.glob("part-*.parquet"))
    assert len(parts) == small_parts
    assert [row for part in parts for row in parquet.read_table(part).to_pylist()] == list(asked())
    with pytest.raises(
        kvplan.KvplanError, match="holds parts of this grid: go on with --resume, or remove it"
    ):
        asked().save(folder)
    before = {part: part.stat().st_mtime_ns for part in parts}
    parts[3].unlink()
    asked().save(folder, resume=True)
    assert [row for part in parts for row in parquet.read_table(part).to_pylist()] == list(asked())
    assert {part for part in parts if part.stat().st_mtime_ns != before[part]} == {parts[3]}


def test_parts_of_another_grid_are_left_alone(small_parts: int, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder = tmp_path / "grid"
    asked().save(folder)
    with pytest.raises(kvplan.KvplanError, match="holds parts of another grid"):
        kvplan.sweep("qwen3-8b", **ASKED).save(folder, resume=True)
    assert len(list(folder.glob("part-*"))) == small_parts
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(kvplan.KvplanError, match="it is there, and holds no parts of a grid"):
        asked().save(tmp_path / "mine")


def interrupted_at(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt a run in the middle of a part."""
    answer, seen = Answering.answer, 0

    def answer_some(self: Answering, piece: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 2 * part + 1:
            raise KeyboardInterrupt
        return answer(self, piece)

    monkeypatch.setattr(Answering, "answer", answer_some)


def test_an_interrupted_run_leaves_no_half_file_and_goes_on(
    small_parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grid.csv"
    path.write_text("mine")
    with monkeypatch.context() as patched:
        interrupted_at(3, patched)
        with pytest.raises(KeyboardInterrupt):
            asked().save(path)
    parts = tmp_path / "grid.csv.parts"
    assert path.read_text() == "mine"
    kept = sorted(part.name for part in parts.glob("*"))
    assert kept[0] == "_grid.json"
    assert 0 < len(kept) - 1 < small_parts
    assert all(name.endswith(".csv") for name in kept[1:])
    with pytest.raises(kvplan.KvplanError, match="go on with --resume, or remove it"):
        asked().save(path)
    asked().save(path, resume=True)
    assert read(path) == [as_csv(row) for row in asked()]
    assert list(tmp_path.iterdir()) == [path]


def test_a_small_run_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grid.jsonl"
    path.write_text("mine")
    interrupted_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        asked().save(path)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


class Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.usefixtures("small_parts")
def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / f"grid{ending}"
    path.write_text("mine")
    with monkeypatch.context() as patched:
        sink_of = sinks.sink_of
        seen: list[object] = []

        def full(file: BinaryIO, columns: Any, ending: str, *, head: bool) -> Any:
            seen.append(file)
            return sink_of(Full(file, 10**9 if len(seen) < 4 else 100), columns, ending, head=head)  # type: ignore[arg-type]

        patched.setattr(saving, "sink_of", full)
        with pytest.raises(kvplan.KvplanError, match=r"cannot write .*: No space left on device") as refused:
            asked().save(path)
        assert "\n" not in str(refused.value)
    assert path.read_text() == "mine"
    names = sorted(each.name for each in (tmp_path / f"grid{ending}.parts").iterdir())
    assert names == ["_grid.json", *(f"part-{number:06d}{ending}" for number in range(3))]
    asked().save(path, resume=True)
    rows = list(asked())
    assert read(path) == ([as_csv(row) for row in rows] if ending == ".csv" else rows)


def test_a_folder_that_is_not_there_or_not_to_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(kvplan.KvplanError, match="is not a folder"):
        asked().save(tmp_path / "nowhere" / "grid.csv")
    with pytest.raises(kvplan.KvplanError, match=r"cannot write /proc/grid\.csv: ") as refused:
        asked().save("/proc/grid.csv")
    assert "\n" not in str(refused.value)
    with pytest.raises(kvplan.KvplanError, match=r"ends in \.xlsx: a grid is written as \.csv, "):
        asked().save(tmp_path / "grid.xlsx")


def test_any_executor_answers_in_order() -> None:
    rows = list(asked())
    with ThreadPoolExecutor(2) as executor:
        assert list(asked(executor=executor)) == rows
    with ProcessPoolExecutor(1) as pool:
        assert list(asked(executor=pool)) == rows


_SLOW = """
import os, sys, time
from pathlib import Path
import kvplan
from kvplan.grids import saving
from kvplan.grids.points import Answering

saving.PART = 100
answer = Answering.answer


def once(self, piece):
    time.sleep(0.02)
    flag = Path(sys.argv[2])
    if not flag.exists() and piece.structure == 5:
        flag.touch()
        os.kill(os.getpid(), 9)
    return answer(self, piece)


if __name__ == "__main__":
    Answering.answer = once
    asked = {asked!r}
    asked["batch"] = range(1, 51)
    kvplan.sweep("llama-3.1-8b", **asked, workers=2).save(sys.argv[1])
"""


def test_a_killed_worker_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Its process ends in the middle of a part; the pool is broken with it, and another goes on."""
    path, flag = tmp_path / "grid.csv", tmp_path / "killed"
    plain = {name: each for name, each in ASKED.items() if name != "batch"}
    script = _SLOW.replace("{asked!r}", repr(plain))
    subprocess.run(  # noqa: S603 - the program under test
        [sys.executable, "-c", script, str(path), str(flag)], check=True, cwd=ROOT, timeout=120
    )
    assert flag.exists()
    assert read(path) == [as_csv(row) for row in asked()]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["grid.csv", "killed"]


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_an_interrupt_from_the_keyboard_says_what_is_kept(workers: tuple[str, ...], tmp_path: Path) -> None:
    """As Ctrl-C: the status is 130, and the line says how to go on; workers are not waited for."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    grid = ("llama-3.1-8b", "--gpu", "h100-80gb", "-c", "1..40000+1", "-b", "1..500+1")
    program = subprocess.Popen(  # noqa: S603 - the program under test
        [sys.executable, "-m", "kvplan", "sweep", *grid, *workers, "-o", "grid.parquet"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT)),
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests behind a shell's & would have it ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    parts = tmp_path / "grid.parquet.parts"
    for _ in range(600):
        if parts.is_dir() and any(parts.glob("part-*")):
            break
        time.sleep(0.1)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 130
    assert said.splitlines()[-1] == (
        "kvplan: interrupted: the parts that are finished are kept in grid.parquet.parts; "
        "--resume goes on from there"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["grid.parquet.parts"]
    # What a worker was writing is no part.
    others = {each.name for each in parts.iterdir() if not each.name.startswith(UNFINISHED)}
    assert others - {path.name for path in parts.glob("part-*.parquet")} == {"_grid.json"}
