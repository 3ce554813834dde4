"""Bars of blocks."""

from collections.abc import Sequence
from textwrap import wrap

from kvplan.pictures.chart import Axis, Bar, Bars, Part
from kvplan.pictures.terminal.axes import axis_lines
from kvplan.pictures.terminal.ink import GLYPHS, PARTS, inked, shown

_SIDES = 0.5
"""Names and answers may take this part of a line beside bars; with more they stand above them."""


def bars_text(panel: Bars, columns: int, *, colour: bool) -> list[str]:
    """Return the lines of a panel of bars."""
    names = max(len(shown(each.name)) for each in panel.bars)
    texts = max(len(shown(each.text)) for each in panel.bars)
    beside = names + texts + 3 <= _SIDES * columns
    left = names + 1 if beside else 0
    width = columns - left - (texts + 1 if beside else 0)
    lines = [inked(panel.title, "bold", on=colour)] if panel.title else []
    lines += _key(panel, columns, colour=colour) if panel.legend else []
    for each in panel.bars:
        drawn = _drawn(each.parts, panel.x, width, colour=colour)
        lines += _beside(each, drawn, left, width) if beside else _above(each, drawn, width)
    return lines + [" " * left + line for line in axis_lines(panel.x, width)]


def _beside(bar: Bar, drawn: str, left: int, width: int) -> list[str]:
    """Return a bar between its name and its answer, or its refusal in its place."""
    name = f"{shown(bar.name):>{left - 1}}"
    if not bar.refusal:
        return [f"{name} {drawn} {shown(bar.text)}"]
    first, *more = wrap(shown(bar.refusal), width)
    return [f"{name} {first}", *(" " * left + each for each in more)]


def _above(bar: Bar, drawn: str, width: int) -> list[str]:
    """Return a bar below its name and its answer, or these alone."""
    answer = bar.refusal or bar.text
    words = wrap(shown(f"{bar.name}: {answer}" if answer else bar.name), width)
    return words if bar.refusal else [*words, drawn]


def _drawn(parts: Sequence[Part], axis: Axis, width: int, *, colour: bool) -> str:
    """Return a bar in which each part begins and ends at the letter of its value."""
    text, at = "", 0
    for part in parts:
        start, end = (
            round((each - axis.low) / (axis.high - axis.low) * width) for each in (part.start, part.end)
        )
        text += " " * (start - at) + inked(
            GLYPHS[part.kind] * (end - max(at, start)), PARTS[part.kind], on=colour
        )
        at = max(at, end)
    return text


def _key(panel: Bars, columns: int, *, colour: bool) -> list[str]:
    parts = {part.name: part.kind for bar in panel.bars for part in bar.parts}
    lines, length = [""], 0
    for name, kind in parts.items():
        if length and length + len(name) + 4 > columns:
            lines.append("")
            length = 0
        lines[-1] += f"{inked(GLYPHS[kind] * 2, PARTS[kind], on=colour)} {name}  "
        length += len(name) + 5
    return lines
