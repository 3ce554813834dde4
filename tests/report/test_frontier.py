"""The line between what fits and what does not, as the plan itself answers."""

import kvplan
from kvplan.planner.stairs import sampled
from kvplan.report.frontier import frontier


def test_each_point_is_what_the_plan_holds_and_no_more() -> None:
    plan = kvplan.plan("llama-3.1-8b", gpu="h100-80gb")
    chart = frontier([("formula", plan)], asked=8192)
    assert chart is not None
    points = dict(chart.series[0].points)
    assert points[8192] == 53  # 57,147,092,298 B // (8,192 x 131,072 B)
    assert max(points) == 131072
    for context, most in points.items():
        assert plan.fits([(context, most)])
        assert not plan.fits([(context, most + 1)])


def test_the_range_is_that_of_the_estimate() -> None:
    plan = kvplan.plan("llama-3.1-8b", gpu="h100-80gb")
    chart = frontier([("formula", plan), ("again", plan)], asked=8192)
    assert chart is not None
    assert (8192, 52, 53) in chart.series[0].between
    for (context, most), (same, low, high) in zip(
        chart.series[0].points, chart.series[0].between, strict=True
    ):
        assert context == same
        assert low <= most <= high
    assert not chart.series[1].between


def test_where_nothing_stands_there_is_no_line() -> None:
    assert frontier([("formula", kvplan.plan("llama-3.1-70b", gpu="l4-24gb"))], asked=8192) is None


def test_contexts_are_doubled_with_some_between() -> None:
    assert sampled(1024, 4096, 3000, per_doubling=4) == [
        1024,
        1218,
        1448,
        1722,
        2048,
        2435,
        2896,
        3000,
        3444,
        4096,
    ]
