"""Pictures as data: what stands on them is what `fit` answers, and what a reader can check by hand."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError, OptionsError
from kvplan.pictures.chart import Bars, Lines
from kvplan.pictures.scales import bytes_axis, context_axis, count_axis, gib_axis
from kvplan.units import GIB

H100: dict[str, Any] = {"gpu": "h100-80gb"}


def lines(chart: kvplan.Chart) -> Lines:
    (panel,) = chart.panels
    assert isinstance(panel, Lines)
    return panel


def bars(chart: kvplan.Chart) -> Bars:
    panel = chart.panels[0]
    assert isinstance(panel, Bars)
    return panel


def test_ticks_are_round_in_the_units_of_their_axis() -> None:
    assert [each.text for each in context_axis(1024, 131072).ticks] == [
        "1k",
        "2k",
        "4k",
        "8k",
        "16k",
        "32k",
        "64k",
        "128k",
    ]
    first = [each.text for each in context_axis(1024, 2**20).ticks if each.rank == 0]
    assert first == ["8k", "128k"]
    assert [each.text for each in count_axis("", 0.8, 60).ticks] == ["1", "2", "5", "10", "20", "50"]
    assert [each.text for each in gib_axis("memory", 79 * GIB).ticks] == ["0", "20", "40", "60"]
    assert gib_axis("memory", 79 * GIB).label == "memory, GiB"
    named = [each.text for each in bytes_axis("", 2**20, 2**31).ticks if each.rank == 0]
    assert named == ["1 MiB", "1 GiB"]


def test_a_frontier_is_what_fit_holds_at_each_context() -> None:
    panel = lines(kvplan.plot("frontier", "llama-3.1-8b", engine="vllm", **H100))
    own, formula = panel.series
    assert (own.look, formula.look) == ("line", "formula")
    held, ceiling = dict(own.points), dict(formula.points)
    for context in (1024, 8192, 131072):
        fit = kvplan.fit("llama-3.1-8b", engine="vllm", context=context, **H100)
        assert (held[context], ceiling[context]) == (fit.max_batch, fit.analytic_max_batch)
    assert [y for _, y in own.points] == sorted(held.values(), reverse=True)


def test_a_frontier_steps_down_exactly_where_one_sequence_fewer_fits() -> None:
    """And ends on the axis where not one fits any more: 24 GB hold no 128k of this model."""
    panel = lines(kvplan.plot("frontier", "llama-3.1-8b", gpu="l4-24gb", engine="exact"))
    points = dict(panel.series[0].points)
    for sequences in (1, 2, 3):
        last = kvplan.plan("llama-3.1-8b", gpu="l4-24gb").max_context(sequences)
        assert last is not None
        assert (points[last], points[last + 1]) == (sequences, sequences - 1 or panel.y.low)
    assert panel.series[0].points[-1][1] == panel.y.low


def test_nothing_fits_above_the_bound_of_several_lines() -> None:
    chart = kvplan.plot("frontier", ["llama-3.1-8b", "gemma-3-12b"], **H100)
    panel = lines(chart)
    bound = dict(panel.bound)
    for series in panel.series:
        assert all(bound[x] >= y for x, y in series.points)
    best = {x: max(dict(each.points)[x] for each in panel.series) for x in (1024, 32768, 131072)}
    assert {x: bound[x] for x in best} == best
    answers = {
        name: kvplan.fit(name, context="32k", **H100).max_batch for name in ("gemma-3-12b", "llama-3.1-8b")
    }
    said = ", ".join(f"{name} {held}" for name, held in answers.items())
    assert chart.title == f"Sequences of 32k: {said}"
    assert [each.note for each in panel.series] == [f"{answers[each.name]} at 32k" for each in panel.series]


def test_a_frontier_marks_the_contexts_that_are_asked_for() -> None:
    panel = lines(kvplan.plot("frontier", "llama-3.1-8b", context="4k,64k", **H100))
    assert [(each.x, each.text) for each in panel.marks] == [(4096, "106 of 4k"), (65536, "6 of 64k")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 4}, "--batch: a picture of the kind frontier is of all batches"),
        ({"tp": "1,2,4,8", "kv_dtype": "bf16,fp8,int8"}, "12 plans are more than the 8"),
    ],
)
def test_what_has_no_place_in_a_frontier_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionsError, match=said):
        kvplan.plot("frontier", "llama-3.1-8b", **H100, **options)


def test_without_a_frontier_a_line_says_why() -> None:
    with pytest.raises(KvplanError, match=r"llama-3.1-405b does not fit on one NVIDIA H100"):
        kvplan.plot("frontier", "llama-3.1-405b", **H100)
    with pytest.raises(KvplanError, match="bert-base-uncased caches nothing"):
        kvplan.plot("frontier", "bert-base-uncased", **H100)
    with pytest.raises(OptionsError, match="did you mean 'frontier'"):
        kvplan.plot("frontiers", "llama-3.1-8b", **H100)


def test_the_parts_of_a_filled_card_are_those_of_fit_and_make_up_the_card() -> None:
    chart = kvplan.plot("memory", "llama-3.1-8b", context="8k", **H100)
    (bar,) = bars(chart).bars
    filled = kvplan.fit("llama-3.1-8b", context="8k", **H100).filled
    sizes = {part.kind: part.end - part.start for part in bar.parts}
    assert sizes == {
        "weights": filled.weights_bytes,
        "activation": filled.activation_bytes,
        "overhead": filled.overhead_bytes,
        "kept": filled.gpu_bytes - filled.budget_bytes,
        "used": 53 * 8192 * 131072,  # 2 x 8 groups x 128 x 2 bytes x 32 layers a token
        "free": filled.free_bytes,
    }
    assert [part.start for part in bar.parts[1:]] == [part.end for part in bar.parts[:-1]]
    assert sum(sizes.values()) == filled.gpu_bytes == bars(chart).x.high
    assert chart.title == "llama-3.1-8b on one NVIDIA H100 SXM 80GB: 53 sequences of 8k fit"
    printed = sum(float(part.text.removesuffix(" GiB")) for part in bar.parts)
    assert round(printed, 2) == round(filled.gpu_bytes / GIB, 2)


def test_what_does_not_fit_stands_behind_the_edge_of_the_card() -> None:
    chart = kvplan.plot("memory", "llama-3.1-8b", context="8k", batch=80, **H100)
    (bar,) = bars(chart).bars
    memory = kvplan.fit("llama-3.1-8b", context="8k", batch=80, **H100).memory
    *_, used, missing = bar.parts
    assert (used.kind, used.end) == ("used", memory.gpu_bytes)
    assert (missing.kind, missing.start, missing.end - missing.start) == (
        "missing",
        memory.gpu_bytes,
        -memory.free_bytes,
    )
    assert chart.title.endswith("80 sequences of 8k do not fit, at most 53 do")
    (edge,) = bars(chart).edges
    assert (edge.at, edge.hard) == (memory.gpu_bytes, True)
