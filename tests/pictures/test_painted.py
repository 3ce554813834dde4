"""Pictures in files: texts that overlap nowhere, the same bytes each time, and names that are only text."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, permutations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.errors import OptionsError
from kvplan.pictures.chart import Axis, Edge
from kvplan.pictures.painted.edges import edge_rows
from kvplan.pictures.painted.files import settings
from kvplan.pictures.painted.page import painted

H100: dict[str, Any] = {"gpu": "h100-80gb"}
HOSTILE = "a $x^2$ <script>alert(1)</script> \u202eb\x1b[31m & \\frac{"

ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "memory": ("memory", "llama-3.1-8b", H100 | {"context": "8k"}),
    "memories": (
        "memory",
        "llama-3.1-8b,qwen3-32b,llama-3.1-70b",
        H100 | {"engine": "vllm", "context": "8k"},
    ),
    "frontier": ("frontier", "gemma-3-27b", H100 | {"engine": "vllm", "context": "2k,8k,32k"}),
    "frontiers": ("frontier", "llama-3.1-8b,gemma-3-12b,qwen3-8b,deepseek-v2-lite", H100),
    "growth": ("growth", "gemma-3-27b", {"engine": "vllm"}),
    "growths": ("growth", "llama-3.1-8b,gpt-oss-20b,qwen3-next-80b-a3b,deepseek-v3", {}),
    "tp": ("tp", "llama-3.1-70b", H100 | {"context": "8k"}),
    "waterfall": ("waterfall", "gemma-3-27b", H100 | {"engine": "vllm,sglang", "context": "32k"}),
    "heat": ("heat", "llama-3.1-70b", H100 | {"tp": "1,2,3,4,8", "context": "8k..128k"}),
    "traffic": (
        "traffic",
        "qwen3-8b",
        H100 | {"traffic": "uniform:1k..4k", "outputs": "fixed:64", "context": "8k", "engine": "vllm"},
    ),
}


@cache
def chart_of(name: str) -> kvplan.Chart:
    kind, models, options = ASKED[name]
    return kvplan.plot(kind, models, **options)


def texts(figure: Any) -> Iterator[Any]:
    """Yield every text that is seen: titles, legends, ticks, names, answers."""
    yield from (each for each in figure.texts if each.get_text())
    for axes in figure.axes:
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
        yield from (each for each in ticks if each.get_text())


@pytest.mark.parametrize("width", [960, 400])
@pytest.mark.parametrize("name", [*ASKED, "traffic"])
def test_no_text_overlaps_another_or_leaves_the_picture(name: str, width: int) -> None:
    with settings():
        figure = painted(chart_of(name), dark=False, width=width)
        figure.set_dpi(192)  # As in a file: fewer pixels would make letters narrower.
        figure.draw_without_rendering()
        boxes = [(each.get_text(), each.get_window_extent().padded(-2)) for each in texts(figure)]
        sheet = figure.bbox
    assert len(boxes) > 8
    touching = [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]
    assert touching == []
    outside = [
        text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > sheet.x1 or box.y1 > sheet.y1
    ]
    assert outside == []


class Letters:
    """A sheet on which every letter takes 8 pixels."""

    def text_width(self, text: str, _size: float, *, bold: bool) -> float:
        return 8.0 * len(text) * (1.1 if bold else 1)


@given(st.lists(st.integers(200, 1000), min_size=1, max_size=5), st.integers(0, 4))
def test_no_line_crosses_the_name_of_another(places: list[int], hard: int) -> None:
    """However close a card's edge and percentiles are; each line ends at its own name."""
    axis = Axis(label="", scale="linear", low=0, high=1000, ticks=())
    edges = [Edge(at=at, text=f"p50 {at}.00 GiB", hard=place == hard) for place, at in enumerate(places)]
    placed = edge_rows(Letters(), edges, axis, 0, 1000)  # type: ignore[arg-type]  # what it asks of a sheet
    for one, other in permutations(placed, 2):
        passes = other.row > one.row or (other.row == one.row and other.edge.at != one.edge.at)
        assert not (passes and one.left < other.edge.at < one.right)
        assert one.row != other.row or one.right < other.left or other.right < one.left
    assert all(each.left >= 0 and each.right <= 1000 for each in placed)


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_is_the_same_bytes_each_time_and_names_no_date(dark: bool) -> None:  # noqa: FBT001 - a case
    one, other = (chart_of("memories").to_svg(dark=dark) for _ in range(2))
    assert one == other
    assert "<dc:date>" not in one


def test_text_stays_text_in_svg() -> None:
    root = ET.fromstring(chart_of("frontier").to_svg())  # noqa: S314 - our own
    found = {"".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"8k", "32k", "sequences held at once", "context, tokens per sequence", "does not fit"} <= found
    assert chart_of("frontier").title in found


def test_a_hostile_name_is_text_in_every_kind_of_file(tmp_path: Path) -> None:
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"name": HOSTILE})
    chart = kvplan.plot("memory", [spec, "qwen3-8b"], context="8k", **H100)
    root = ET.fromstring(chart.to_svg())  # noqa: S314 - our own
    shown = "".join("".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "a $x^2$ <script>alert(1)</script> \\u202eb\\x1b[31m & \\frac{" in shown
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert "\x1b" not in str(chart)
    assert "<script>" not in chart._repr_html_()
    for ending in ("png", "pdf"):
        chart.save(tmp_path / f"a.{ending}")


def test_a_file_is_replaced_whole_or_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("mine")
    for refused in (tmp_path / "picture.gif", tmp_path / "picture"):
        with pytest.raises(OptionsError, match=r"ends in \.png, \.svg or \.pdf"):
            chart_of("memory").save(refused)
    with pytest.raises(OptionsError, match="320 to 4,000 pixels"):
        chart_of("memory").save(path, width=100)
    assert path.read_text() == "mine"
    chart_of("memory").save(path, width=480)
    assert path.read_bytes()[16:20] == (2 * 480).to_bytes(4, "big")  # two pixels of a file for each
    assert sorted(tmp_path.iterdir()) == [path]
