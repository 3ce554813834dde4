"""The picture `traffic`: how often which memory is asked for, against what the card has."""

from collections.abc import Sequence

from kvplan.errors import OptionsError
from kvplan.pictures.chart import Chart, Edge, Lines, Series
from kvplan.pictures.scales import gib_axis, number_axis
from kvplan.units import format_gib

_ROOM = 1.04
"""The axes end a little beyond their values."""


def traffic_figure(  # noqa: PLR0913 - a histogram, and what is named on it
    edges: Sequence[int], counts: Sequence[int], *, capacity: int, p50: int, p99: int, title: str
) -> Chart:
    """
    Return a histogram of memory on each GPU, with its median, its 99th percentile and the card's edge.

    *edges* are in bytes, ascending, one more than *counts*; so are *capacity*, *p50* and *p99*. Raises
    OptionsError for edges and counts that are no histogram.
    """
    if len(edges) != len(counts) + 1 or not counts or sorted(set(edges)) != list(edges):
        raise OptionsError("a histogram has ascending edges, one more than it has counts")
    high = round(max(edges[-1], capacity, p99) * _ROOM)
    steps = [*zip(edges, [*counts, counts[-1]], strict=True)]
    panel = Lines(
        x=gib_axis("memory of each GPU that is asked for at once", high),
        y=number_axis("moments", max(*counts, 1) * _ROOM),
        series=(Series(name="memory", points=tuple((x, y) for x, y in steps), look="area"),),
        edges=(
            Edge(at=p50, text=f"half of the time up to {format_gib(p50)}"),
            Edge(at=p99, text=f"99 % of the time up to {format_gib(p99)}"),
            Edge(at=capacity, text=f"the card holds {format_gib(capacity)}", hard=True),
        ),
    )
    return Chart(kind="traffic", title=title, subtitle="", panels=(panel,))
