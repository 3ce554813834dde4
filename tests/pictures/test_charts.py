"""Pictures as data: what stands on them is what `fit` answers, and what a reader can check by hand."""

from dataclasses import replace
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError, OptionsError
from kvplan.pictures.chart import Bars, Heat, Lines
from kvplan.pictures.scales import bytes_axis, context_axis, count_axis, gib_axis
from kvplan.pictures.traffic import histogram
from kvplan.traffic.held import Histogram
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
    said = ", ".join(f"{held} with {name}" for name, held in answers.items())
    assert chart.title == f"Sequences of 32k: {said}"
    assert [each.note for each in panel.series] == [f"{answers[each.name]} at 32k" for each in panel.series]


def test_a_frontier_marks_the_contexts_that_are_asked_for() -> None:
    panel = lines(kvplan.plot("frontier", "llama-3.1-8b", context="4k,64k", **H100))
    assert [(each.x, each.text) for each in panel.marks] == [(4096, "106 of 4k"), (65536, "6 of 64k")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"context": "8k,1m"}, "--context 1m: the lines of this picture go from 1k to 128k"),
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
    cut = f"{(used.end - used.start) / GIB:.2f} of {memory.kv_used_bytes / GIB:.2f} GiB"
    assert used.text == cut
    (edge,) = bars(chart).edges
    assert (edge.at, edge.hard) == (memory.gpu_bytes, True)


def test_growth_has_its_kink_where_a_window_is_full() -> None:
    """By hand, of Gemma 3 27B: 2 x 16 groups x 128 x 2 bytes a token and layer, 10 of 62 without a window."""
    panel = lines(kvplan.plot("growth", "gemma-3-27b", context="8k"))
    points, layer = dict(panel.series[0].points), 2 * 16 * 128 * 2
    assert points[512] == 62 * layer * 512
    assert points[1024] == 62 * layer * 1024
    assert points[8192] == (10 * 8192 + 52 * 1024) * layer
    assert [(each.at, each.text) for each in panel.edges] == [(1024, "window of 1k full")]
    assert [each.text for each in panel.marks] == ["1.03 GiB at 8k"]


def test_growth_of_an_engine_steps_by_its_blocks_beside_the_formula() -> None:
    """VLLM's 16 tokens a block, drawn before and after each: 128 KiB a token."""
    panel = lines(kvplan.plot("growth", "llama-3.1-8b", engine="vllm"))
    own, formula = (dict(each.points) for each in panel.series)
    assert (own[320], own[321]) == (320 * 131072, 336 * 131072)
    assert formula[512] == 512 * 131072
    for context in (256, 8192, 131072):
        size = kvplan.size("llama-3.1-8b", engine="vllm", context=context)
        assert own[context] == size.bytes_per_sequence


def test_a_state_stands_from_the_first_token_on() -> None:
    chart = kvplan.plot("growth", "qwen3-next-80b-a3b")
    fixed = kvplan.size("qwen3-next-80b-a3b", context=1).fixed_bytes
    low, high = lines(chart).series[0].points[0][1], 256 * 24 * 1024
    assert low == fixed + high  # 24 KiB a token
    (note,) = chart.notes
    assert "one more token adds 24 KiB" in note
    assert "its states, 73.69 MiB by the formula" in note


def test_tp_names_why_a_degree_is_none_and_what_is_stored_twice() -> None:
    """8 groups on 16 GPUs: 2 x 2.5 GiB; 64 heads are no multiple of 3."""
    held, stored = kvplan.plot("tp", "llama-3.1-70b", tp="2,3,8,16", context="8k", **H100).panels
    assert isinstance(held, Bars)
    assert isinstance(stored, Bars)
    assert [each.name for each in held.bars] == ["TP 2", "TP 3", "TP 8", "TP 16"]
    two, three, eight, sixteen = held.bars
    assert (two.text, two.parts) == ("none", ())
    assert three.refusal == "64 heads do not spread over tp=3: 64 % 3 is 1, not 0"
    most = kvplan.fit("llama-3.1-70b", tp=8, context="8k", **H100).max_batch
    assert (eight.parts[0].end, eight.text) == (most, "156, 19.5 on each GPU")
    assert sixteen.text.startswith("183, ")
    assert [(each.name, each.text) for each in stored.bars] == [
        ("TP 2", "2.5 GiB, once"),
        ("TP 8", "2.5 GiB, once"),
        ("TP 16", "5 GiB, 8 groups on 16 GPUs"),
    ]


def test_tp_is_of_one_model_and_raises_what_is_wrong_with_all_degrees() -> None:
    with pytest.raises(OptionsError, match="is of one model on one kind of card"):
        kvplan.plot("tp", "llama-3.1-8b,qwen3-8b", tp="1,2", **H100)
    with pytest.raises(KvplanError, match="64 heads do not spread over tp=3"):
        kvplan.plot("tp", "llama-3.1-70b", tp=3, **H100)
    with pytest.raises(OptionsError, match="give a GPU"):
        kvplan.plot("tp", "llama-3.1-8b")


def test_a_waterfall_goes_from_the_formula_to_what_is_reserved() -> None:
    chart = kvplan.plot("waterfall", "gemma-3-27b", engine="vllm", context="32k", **H100)
    told = kvplan.fit("gemma-3-27b", engine="vllm", context="32k", **H100)
    *rows, last = bars(chart).bars
    assert [row.name for row in rows] == [line.name for line in told.waterfall]
    assert [row.parts[0].end - row.parts[0].start for row in rows] == [
        abs(line.size_bytes) for line in told.waterfall
    ]
    assert [row.parts[0].start for row in rows[1:]] == [row.parts[0].end for row in rows[:-1]]
    assert (last.name, last.parts[0].end) == ("reserved", told.memory.kv_used_bytes)
    formula = (10 * 32768 + 52 * 1024) * 2 * 16 * 128 * 2
    assert rows[0].parts[0].end == formula
    assert chart.title.endswith(f"{told.memory.kv_used_bytes / formula:.1f} times the formula's 2.91 GiB")


def test_a_map_has_the_cells_of_its_sweep_and_the_reasons_of_those_without() -> None:
    chart = kvplan.plot("heat", "llama-3.1-70b", tp="2,3,8", context="8k,32k", **H100)
    (panel,) = chart.panels
    assert isinstance(panel, Heat)
    assert (panel.across, panel.down, panel.columns, panel.rows) == (
        "context",
        "tp",
        ("8k", "32k"),
        ("2", "3", "8"),
    )
    assert [[cell.value for cell in row] for row in panel.cells] == [[0, 0], [None, None], [156, 39]]
    assert [cell.text for cell in panel.cells[1]] == ["[1]", "[1]"]
    assert chart.notes[0].startswith("[1] llama-3.1-70b: 64 heads do not spread over tp=3")
    assert chart.title == "Sequences held at once by context and tp: 156 at the most, with tp 8, context 8k"
    with pytest.raises(OptionsError, match="a map has two axes"):
        kvplan.plot("heat", "llama-3.1-70b", context="8k,32k", **H100)
    with pytest.raises(OptionsError, match="--rows is of a map"):
        kvplan.plot("memory", "llama-3.1-70b", rows="tp", **H100)


def test_traffic_is_drawn_as_a_histogram() -> None:
    memory = Histogram(
        sequences=7,
        room_bytes=28 * GIB,
        p50_bytes=17 * GIB,
        p99_bytes=25 * GIB,
        edges_bytes=(10 * GIB, 20 * GIB, 30 * GIB),
        shares=(0.75, 0.25),
    )
    panel = histogram(memory, "")
    assert panel.series[0].points == ((10 * GIB, 75), (20 * GIB, 25), (30 * GIB, 25))
    assert [(each.at // GIB, each.hard) for each in panel.edges] == [(17, False), (25, False), (28, True)]
    assert panel.x.high > 30 * GIB
    assert panel.x.label == "KV memory of each GPU that 7 sequences need at once, GiB"


def test_traffic_of_several_plans_has_a_panel_each() -> None:
    asked = {"gpu": "h100-80gb", "engine": "exact,vllm", "context": "8k"}
    chart = kvplan.plot("traffic", "qwen3-8b", traffic="uniform:1k..4k", outputs="fixed:64", **asked)
    assert len(chart.panels) == 2
    held = kvplan.hold(
        "qwen3-8b", traffic="uniform:1k..4k", outputs="fixed:64", gpu="h100-80gb", context="8k"
    )
    assert f"exact: {held.likely:,} sequences run at a risk of 1 %" in chart.title
    assert held.plot().panels[0] == replace(chart.panels[0], x=held.plot().panels[0].x)
