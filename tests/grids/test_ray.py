"""The executor for Ray that docs/sweep.md shows is run: on Ray, or on what stands in for it."""

import pickle
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kvplan
from tests.program import ROOT

SHOWN = re.findall(
    r"^```py\n(.*?)^```$", (ROOT / "docs" / "sweep.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)

ASKED: dict[str, Any] = {"gpu": "h100-80gb,l4-24gb", "context": "8k,32k", "batch": range(1, 51)}


@dataclass(frozen=True)
class Ref:
    """Ray's ObjectRef: a result that is being worked out."""

    of: Future[Any]

    def future(self) -> Future[Any]:
        return self.of


@dataclass(frozen=True)
class Remote:
    """Ray's RemoteFunction: what it is sent goes there as bytes, and it runs beside the caller."""

    pool: Executor
    function: Callable[..., Any]

    def remote(self, call: Callable[..., Any], *asked: Any) -> Ref:
        return Ref(self.pool.submit(self.function, *pickle.loads(pickle.dumps((call, *asked)))))  # noqa: S301 - our own


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray with two workers where it is installed, or a module with `remote` as Ray documents it."""
    if find_spec("ray"):
        found: Any = __import__("ray")
        found.init(num_cpus=2, include_dashboard=False)
        yield
        found.shutdown()
        return
    with ThreadPoolExecutor(2) as pool:
        stand_in: Any = ModuleType("ray")
        stand_in.remote = partial(Remote, pool)
        monkeypatch.setitem(sys.modules, "ray", stand_in)
        yield


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("ray")
def test_the_executor_that_is_shown_answers_and_writes_parts(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    (block,) = SHOWN
    there: dict[str, Any] = {}
    exec(block, there)  # noqa: S102 - what the page shows
    rows = list(kvplan.sweep("llama-3.1-8b", **ASKED))
    assert list(kvplan.sweep("llama-3.1-8b", **ASKED, executor=there["OnRay"]())) == rows
    kvplan.sweep("llama-3.1-8b", **ASKED, executor=there["OnRay"]()).save(tmp_path / "grid")
    parts = sorted((tmp_path / "grid").glob("*.parquet"))
    assert [row for part in parts for row in parquet.read_table(part).to_pylist()] == rows
