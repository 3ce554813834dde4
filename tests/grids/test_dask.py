"""A cluster of Dask, two workers on this machine: one is killed in the middle, and nothing is lost."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.grids import saving

distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

ASKED: dict[str, Any] = {
    "gpu": ["h100-80gb", "l4-24gb"],
    "engine": ["exact", "vllm"],
    "context": range(256, 256 * 501, 256),
    "batch": range(1, 101),
}
PARTS = 40


def kill(worker: int, folder: Path, killed: list[int]) -> None:
    """Kill a worker as soon as a part is there, without a word."""
    while not any(folder.glob("part-*")):
        time.sleep(0.02)
    os.kill(worker, signal.SIGKILL)
    killed.append(len(list(folder.glob("part-*"))))


@pytest.mark.filterwarnings("default")
def test_a_worker_that_is_killed_in_the_middle_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = kvplan.sweep("llama-3.1-8b", **ASKED)
    monkeypatch.setattr(saving, "PART", len(sweep) // PARTS)
    folder, killed = tmp_path / "grid", list[int]()
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path / "dask")
    )
    with cluster, distributed.Client(cluster) as client:
        pids = set(client.run(os.getpid).values())
        killer = threading.Thread(target=kill, args=(min(pids), folder, killed))
        killer.start()
        kvplan.sweep("llama-3.1-8b", **ASKED, executor=client.get_executor()).save(folder)
        killer.join()
        assert set(client.run(os.getpid).values()) != pids
    assert killed
    assert killed[0] < PARTS
    parts = sorted(folder.glob("*.parquet"))
    assert len(parts) == PARTS
    assert [each for each in folder.iterdir() if each.name not in {path.name for path in parts}] == [
        folder / "_grid.json"
    ]
    columns = ["gpu", "engine", "context", "batch", "kv_used_bytes", "max_batch"]
    found = [
        tuple(row.values()) for part in parts for row in parquet.read_table(part, columns=columns).to_pylist()
    ]
    assert found == [tuple(row[name] for name in columns) for row in sweep]
