"""Axes of letters."""

from kvplan.pictures.chart import Axis, Tick
from kvplan.pictures.ticks import share, with_room


def axis_lines(axis: Axis, width: int) -> list[str]:
    """Return an axis below a picture of so many letters: a rule, its marks' texts, its label."""
    ticks = with_room(axis, width - 1, len, apart=2)
    rule, texts = ["─"] * width, [" "] * width
    for tick in ticks:
        at = _column(axis, tick, width)
        rule[at] = "┬"
        start = max(0, min(at - len(tick.text) // 2, width - len(tick.text)))
        texts[start : start + len(tick.text)] = tick.text
    return ["".join(rule), "".join(texts).rstrip(), f"{axis.label:>{width}}"]


def _column(axis: Axis, tick: Tick, width: int) -> int:
    # The letter whose part of the axis the value is in, as dots are put.
    return min(width - 1, int(share(axis, tick.at) * width))
