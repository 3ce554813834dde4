"""What a grid needs beyond the core, and what is said where it is not installed."""

import sys

import pytest

import kvplan
from kvplan.extras import MissingError
from tests.program import start


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] in names]:
        monkeypatch.delitem(sys.modules, name)
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_parquet_and_arrow_need_pyarrow_and_the_rest_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = kvplan.sweep("llama-3.1-8b", kv_memory="60GiB", context="8k")
    without(monkeypatch, "pyarrow")
    said = r"needs pyarrow, which is not installed: pip install '\.\[sweep\]' in the checkout"
    for ask in (sweep.to_arrow, sweep.__arrow_c_stream__, lambda: sweep.save("grid.parquet")):
        with pytest.raises(MissingError, match=said):
            ask()
    assert sweep.to_markdown()
    assert [row["max_batch"] for row in sweep] == [60]


_WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from kvplan.cli import main
sys.argv = ["kvplan", *sys.argv[1:]]
main()
"""


def test_without_numpy_a_grid_is_refused_in_one_line_and_the_rest_works() -> None:
    grid = start("sweep", "llama-3.1-8b", "--gpu", "h100-80gb", script=_WITHOUT_NUMPY)
    assert (grid.returncode, grid.stdout) == (1, "")
    assert grid.stderr == (
        "kvplan: a sweep needs numpy, which is not installed: pip install '.[sweep]' in the checkout\n"
    )
    assert start("fit", "llama-3.1-8b", "--gpu", "h100-80gb", script=_WITHOUT_NUMPY).returncode == 0
    assert start("sweep", "--help", script=_WITHOUT_NUMPY).returncode == 0


def test_the_core_does_not_import_numpy() -> None:
    asked = "kvplan.fit('llama-3.1-8b', gpu='80GB'); kvplan.sweep"
    script = f"import kvplan, sys; {asked}; sys.exit('numpy' in sys.modules)"
    assert start(script=script).returncode == 0
