"""Bars over one axis: names beside or above them, parts with hatches, answers behind them."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from kvplan.pictures.chart import Axis, Bar, Bars, Part
from kvplan.pictures.painted.edges import draw_edges, edge_rows, edges_height
from kvplan.pictures.painted.legend import SAMPLE, Entry, legend
from kvplan.pictures.painted.sheet import PLAIN, SMALL, Sheet, line_height
from kvplan.pictures.painted.style import HATCHES
from kvplan.pictures.ticks import share, with_room
from kvplan.records import record

_THICK, _GAP, _BESIDE = 24, 10, 9
_SIDES = 0.5
"""Names and answers may take this part of the width beside bars; with more they stand above them."""


@record(kw_only=False)
class _Row:
    """A bar with the lines of its words above it, and the height of all."""

    bar: Bar
    words: tuple[str, ...]
    height: float


@record(kw_only=False)
class _Field:
    """Where bars stand: from `left` on, `width` wide; names and answers are `beside` them, or above."""

    left: float
    width: float
    beside: bool


@record(kw_only=False)
class _Drawing:
    """The axes of bars, and the height at which they begin."""

    axes: Axes
    x: Axis
    top: float
    field: _Field

    def at(self, value: float) -> float:
        """Return where a value of the axis is, in pixels."""
        return self.field.left + self.field.width * share(self.x, value)


def bars_block(sheet: Sheet, panel: Bars, margin: float) -> tuple[float, Callable[[float], None]]:
    """Return the height of a panel of bars and what draws it."""
    field = _field(sheet, panel, margin)
    rows = [_row(sheet, each, field) for each in panel.bars]
    key_height, draw_key = legend(sheet, _entries(sheet, panel), margin)
    title_height = line_height(PLAIN) + 4 if panel.title else 0
    height, step = sum(each.height for each in rows) + _GAP, line_height(SMALL)
    edges = edge_rows(sheet, panel.edges, panel.x, field.left, field.width)
    above = title_height + key_height + edges_height(edges)

    def draw(top: float) -> None:
        if panel.title:
            sheet.text(margin, top, panel.title, bold=True)
        draw_key(top + title_height)
        start = top + above
        axes = _axes(sheet, panel, (field.left, start, field.width, height))
        draw_edges(sheet, axes, edges, start)
        low = start + _GAP
        for row in rows:
            _paint_row(sheet, _Drawing(axes, panel.x, start, field), row, low)
            low += row.height
        sheet.axis_label(field.left + field.width, start + height + step + 10, panel.x.label)

    return above + height + 2 * step + 12, draw


def _field(sheet: Sheet, panel: Bars, margin: float) -> _Field:
    names = sheet.widest([each.name for each in panel.bars]) + _BESIDE
    texts = sheet.widest([each.text for each in panel.bars]) + _BESIDE
    room = sheet.width - 2 * margin
    if names + texts < _SIDES * room:
        return _Field(margin + names, room - names - texts, beside=True)
    return _Field(margin, room - 4, beside=False)


def _row(sheet: Sheet, bar: Bar, field: _Field) -> _Row:
    if bar.refusal:
        text = bar.refusal if field.beside else f"{bar.name}: {bar.refusal}"
        words = tuple(sheet.wrapped(text, field.width - _BESIDE, SMALL))
        return _Row(bar, words, max(_THICK, len(words) * line_height(SMALL)) + _GAP)
    if field.beside:
        return _Row(bar, (), _THICK + _GAP)
    words = tuple(sheet.wrapped(f"{bar.name}: {bar.text}" if bar.text else bar.name, field.width - _BESIDE))
    return _Row(bar, words, _THICK + _GAP + len(words) * line_height(PLAIN))


def _entries(sheet: Sheet, panel: Bars) -> list[Entry]:
    """Return the kinds of parts in the order in which they are first drawn."""
    parts = {part.name: part for bar in panel.bars for part in bar.parts} if panel.legend else {}
    first = {part.name: part for bar in reversed(panel.bars) for part in reversed(bar.parts)}
    return [_entry(sheet, first[name]) for name in parts]


def _entry(sheet: Sheet, part: Part) -> Entry:
    size = SAMPLE / 2

    def draw(x: float, y: float) -> None:
        sheet.rectangle(x, y - 6, size, 12, **looks(sheet, part))

    return Entry(part.name, size, draw)


def looks(sheet: Sheet, part: Part) -> dict[str, Any]:
    """Return how a part is drawn: its colour, and the hatch that tells it from others in grey."""
    style = sheet.style
    line = style.alarm if part.kind == "missing" else style.quiet
    hatched = style.ink if HATCHES[part.kind] and part.kind != "missing" else line
    return {
        "facecolor": style.parts[part.kind],
        "edgecolor": hatched if HATCHES[part.kind] else line,
        "hatch": HATCHES[part.kind] or None,
        "linewidth": 0.8,
    }


def _axes(sheet: Sheet, panel: Bars, place: tuple[float, float, float, float]) -> Axes:
    axes = sheet.axes(*place)
    axes.set_xscale(panel.x.scale)
    axes.set_xlim(panel.x.low, panel.x.high)
    ticks = with_room(panel.x, place[2], lambda text: sheet.text_width(text, SMALL))
    axes.set_xticks([each.at for each in ticks], [each.text for each in ticks])
    axes.minorticks_off()
    axes.set_ylim(place[3], 0)
    axes.set_yticks([])
    axes.grid(visible=True, axis="x", color=sheet.style.grid, linewidth=0.8)
    return axes


def _paint_row(sheet: Sheet, drawing: _Drawing, row: _Row, top: float) -> None:
    """Draw a bar's words and its parts from a height on."""
    field, bar, middle = drawing.field, row.bar, top + _THICK / 2
    if field.beside:
        sheet.text(field.left - _BESIDE, middle, bar.name, across="right", along="center_baseline")
    low = top + (_THICK - len(row.words) * line_height(SMALL)) / 2 if field.beside and bar.refusal else top
    size, colour = (SMALL, sheet.style.quiet) if bar.refusal else (PLAIN, sheet.style.ink)
    for number, line in enumerate(row.words):
        x = field.left + _BESIDE
        sheet.over(x, low + number * line_height(size), line, size=size, colour=colour)
    if bar.refusal:
        return
    middle += len(row.words) * line_height(PLAIN)
    for part in bar.parts:
        size_bytes = part.end - part.start
        drawing.axes.barh(
            middle - drawing.top,
            size_bytes,
            _THICK,
            left=part.start,
            zorder=2,
            clip_on=False,
            **looks(sheet, part),
        )
        start, end = map(drawing.at, (part.start, part.end))
        _part_text(sheet, part, start, end, middle)
    if field.beside and bar.text:
        x = drawing.at(max((part.end for part in bar.parts), default=0)) + _BESIDE
        sheet.over(x, middle, bar.text, along="center_baseline")


def _part_text(sheet: Sheet, part: Part, start: float, end: float, middle: float) -> None:
    """Write a part's size on it: whole, without its unit, or not at all."""
    for text in (part.text, part.text.split(" ")[0]):
        if text and sheet.text_width(text, SMALL) + 10 <= end - start:
            at = ((start + end) / 2, middle)
            written = sheet.text(*at, text, size=SMALL, across="center", along="center_baseline")
            colour = sheet.style.parts[part.kind]
            written.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1.5})
            return
