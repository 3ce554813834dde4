"""An answered grid as columns, rows, tables and a stream of Arrow."""

from typing import Any

import numpy as np
import pytest

import kvplan
from kvplan.grids.columns import find_column

ASKED: dict[str, Any] = {"kv_memory": "60GiB", "tp": "1,2,3", "context": "8k,32k", "batch": "1,64"}


def test_columns_are_masked_arrays_and_text() -> None:
    sweep = kvplan.sweep("llama-3.1-8b", **ASKED)
    most = sweep.column("max_batch")
    assert (len(sweep), len(most), most.dtype) == (12, 12, np.int64)
    # 8 groups spread over tp 1 and 2, and 32 heads not over 3.
    assert most.mask.tolist() == [False] * 8 + [True] * 4
    assert [each is None for each in sweep.column("reason")] == [True] * 8 + [False] * 4
    assert sweep.column("fits").compressed().tolist() == [
        kvplan.fit("llama-3.1-8b", kv_memory="60GiB", tp=tp, context=context, batch=batch).fits
        for tp in (1, 2)
        for context in (8192, 32768)
        for batch in (1, 64)
    ]
    with pytest.raises(kvplan.KvplanError, match=r"no column is called 'max_batc' .did you mean 'max_batch'"):
        sweep.column("max_batc")


def test_what_nothing_limits_has_no_number() -> None:
    """BERT keeps no cache: any number of sequences of any length."""
    (row,) = kvplan.sweep("bert-base", gpu="80GB")
    assert (row["fits"], row["max_batch"], row["max_context"], row["limit"]) == (True, None, None, "nothing")
    assert row["max_batch_per_gpu"] is None


def test_prices_and_ratios() -> None:
    """2 x 2.50 for all sequences on two H100s."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "tp": 2, "context": "8k", "prices": {"H100": 2.50}}
    (row,) = kvplan.sweep("llama-3.1-8b", **asked)
    held = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", tp=2, context="8k").max_batch
    assert held
    assert (row["gpus"], row["max_batch"], row["max_batch_per_gpu"]) == (2, held, held / 2)
    assert row["price_per_sequence"] == 2 * 2.50 / held


def test_the_frontier_is_what_no_point_beats() -> None:
    """By hand: of 1, 2, 4 GPUs each holds more, and fp8 holds more than bf16 on as many."""
    sweep = kvplan.sweep(
        "llama-3.1-8b",
        gpu="h100-80gb",
        tp="1,2,4",
        kv_dtype="bf16,fp8",
        context="8k",
        pareto="max_batch,gpus",
    )
    marked = [(row["tp"], row["kv_dtype"]) for row in sweep if row["pareto"]]
    assert sorted(marked) == [(1, "fp8"), (2, "fp8"), (4, "fp8")]


def test_the_frontier_of_many_points_is_that_of_all_pairs() -> None:
    sweep = kvplan.sweep(
        "qwen3-8b", gpu="l4-24gb,h100-80gb", context=range(1000, 30_000, 1777), batch=range(1, 60, 7),
        pareto=["context", "batch", "kv_used_bytes"],
    )  # fmt: skip
    rows = list(sweep)

    def costs(row: dict[str, Any]) -> tuple[int, int, int]:
        return -row["context"], -row["batch"], row["kv_used_bytes"]

    def beaten(row: dict[str, Any]) -> bool:
        return any(
            other["fits"]
            and costs(other) != costs(row)
            and all(one <= two for one, two in zip(costs(other), costs(row), strict=True))
            for other in rows
        )

    assert [row["pareto"] for row in rows] == [row["fits"] and not beaten(row) for row in rows]


def test_a_table_has_the_contexts_across_and_what_varies_down() -> None:
    table = kvplan.sweep("llama-3.1-8b", **ASKED).pivot()
    assert (table.value, table.columns, table.titles) == ("max_batch", "context", ("tp", "8k", "32k"))
    # 60 GiB hold 60 of 8k, 1 GiB each; two GPUs have half of it each.
    assert table.rows == (("1", "60", "15"), ("2", "120", "30"), ("3", "[1]", "[1]"))
    assert table.notes == ("llama-3.1-8b: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0",)


def test_a_table_leaves_out_what_its_figure_ignores() -> None:
    """The longest context is one for each number of sequences, whatever context was asked for."""
    table = kvplan.sweep("llama-3.1-8b", **ASKED).pivot(value="max_context", rows="tp")
    assert table.titles == ("tp", "1", "64")
    assert len(table.rows) == 3


def test_the_only_axis_that_varies_stands_beside_several_figures() -> None:
    """And so do what goes together: no figure of one row is that of another."""
    table = kvplan.sweep("llama-3.1-8b", kv_memory="60GiB", context="8k", batch="1,60").pivot()
    assert table.titles == ("batch", "kv_bytes", "free_bytes", "max_batch", "max_context")
    assert table.rows == (
        ("1", "60.00 GiB", "59.00 GiB", "60", "491,520"),
        ("60", "60.00 GiB", "0.00 GiB", "60", "8,192"),
    )
    pairs = kvplan.sweep(
        "llama-3.1-8b", context="8k", pairs=["gpu=h100-80gb,tp=2", "gpu=h200-141gb,tp=1"]
    ).pivot()
    assert pairs.titles[:2] == ("gpu", "tp")
    assert [row[:2] for row in pairs.rows] == [("h100-80gb", "2"), ("h200-141gb", "1")]


def test_a_table_as_markdown() -> None:
    text = kvplan.sweep("llama-3.1-8b", kv_memory="60GiB", tp="1,3", context="8k,32k").to_markdown()
    assert text.splitlines()[2:] == [
        "| tp | 8k | 32k |",
        "| --- | ---: | ---: |",
        "| 1 | 60 | 15 |",
        "| 3 | [1] | [1] |",
        "",
        "- [1] llama-3.1-8b: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0",
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rows": "tp", "columns": "tp"}, "tp is in the rows and in the columns"),
        ({"columns": "max_batch"}, "'max_batch' is no axis of this grid"),
        ({"value": "context"}, "context is an axis, and no figure"),
        ({"value": "most"}, "no column is called 'most'"),
    ],
)
def test_what_is_no_table(asked: dict[str, str], words: str) -> None:
    with pytest.raises(kvplan.KvplanError) as refused:
        kvplan.sweep("llama-3.1-8b", **ASKED).pivot(**asked)
    assert words in refused.value.line


def test_too_many_points_are_no_table() -> None:
    with pytest.raises(kvplan.KvplanError, match="100,000 points are no table to read"):
        kvplan.sweep("llama-3.1-8b", gpu="80GB", context=range(1, 1001), batch=range(1, 101)).pivot()


def test_a_stream_of_arrow_says_what_the_rows_say() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    sweep = kvplan.sweep("llama-3.1-8b,mamba-2.8b", **ASKED, pareto="max_batch,gpus")
    table = pyarrow.table(sweep)
    assert table.to_pylist() == list(sweep)
    assert table.schema.field("kv_used_bytes").type == pyarrow.int64()


def test_dataframes_take_the_stream() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    sweep = kvplan.sweep("llama-3.1-8b", **ASKED)
    used = [row["kv_used_bytes"] for row in sweep if row["reason"] is None]
    assert polars.DataFrame(sweep)["kv_used_bytes"].drop_nulls().to_list() == used
    assert pandas.DataFrame.from_arrow(sweep)["kv_used_bytes"].dropna().tolist() == used


def test_polars_takes_the_numbers_where_they_are() -> None:
    """From numpy to Arrow, and on to polars, a column of numbers stands at one place in memory."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    sweep = kvplan.sweep("llama-3.1-8b", kv_memory="60GiB", context=range(1, 201), batch=range(1, 101))
    values, missing = next(sweep.chunks()).number(find_column("kv_used_bytes", sweep.columns))
    assert missing is None
    assert pyarrow.array(values).buffers()[1].address == values.__array_interface__["data"][0]
    table = pyarrow.table(sweep)
    (kept,) = table.column("kv_used_bytes").chunks
    taken = polars.DataFrame(table)["kv_used_bytes"].to_numpy(allow_copy=False)
    assert taken.__array_interface__["data"][0] == kept.buffers()[1].address
