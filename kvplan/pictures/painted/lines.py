"""Lines over two axes: legend, axes, shade, marks and edges."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from kvplan.pictures.chart import Lines, Series
from kvplan.pictures.painted.edges import draw_edges, edge_rows, edges_height
from kvplan.pictures.painted.labels import named_marks
from kvplan.pictures.painted.legend import SAMPLE, Entry, legend
from kvplan.pictures.painted.sheet import SMALL, Sheet, line_height
from kvplan.pictures.painted.style import DASHES, FORMULA_DASH, MARKERS
from kvplan.pictures.ticks import with_room

_HEIGHT, _NARROW_HEIGHT = 360, 270
NARROW = 640
"""Below so many pixels a sheet is narrow: a phone's."""

_BESIDE = 9
_RIGHT = 14


def lines_block(sheet: Sheet, panel: Lines, margin: float) -> tuple[float, Callable[[float], None]]:
    """Return the height of a panel of lines and what draws it."""
    key_height, draw_key = legend(sheet, _entries(sheet, panel), margin)
    height = _NARROW_HEIGHT if sheet.width < NARROW else _HEIGHT
    y_ticks = with_room(panel.y, height, lambda _: line_height(SMALL) / 2)
    left = margin + sheet.widest([each.text for each in y_ticks], SMALL) + _BESIDE
    width = sheet.width - left - margin - _RIGHT
    x_ticks = with_room(panel.x, width, lambda text: sheet.text_width(text, SMALL))
    edges = edge_rows(sheet, panel.edges, panel.x, left, width)
    step = line_height(SMALL)
    above = key_height + step + 4 + edges_height(edges)

    def draw(top: float) -> None:
        draw_key(top)
        sheet.text(margin, top + key_height, panel.y.label, size=SMALL, colour=sheet.style.quiet)
        axes = sheet.axes(left, top + above, width, height)
        _scale(axes, panel, [each.at for each in x_ticks], [each.at for each in y_ticks])
        axes.set_xticklabels([each.text for each in x_ticks])
        axes.set_yticklabels([each.text for each in y_ticks])
        _paint(sheet, axes, panel)
        draw_edges(sheet, axes, edges, top + above)
        named_marks(sheet, axes, panel)
        sheet.axis_label(left + width, top + above + height + step + 10, panel.x.label)

    return above + height + 2 * step + 14, draw


def looks(sheet: Sheet, series: Series) -> dict[str, Any]:
    """Return how a line is drawn: its colour, and what tells it from others in grey."""
    colour = sheet.style.lines[series.style % len(sheet.style.lines)]
    if series.look == "formula":
        return {"color": colour, "linewidth": 1.4, "linestyle": FORMULA_DASH}
    return {
        "color": colour,
        "linewidth": 2.0,
        "linestyle": DASHES[series.style % len(DASHES)],
        "marker": MARKERS[series.style % len(MARKERS)],
        "markersize": 6,
        "markeredgecolor": sheet.style.paper,
        "markeredgewidth": 0.8,
    }


def _entries(sheet: Sheet, panel: Lines) -> list[Entry]:
    """Return the legend of several lines; one needs none."""
    named = [each for each in panel.series if each.look != "area"]
    return [_entry(sheet, each) for each in named] if len(named) > 1 else []


def _entry(sheet: Sheet, series: Series) -> Entry:
    text = f"{series.name}: {series.note}" if series.note else series.name
    return Entry(text, SAMPLE, lambda x, y: sheet.stroke(x, y, SAMPLE, **looks(sheet, series)))


def _scale(axes: Axes, panel: Lines, xs: list[float], ys: list[float]) -> None:
    axes.set_xscale(panel.x.scale)
    axes.set_yscale(panel.y.scale)
    axes.set_xlim(panel.x.low, panel.x.high)
    axes.set_ylim(panel.y.low, panel.y.high)
    axes.set_xticks(xs)
    axes.set_yticks(ys)
    axes.minorticks_off()


def _paint(sheet: Sheet, axes: Axes, panel: Lines) -> None:
    style = sheet.style
    axes.grid(visible=True, color=style.grid, linewidth=0.8)
    if panel.bound:
        xs, ys = zip(*panel.bound, strict=True)
        axes.fill_between(
            xs,
            ys,
            panel.y.high,
            facecolor=style.shade,
            edgecolor=style.hatch,
            hatch="///",
            linewidth=0,
            zorder=1.5,
        )
    for each in panel.series:
        xs, ys = zip(*each.points, strict=True)
        drawn = looks(sheet, each)
        if each.look == "area":
            axes.fill_between(
                xs, ys, step="post", facecolor=style.parts["used"], edgecolor=drawn["color"], zorder=2
            )
        else:
            drawn |= {"marker": "", "solid_joinstyle": "round"}
            axes.plot(xs, ys, **drawn, zorder=3 if each.look == "line" else 2.8)
    for mark in panel.marks:
        like = Series(name="", points=(), style=mark.style)
        axes.plot([mark.x], [mark.y], **looks(sheet, like), clip_on=False, zorder=4)
