"""A report as a page: one file that loads nothing, in which every text is text."""

import re
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.report.reports import report_of, text_of
from kvplan.report.stamp import stamp
from tests.report.pages import Page

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\u202e$x$\n]]>&amp;`|"
SHOWN = "<script>alert(1)</script>\"'><img src=x onerror=y>\\u202e$x$\\n]]>&amp;`|"


@pytest.fixture(scope="module")
def fitted() -> Page:
    return Page(kvplan.fit("gemma-3-27b", gpu="h100-80gb", context="32k", engine="vllm").to_html())


def test_the_answer_comes_first_and_every_part_is_there(fitted: Page) -> None:
    titles = [text for text in fitted.texts if text.strip()]
    assert titles[1] == "2 sequences of 32,768 tokens fit on one NVIDIA H100 SXM 80GB."
    assert len(fitted.of("h1")) == 1
    order = (
        *("weights", "vllm serve google/gemma-3-27b-it --max-model-len 32768", "window reserve"),
        *("Batch against context", "The formula, with its numbers and sources", "What is assumed"),
    )
    assert [titles.index(each) for each in order] == sorted(titles.index(each) for each in order)
    assert f"kvplan {kvplan.__version__}, " in titles[-1]


def test_nothing_is_loaded_run_or_sent(fitted: Page) -> None:
    """No attribute names a place, and the browser is told to load none; TAGS has no tag that does."""
    policy = next(each["content"] for each in fitted.of("meta") if "http-equiv" in each)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    style = kvplan.fit("llama-3.1-8b", gpu="h100-80gb").to_html().split("</style>")[0]
    assert not re.search(r"url\s*\(|@import|@font-face|https?:|src\s*[:=]", style.split("<style>")[1])
    styles = [each["style"] for _, each in fitted.elements if "style" in each]
    assert all(re.fullmatch(r"flex-grow: \d+|left: [\d.]+%(; width: [\d.]+%)?", each) for each in styles)


def test_bars_of_the_waterfall_begin_where_the_last_one_ends(fitted: Page) -> None:
    bars = [re.findall(r"[\d.]+", each["style"]) for each in fitted.of("i", "more")]
    ends = [float(left) + float(width) for left, width in bars]
    starts = [float(left) for left, _ in bars]
    assert starts[0] == starts[-1] == 0
    assert starts[1:-1] == pytest.approx(ends[:-2], abs=0.011)
    assert ends[-1] == 100


def test_a_bar_of_more_than_the_card_says_where_the_card_ends() -> None:
    page = Page(kvplan.fit("llama-3.1-70b", gpu="h100-80gb", context="32k", batch=64, tp=4).to_html())
    (edge,) = page.of("i", "edge")
    assert 0 < float(edge["style"].removeprefix("left: ").removesuffix("%")) < 100


@pytest.mark.parametrize("engine", ["exact", "vllm"])
def test_a_hostile_model_is_text_everywhere(engine: str) -> None:
    spec = kvplan.load("gemma-3-27b").model_copy(
        update={"name": HOSTILE, "source": HOSTILE, "notes": HOSTILE, "hf_id": HOSTILE}
    )
    page = Page(kvplan.fit(spec, gpu="h100-80gb", context=8192, engine=engine).to_html())
    text = "".join(page.texts)
    assert SHOWN in text
    assert not re.search(r"[\u202e\x00-\x09\x0b-\x1f]", text)


def test_the_formula_is_that_of_the_plan_on_one_stage() -> None:
    """K and V of 16 groups of 128 in 2 bytes: 10 layers hold all tokens, 52 the last 1,024 of them."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "context": 32768, "engine": "vllm", "pp": 2, "dp": 2}
    report = report_of(kvplan.fit("gemma-3-27b", **asked))
    formula = report.data["formula"]
    assert formula["bytes_per_sequence"] == 2 * 16 * 128 * 2 * (10 * 32768 + 52 * 1024)
    assert formula["context"] == 32768
    stored = report_of(kvplan.fit("gemma-3-27b", kv_dtype="fp8", **asked)).data["formula"]
    assert 2 * stored["bytes_per_sequence"] == formula["bytes_per_sequence"]


def test_the_areas_of_a_chart_are_named(fitted: Page) -> None:
    """Of two lines each has its own area of what does not fit; of one it is drawn."""
    assert "between the least and the most of the estimate" in fitted.texts
    assert "does not fit" not in fitted.texts
    alone = Page(kvplan.fit("llama-3.1-8b", kv_memory="40GiB", context=8192).to_html())
    assert "between the least and the most of the estimate" not in alone.texts
    assert "does not fit" in alone.texts


def test_what_caches_nothing_has_no_frontier() -> None:
    report = report_of(kvplan.fit("bert-base-uncased", gpu="h100-80gb", context=512))
    assert report.data["frontier"] == []
    Page(text_of(report, ".html"))


def test_the_date_is_the_clocks_or_that_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert stamp().made == "2023-11-14 22:13 UTC"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(KvplanError, match="SOURCE_DATE_EPOCH is 'soon', and no number of seconds"):
        stamp()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", stamp().made)
