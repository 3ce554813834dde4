"""Grids whose load is traffic: how they are asked, their tables and files, and what does not go together."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.grids.build import make_grid
from kvplan.grids.results import Sweep
from tests.program import Cli

CARDS: dict[str, Any] = {"gpu": "h100-80gb,l4-24gb", "kv_memory": "16GiB"}
LAWS = "fixed:4k,quantiles:p50=1k,p99=4k,max=8k"
TRACE = "prompt_tokens,completion_tokens\n4000,96\n"


def asked(**more: Any) -> Sweep:
    return kvplan.sweep("llama-3.1-8b", **{**CARDS, "traffic": LAWS, "context": "8k", **more})


def test_by_hand() -> None:
    """
    Llama 3.1 8B keeps 131,072 bytes a token: 16 GiB hold 131,072 tokens, 32 times 4,096 and 64 times 2,048.

    Outputs of 64 tokens of 50 ms run for 3.2 s: 10 requests a second from 32 at once, and 3 replicas for 25.
    """
    of_two = asked(gpu="h100-80gb", traffic=["fixed:4k", "fixed:2k"])
    for row, held in zip(of_two, (32, 64), strict=True):
        assert [row[f"max_batch_{name}"] for name in ("never", "likely", "average")] == [held] * 3
        assert (row["fits"], row["longest"], row["share_refused"]) == (True, 131_072 // held, 0)
    timed = asked(gpu="h100-80gb", traffic="fixed:4032", outputs="fixed:64", tpot="50ms", rps=25)
    (row,) = timed
    assert (row["max_batch_likely"], row["requests_per_second"]) == (32, pytest.approx(10))
    assert (row["replicas"], row["replicas_gpus"]) == (3, 3)


def test_a_laws_commas_part_nothing() -> None:
    laws = ["fixed:4k", "quantiles:p50=1k,p99=4k,max=8k"]
    for given in (LAWS, laws):
        grid = make_grid("llama-3.1-8b", {**CARDS, "traffic": given})
        assert [str(each.options["traffic"]) for each in grid.structures] == laws * 2
    pairs = [
        "traffic=lognormal:p50=1k,p99=4k,outputs=uniform:1..64,gpu=80GB",
        "traffic=fixed:1k,outputs=fixed:9,gpu=40GB",
    ]
    found = [each.asked for each in make_grid("llama-3.1-8b", {}, pairs=pairs).structures]
    assert [(str(each["traffic"]), str(each["outputs"])) for each in found] == [
        ("lognormal:p50=1k,p99=4k", "uniform:1..64"),
        ("fixed:1k", "fixed:9"),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 4}, "--batch does not go with --traffic"),
        ({"prompt": 4}, "--prompt does not go with --traffic"),
        ({"traffic": None, "risk": "1%"}, "--risk is of a traffic, and there is none"),
        ({"traffic": None, "pairs": "tpot=30ms"}, "--tpot is of a traffic, and there is none"),
        ({"traffic": ["fixed:1k", None]}, "kvplan.sweep: traffic: found None; expected text"),
        ({"traffic": "azure-conv"}, "there is no file 'azure-conv', and it is no preset"),
        ({"traffic": "fixed:1k,fixed:1k"}, "traffic has 'fixed:1k' twice"),
        ({"traffic": "lognormal:p50=1k,p9=q"}, "p9: 'q' is not a number of tokens"),
        ({"outputs": "azure-code-2023"}, "'azure-code-2023' is no law of outputs: it has prompts, too"),
        ({"risk": 0.7}, "0.7' is not a probability"),
        ({"rps": [0]}, "'0.0' are no requests per second"),
        ({"prefix": "2k:3"}, "is not a prefix"),
        ({"value": "max_batch"}, "no option of a plan is called 'value'"),
    ],
)
def test_what_does_not_go_together_or_means_nothing(options: dict[str, Any], words: str) -> None:
    with pytest.raises(kvplan.KvplanError) as refused:
        asked(**options)
    assert words in refused.value.line


def test_what_one_plan_cannot_answer_stays_with_its_reason() -> None:
    """A longer request than the engine takes, and outputs beside a preset that has some."""
    rows = list(asked(traffic="fixed:16k,azure-code-2023", outputs="fixed:9"))
    code = "azure-code-2023 (Azure's LLM inference trace of 2023, coding)"
    assert [row["reason"] for row in rows[:2]] == [
        "fixed:16k: no length of this law has at most 8,192 tokens",
        f"{code} has outputs of its own: leave the law of outputs, 'fixed:9', out",
    ]
    assert all(row["max_batch_likely"] is None and row["fits"] is None for row in rows)


def test_a_request_that_does_not_fit_is_an_answer() -> None:
    (row,) = asked(gpu="l4-24gb", kv_memory="512MiB", traffic="fixed:8000")
    assert (row["fits"], row["max_batch_likely"], row["reason"]) == (False, 0, None)


def test_the_three_numbers_stand_beside_the_only_axis() -> None:
    table = asked(traffic="fixed:4k", risk="1%", prices={"h100-80gb": 2}).pivot()
    figures = ("max_batch_never", "max_batch_likely", "max_batch_average", "price_per_sequence")
    assert table.titles == ("gpu", *figures)
    # Two for an hour are 0.0625 for each of 32; the other card has no price.
    assert table.rows == (("h100-80gb", "32", "32", "32", "0.0625"), ("l4-24gb", "32", "32", "32", ""))


def test_traffics_are_the_columns_of_a_table() -> None:
    table = asked(traffic="fixed:4k,fixed:2k").pivot()
    assert (table.value, table.titles) == ("max_batch_likely", ("gpu", "fixed:4k", "fixed:2k"))
    # The models' own longest contexts are no axis.
    models = kvplan.sweep("llama-3.1-8b,qwen3-8b", **CARDS, traffic="fixed:4k").pivot()
    assert models.titles == ("model", "h100-80gb", "l4-24gb")
    risks = asked(gpu="80GB", risk="1%,10%").pivot(rows="risk")
    assert (risks.titles[0], [row[0] for row in risks.rows]) == ("risk", ["0.01", "0.1"])


def test_the_frontier_is_by_what_traffic_is_answered() -> None:
    marked = [
        row["gpu"]
        for row in asked(traffic="fixed:4k", kv_memory=None, pareto="max_batch_likely")
        if row["pareto"]
    ]
    assert marked == ["h100-80gb"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".arrow", ".md", ".html", ".json"])
def test_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"grid{ending}"
    asked().save(path)
    if ending == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
        assert parquet.read_table(path).to_pylist() == list(asked())
    if ending == ".jsonl":
        assert [json.loads(line) for line in path.read_text().splitlines()] == list(asked())
    assert path.stat().st_size


def test_a_trace_is_read_once_for_all_workers(tmp_path: Path) -> None:
    """Its file may be gone when the points are answered, and another of its name is another grid."""
    path = tmp_path / "trace.csv"
    path.write_text(TRACE, encoding="utf-8")
    there = asked(traffic=str(path), workers=1)
    first = there.grid.fingerprint
    path.write_text(TRACE + "9,9\n", encoding="utf-8")
    assert asked(traffic=str(path)).grid.fingerprint != first
    path.unlink()
    assert [row["max_batch_likely"] for row in there] == [32, 32]
    assert [row["traffic"] for row in there] == [str(path)] * 2


def test_a_law_in_a_file_goes_to_workers_too(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_text("[[4096, 1]]", encoding="utf-8")
    rows = list(asked(traffic=str(path), gpu="80GB", outputs=None, workers=1))
    assert [row["max_batch_likely"] for row in rows] == [32]


def test_parts_are_small_and_gone_on_with(tmp_path: Path) -> None:
    """A part has 64 points at the most: one of traffic takes some tenths of a second."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    many = asked(gpu="80GB", traffic="fixed:4k", risk=[each / 1000 for each in range(1, 71)])
    folder = tmp_path / "grid"
    many.save(folder)
    parts = sorted(folder.glob("part-*"))
    assert [parquet.read_metadata(each).num_rows for each in parts] == [35, 35]
    before = parts[1].stat().st_mtime_ns
    parts[0].unlink()
    many.save(folder, resume=True)
    rows = [row for part in sorted(folder.glob("part-*")) for row in parquet.read_table(part).to_pylist()]
    assert rows == list(many)
    assert parts[1].stat().st_mtime_ns == before


def test_the_command_and_the_library_say_the_same(kvplan: Cli) -> None:
    of_two = "--gpu h100-80gb,l4-24gb --kv-memory 16GiB -c 8k --traffic fixed:4k,fixed:2k --risk 1%"
    run = kvplan(f"sweep llama-3.1-8b {of_two} --json")
    rows = [json.loads(line) for line in run.out.splitlines()]
    assert rows == list(asked(traffic="fixed:4k,fixed:2k", risk=0.01))
    run = kvplan("hold llama-3.1-8b --gpu h100-80gb,l4-24gb --traffic fixed:4k")
    assert "`kvplan sweep` takes lists" in run.err
    run = kvplan("hold llama-3.1-8b --gpu h100-90gb --traffic uniform:1k..4k")
    assert "unknown GPU" in run.err
