"""Results that draw themselves, and pages of them in notebooks."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.pictures.chart import Bars

H100: dict[str, Any] = {"gpu": "h100-80gb"}


def test_results_are_drawn_as_the_command_draws_them() -> None:
    fit = kvplan.fit("llama-3.1-8b", context="8k", batch=4, **H100)
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("memory", {"context": "8k", "batch": 4}),
        ("frontier", {}),
        ("growth", {}),
        ("waterfall", {"context": "8k", "batch": 4}),
    )
    for kind, options in cases:
        assert fit.plot(kind) == kvplan.plot(kind, "llama-3.1-8b", **options, **H100)
    assert fit.plot() == fit.plot("memory")
    plan = kvplan.plan("llama-3.1-8b", **H100)
    assert plan.plot(context="4k") == kvplan.plot("frontier", "llama-3.1-8b", context="4k", **H100)
    assert plan.plot("memory", context="8k").title.endswith("53 sequences of 8k fit")
    assert kvplan.size("llama-3.1-8b").plot() == kvplan.plot("growth", "llama-3.1-8b")
    grid: dict[str, Any] = {"tp": "1,2", "context": "8k,16k"}
    assert kvplan.sweep("llama-3.1-8b", **grid, **H100).plot() == kvplan.plot(
        "heat", "llama-3.1-8b", **grid, **H100
    )


def test_a_comparison_is_drawn_by_what_its_rows_hold_or_take() -> None:
    chart = kvplan.compare("llama-3.1-8b", context="8k", tp="1,3", **H100).plot()
    (panel,) = chart.panels
    assert isinstance(panel, Bars)
    one, three = panel.bars
    assert (one.name, one.parts[0].end, one.text) == ("tp 1", 53, "53")
    assert three.refusal.startswith("llama-3.1-8b: 32 heads do not spread over tp=3")
    sizes = kvplan.compare("llama-3.1-8b,qwen3-8b", context="8k").plot()
    assert sizes.title == "Bytes of one sequence: llama-3.1-8b takes least"


def test_what_a_result_is_not_drawn_as_is_refused() -> None:
    fit = kvplan.fit("llama-3.1-8b", context="8k", **H100)
    with pytest.raises(
        OptionsError, match="Fit is drawn as memory, frontier, growth, waterfall, and not as 'tp'"
    ):
        fit.plot("tp")
    with pytest.raises(OptionsError, match="contxt: a picture of the kind frontier takes context"):
        fit.plot("frontier", contxt="8k")


def test_notebooks_show_results_as_pages_without_a_name_as_markup() -> None:
    name = "<script>alert(1)</script>"
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"name": name})
    answers = (
        kvplan.fit(spec, context="8k", **H100),
        kvplan.size(spec),
        kvplan.compare([spec], context="8k"),
        kvplan.sweep([spec], context="8k,16k", **H100),
        kvplan.plan(spec, **H100),
    )
    for answer in answers:
        page = answer._repr_html_()
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
    assert "53" in answers[0]._repr_html_()


def test_nothing_is_imported_for_pictures_before_one_is_asked_for() -> None:
    from tests.program import start  # noqa: PLC0415 - a program of its own

    script = (
        "import kvplan, sys; fit = kvplan.fit('llama-3.1-8b', gpu='h100-80gb', context=8192); fit.max_batch;"
        "kvplan.plot; assert not {'kvplan.pictures.answers', 'matplotlib', 'plotille'} & set(sys.modules);"
        "print(fit.plot()); sys.exit('matplotlib' in sys.modules)"
    )
    done = start(script=script)
    assert (done.returncode, done.stderr) == (0, "")
    assert "53 sequences of 8k fit" in done.stdout
