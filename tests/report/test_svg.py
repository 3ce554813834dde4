"""A chart's picture: its lines lie where the axes say, its ticks are round, and nothing lies on another."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from kvplan.report.document import Chart, Mark, Series
from kvplan.report.svg import svg, x_ticks, y_ticks
from tests.report.pages import Page

CHART = Chart(
    "Batch against context",
    "tokens",
    "sequences",
    (Series("one", ((1024, 1000), (2048, 500), (131072, 20)), ((1024, 900, 1100), (2048, 500, 501))),),
    (Mark("20 x 131,072 tokens", 131072, 20),),
)


def path(drawn: str, kind: str) -> list[tuple[float, float]]:
    """Return the points of a path of a class."""
    (found,) = re.findall(rf'<path class="{kind}" d="([^"]*)"', drawn)
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", found)]


def ticks(drawn: str) -> dict[str, tuple[float, float]]:
    texts = re.findall(r'<text class="tick" x="([\d.]+)" y="([\d.]+)" text-anchor="\w+">([^<]*)<', drawn)
    return {text: (float(x), float(y)) for x, y, text in texts}


@pytest.mark.parametrize(("width", "height"), [(720, 340), (350, 300)])
def test_a_line_passes_where_the_ticks_say(width: int, height: int) -> None:
    drawn = svg(CHART, width=width, height=height)
    line, at = path(drawn, "line line0"), ticks(drawn)
    assert line[0] == (at["1k"][0], at["1,000"][1] - 4)
    assert line[-1][0] == max(x for x, _ in line) <= width
    # Both axes are logarithmic: each ten is as high as the other.
    assert at["1"][1] - at["10"][1] == pytest.approx(at["10"][1] - at["100"][1], abs=0.2)


@pytest.mark.parametrize(("width", "height"), [(720, 340), (350, 300)])
def test_ticks_do_not_touch(width: int, height: int) -> None:
    at = ticks(svg(CHART, width=width, height=height))
    below = sorted(x for text, (x, _) in at.items() if text.endswith(("k", "m")))
    beside = sorted(y for text, (_, y) in at.items() if not text.endswith(("k", "m")))
    assert len(below) >= 2
    assert len(beside) >= 2
    assert all(right - left >= 40 for left, right in pairwise(below))
    assert all(lower - upper >= 14 for upper, lower in pairwise(beside))


def test_a_range_down_to_none_reaches_the_axis() -> None:
    chart = Chart("", "", "", (Series("one", ((1024, 30), (4096, 20)), ((1024, 25, 35), (4096, 0, 22))),))
    drawn = svg(chart, width=720, height=340)
    assert max(y for _, y in path(drawn, "between")) == ticks(drawn)["1"][1] - 4


def test_a_range_lies_on_both_sides_of_its_line() -> None:
    """The line falls behind 1,024 and 3,000; what is most may fall as late as at the next point."""
    points = ((1024, 3), (3000, 2), (4096, 1))
    chart = Chart("", "", "", (Series("one", points, tuple((x, y, y) for x, y in points)),))
    drawn = svg(chart, width=720, height=340)
    line, band = path(drawn, "line line0"), path(drawn, "between")
    assert band[5:] == line[::-1]
    assert [x for x, _ in band[:5]] == [line[0][0], line[2][0], line[2][0], line[4][0], line[4][0]]


def test_few_sequences_are_stairs_that_never_promise_more() -> None:
    """Two stand up to 3,000 tokens, and one from there on: the line falls right behind 3,000."""
    few = Chart("", "", "", (Series("one", ((1024, 3), (3000, 2), (4096, 1))),))
    line = path(svg(few, width=720, height=340), "line line0")
    assert [x for x, _ in line] == [line[0][0], line[0][0], line[2][0], line[2][0], line[4][0]]


@pytest.mark.parametrize(("width", "height"), [(720, 340), (350, 300)])
@pytest.mark.parametrize("at", [(2048, 500), (131072, 20), (32768, 600), (1024, 3)])
def test_the_name_of_a_point_is_in_the_picture_and_on_no_line(
    width: int, height: int, at: tuple[int, int]
) -> None:
    drawn = svg(replace(CHART, marks=(Mark("20 x 131,072", *at),)), width=width, height=height)
    ((x, y, anchor),) = re.findall(r'class="said" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)"', drawn)
    left = float(x) - (12 * 6.6 if anchor == "end" else 0)
    assert left >= 58
    assert left + 12 * 6.6 <= width - 14
    for (x1, y1), (x2, y2) in pairwise(path(drawn, "line line0")):
        for step in range(101):
            across, up = x1 + (x2 - x1) * step / 100, y1 + (y2 - y1) * step / 100
            assert not (left <= across <= left + 12 * 6.6 and float(y) - 8 <= up <= float(y))


def test_ticks_are_powers_of_two_and_of_ten() -> None:
    assert x_ticks(1000, 131072, 8) == [1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072]
    assert x_ticks(1024, 131072, 4) == [1024, 4096, 16384, 65536]
    assert y_ticks(30) == [1, 2, 5, 10, 20]
    assert y_ticks(40_000) == [1, 10, 100, 1000, 10_000]


def test_names_in_a_picture_are_text() -> None:
    hostile = '"><script>x</script>\u202e\n'
    chart = Chart(hostile, hostile, hostile, (Series(hostile, ((1, 20), (9, 18))),), (Mark(hostile, 9, 18),))
    page = Page(svg(chart, width=720, height=340))
    assert page.texts.count('"><script>x</script>\\u202e\\n') == 3  # Both axes, and the point.
    assert not page.of("script")
