"""The reports of a comparison, a grid and a reconciliation: structure, figures by hand, and inert names."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.reconcile import reconcile
from kvplan.report.reports import report_of, text_of
from kvplan.shown import Shown
from tests.report.pages import Page
from tests.report.test_markdown import texts
from tests.report.test_page import HOSTILE, SHOWN

LOG = """\
INFO model_runner.py:1115] Initializing a V1 LLM engine (v0.19.0) with config: \
model='meta-llama/Llama-3.1-8B-Instruct', max_seq_len=8192, tensor_parallel_size=1
INFO Available KV cache memory: 58.11 GiB
INFO GPU KV cache size: 476,016 tokens
"""
HOSTILE_SPEC = kvplan.load("llama-3.1-8b").model_copy(update={"name": HOSTILE, "source": HOSTILE})


def compared() -> Shown:
    return kvplan.compare(["llama-3.1-8b", "qwen3-8b"], gpu="h100-80gb", context="8k", engine="vllm")


def swept() -> Shown:
    return kvplan.sweep("llama-3.1-8b", gpu="h100-80gb", tp=[1, 2, 3], context="8k,16k")


def reconciled() -> Shown:
    return reconcile(LOG)


ANSWERS = {"compare": compared, "sweep": swept, "reconcile": reconciled}
FIRST = {
    "compare": "Of 2 alternatives llama-3.1-8b holds the most: 54 x 8,192 tokens.",
    "sweep": "llama-3.1-8b: max_batch by context, 117 at the most: tp 2, context 8k",
    "reconcile": "The log agrees with the plan: 1 figure in the rounding.",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_answer_is_first_and_the_same_in_each_form(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    answer = ANSWERS[kind]()
    for name in ("report.html", "report.md", "report.json"):
        answer.report(tmp_path / name)
    page = Page((tmp_path / "report.html").read_text())
    seen = [text for text in page.texts if text.strip()]
    assert seen[:2] == [FIRST[kind], FIRST[kind]]  # The title of the window, and that of the page.
    assert len(page.of("h1")) == 1
    titles = {"Batch against context", "The formula, with its numbers and sources", "What is assumed"}
    assert titles <= set(seen)
    written = texts((tmp_path / "report.md").read_text())
    assert written[0] == FIRST[kind]
    assert titles <= set(written)
    assert written[-1] == seen[-1] == f"kvplan {kvplan.__version__}, 2023-11-14 22:13 UTC"
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["frontier"][0]["points"]
    assert told["assumptions"]


def test_cards_stand_side_by_side_to_one_scale() -> None:
    page = Page(kvplan.compare("llama-3.1-8b", gpu="l4-24gb,h100-80gb", context="8k").to_html())
    widths = [float(each["style"].removeprefix("width: ").rstrip("%")) for each in page.of("div", "bar")]
    assert widths[1] == 100
    assert widths[0] == pytest.approx(
        100 * kvplan.fit("llama-3.1-8b", gpu="l4-24gb").memory.gpu_bytes / 85018877624, abs=0.01
    )


def test_a_comparison_without_a_card_is_of_caches() -> None:
    report = report_of(kvplan.compare("llama-3.1-8b,qwen3-8b", context="8k"))
    assert report.title == "Of 2 alternatives llama-3.1-8b caches the least: 1 GiB for 8,192 tokens."
    assert report.data["frontier"] == []


def test_where_no_alternative_has_an_answer_the_reasons_are_there() -> None:
    report = report_of(kvplan.compare("llama-3.1-8b", gpu="h100-80gb", tp=[3, 5], context="8k"))
    assert report.title == "None of 2 alternatives has an answer."
    assert "32 heads do not spread over tp=3" in text_of(report, ".md")


def test_several_answers_are_one_report(tmp_path: Path) -> None:
    answers = [make() for make in ANSWERS.values()]
    for name in ("all.html", "all.md", "all.json"):
        kvplan.write_report(answers, tmp_path / name)
    page = Page((tmp_path / "all.html").read_text())
    assert len(page.of("h1")) == 4
    assert [text for text in page.texts if text.strip()][1:5] == [
        "3 answers",
        *(f"{number}. {FIRST[kind]}" for number, kind in enumerate(ANSWERS, 1)),
    ]
    written = texts((tmp_path / "all.md").read_text())
    assert [written.index(title) for title in FIRST.values()] == sorted(map(written.index, FIRST.values()))
    assert len(json.loads((tmp_path / "all.json").read_text())["reports"]) == 3
    with pytest.raises(OptionsError, match="no answer to report"):
        kvplan.write_report([], tmp_path / "none.html")


def test_cells_of_a_grid_are_shaded_by_their_logarithm() -> None:
    """Of 117 at 8k with tp 2 down to 26 at 16k with tp 1; refused ones have a number, and no shade."""
    page = Page(swept().to_html())
    shades = [each["style"] for each in page.of("td") if "style" in each]
    # log(53 / 26) / log(117 / 26) = 0.473, log(58 / 26) / log(117 / 26) = 0.533
    assert shades == ["--shade: 47%", "--shade: 0%", "--shade: 100%", "--shade: 53%"]
    assert "[1] llama-3.1-8b: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0" in page.texts


def test_a_grid_of_many_plans_is_one_page() -> None:
    grid = kvplan.sweep(
        "llama-3.1-8b,qwen3-8b,gemma-3-12b,qwen3-14b,qwen3-32b",
        gpu=["h100-80gb", "h200-141gb"],
        tp=[1, 2],
        context="8k..128k",
    )
    page = Page(grid.to_html())
    assert len(page.of("table", "cards")) == 1
    assert len(page.of("div", "bar")) == 20
    lines = {kind for each in page.of("path") for kind in re.findall(r"line\d", each["class"])}
    assert lines == {f"line{number}" for number in range(8)}
    assert "the first 8 of 20 plans" in page.texts


@pytest.mark.parametrize("ending", [".html", ".md"])
def test_a_hostile_model_is_text_in_every_report(ending: str) -> None:
    options: dict[str, Any] = {"gpu": "h100-80gb", "context": "8k", "engine": "vllm"}
    answers = [kvplan.compare([HOSTILE_SPEC, "qwen3-8b"], **options), kvplan.sweep(HOSTILE_SPEC, **options)]
    for answer in answers:
        text = text_of(report_of(answer), ending)
        said = "".join(Page(text).texts if ending == ".html" else texts(text))
        assert SHOWN in said


def test_what_differs_is_explained_in_the_report() -> None:
    answer = reconcile(LOG.replace("476,016", "952,032"))
    assert answer.explained
    report = report_of(answer)
    assert report.title == "The log is explained: the KV cache is stored in fp8."
    (stored,) = (each for each in report.data["assumptions"] if each["what"] == "KV cache in")
    assert stored["taken"] == "fp8"


def test_too_large_a_grid_for_a_table_is_refused_before_a_file_is_touched(tmp_path: Path) -> None:
    grid = kvplan.sweep("llama-3.1-8b", gpu="h100-80gb", context=range(1024, 40_000))
    with pytest.raises(OptionsError, match="no table to read"):
        grid.save(tmp_path / "report.html")
    assert not [*tmp_path.iterdir()]
