"""Pictures in files: texts that overlap nowhere, the same bytes each time, and names that are only text."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.pictures.painted.files import settings
from kvplan.pictures.painted.page import painted

H100: dict[str, Any] = {"gpu": "h100-80gb"}
HOSTILE = "a $x^2$ <script>alert(1)</script> \u202eb\x1b[31m & \\frac{"

CHARTS: dict[str, kvplan.Chart] = {
    "memory": kvplan.plot("memory", "llama-3.1-8b", context="8k", **H100),
    "memories": kvplan.plot(
        "memory", "llama-3.1-8b,qwen3-32b,llama-3.1-70b", engine="vllm", context="8k", **H100
    ),
    "frontier": kvplan.plot("frontier", "gemma-3-27b", engine="vllm", context="2k,8k,32k", **H100),
    "frontiers": kvplan.plot("frontier", "llama-3.1-8b,gemma-3-12b,qwen3-8b,deepseek-v2-lite", **H100),
}


def texts(figure: Any) -> Iterator[Any]:
    """Yield every text that is seen: titles, legends, ticks, names, answers."""
    yield from (each for each in figure.texts if each.get_text())
    for axes in figure.axes:
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
        yield from (each for each in ticks if each.get_text())


@pytest.mark.parametrize("width", [960, 400])
@pytest.mark.parametrize("name", CHARTS)
def test_no_text_overlaps_another_or_leaves_the_picture(name: str, width: int) -> None:
    with settings():
        figure = painted(CHARTS[name], dark=False, width=width)
        figure.draw_without_rendering()
        boxes = [(each.get_text(), each.get_window_extent().padded(-1)) for each in texts(figure)]
        sheet = figure.bbox
    assert len(boxes) > 8
    touching = [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]
    assert touching == []
    outside = [
        text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > sheet.x1 or box.y1 > sheet.y1
    ]
    assert outside == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_is_the_same_bytes_each_time_and_names_no_date(dark: bool) -> None:  # noqa: FBT001 - a case
    one, other = (CHARTS["memories"].to_svg(dark=dark) for _ in range(2))
    assert one == other
    assert "<dc:date>" not in one


def test_text_stays_text_in_svg() -> None:
    root = ET.fromstring(CHARTS["frontier"].to_svg())  # noqa: S314 - our own
    found = {"".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"8k", "32k", "sequences held at once", "context, tokens per sequence", "does not fit"} <= found
    assert CHARTS["frontier"].title in found


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
            CHARTS["memory"].save(refused)
    with pytest.raises(OptionsError, match="320 to 4,000 pixels"):
        CHARTS["memory"].save(path, width=100)
    assert path.read_text() == "mine"
    CHARTS["memory"].save(path, width=480)
    assert path.read_bytes()[16:20] == (2 * 480).to_bytes(4, "big")  # two pixels of a file for each
    assert sorted(tmp_path.iterdir()) == [path]
