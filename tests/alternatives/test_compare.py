"""Alternatives side by side: products, names, order, prices, and reasons."""

from itertools import product
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError, OptionsError

GPUS = ("h100-80gb", "h200-141gb")
MIXED = "2xrtx-4090-24gb+1xrtx-3090-24gb"


def test_every_product_is_what_fit_answers() -> None:
    answer = kvplan.compare(
        "llama-3.1-8b,qwen3-8b", gpu=",".join(GPUS), context=["8k", "32k"], tp="1,2", engine="vllm"
    )
    asked = product(("llama-3.1-8b", "qwen3-8b"), GPUS, ("8k", "32k"), (1, 2))
    for row, (model, gpu, context, tp) in zip(answer.rows, asked, strict=True):
        fit = kvplan.fit(model, gpu=gpu, context=context, tp=tp, engine="vllm")
        assert (row.model, row.gpu, row.tp) == (model, gpu, tp)
        assert (row.max_batch, row.max_context) == (fit.max_batch, fit.max_context)
        assert (row.bytes_per_token, row.bytes_per_sequence) == (fit.bytes_per_token, fit.bytes_per_sequence)
        assert row.smallest_gpus == fit.smallest_gpus
        first = answer.rows[0].bytes_per_sequence
        assert first is not None
        assert row.share == fit.bytes_per_sequence / first
    assert answer.names[0] == "llama-3.1-8b, h100-80gb, context 8192, tp 1"


def test_one_model_is_told_by_what_varies() -> None:
    assert kvplan.compare("qwen3-8b", tp=[1, 2], context="8k").names == ("tp 1", "tp 2")
    assert kvplan.compare("qwen3-8b").names == ("qwen3-8b",)


def test_a_cache_format_with_commas_is_one() -> None:
    rows = kvplan.compare("qwen3-8b", kv_dtype="bf16,q8_0,value=q4_0", context="8k").rows
    assert [row.kv_dtype for row in rows] == ["bf16", "q8_0,value=q4_0"]


def test_what_is_not_possible_says_why() -> None:
    rows = kvplan.compare("qwen3-8b", tp=[1, 3], gpu="h100-80gb", context="8k").rows
    assert rows[0].refusal is None
    assert "do not spread over tp=3" in str(rows[1].refusal)
    assert (rows[1].max_batch, rows[1].bytes_per_sequence) == (None, None)


def test_lines_are_sorted_as_asked() -> None:
    options = {"gpu": "h100-80gb", "tp": [1, 2, 3], "context": "8k"}
    most = kvplan.compare("qwen3-8b", sort="max_batch", **options).rows  # type: ignore[arg-type]
    assert [row.tp for row in most] == [2, 1, 3]
    least = kvplan.compare("qwen3-8b", sort="bytes_per_sequence", **options).rows  # type: ignore[arg-type]
    assert [row.tp for row in least] == [2, 1, 3]


def test_a_price_is_shared_out_over_the_sequences() -> None:
    (row,) = kvplan.compare("qwen3-8b", gpu="h100-80gb", tp=2, context="8k", prices={"H100": 2.5}).rows
    assert row.max_batch
    assert row.price == 2.5 * 2 / row.max_batch


def test_cards_of_several_kinds_cost_what_each_of_them_does() -> None:
    prices = {"rtx-4090-24gb": 0.5, "rtx-3090-24gb": 0.25}
    asked: dict[str, Any] = {"gpu": MIXED, "engine": "llamacpp", "context": "8k", "weights": "40GB"}
    (row,) = kvplan.compare("llama-3.1-70b", **asked, prices=prices).rows
    (point,) = kvplan.sweep("llama-3.1-70b", **asked, prices=prices)
    assert row.max_batch
    assert row.max_batch == point["max_batch"]
    assert row.price == point["price_per_sequence"] == (0.5 + 0.5 + 0.25) / row.max_batch
    (unknown,) = kvplan.compare("llama-3.1-70b", **asked, prices={"rtx-4090-24gb": 0.5}).rows
    assert unknown.price is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"contexts": "8k"}, "contexts: no option of fit"),
        ({"prices": {"h100-80gb": -1}}, "is no price of h100-80gb"),
        ({"prices": {"h101": 1}}, "h101"),
        ({"tp": []}, "--tp has no value"),
        ({"prefix_caching": "maybe"}, "'maybe' is neither true nor false"),
        ({"context": "8q"}, "8q"),
        ({"tp": list(range(1, 10_002))}, "kvplan sweep takes grids"),
    ],
)
def test_what_nobody_knows_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(KvplanError, match=said):
        kvplan.compare("qwen3-8b", **options)  # type: ignore[arg-type]


def test_a_model_is_needed() -> None:
    with pytest.raises(OptionsError, match="at least one model"):
        kvplan.compare([])
    with pytest.raises(KvplanError, match=r"llama-3\.2-9b"):
        kvplan.compare(["llama-3.2-9b"])
