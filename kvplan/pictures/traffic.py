"""The picture `traffic`: how often which memory is asked for, against what the card has."""

from collections.abc import Mapping, Sequence
from typing import Any

from kvplan.alternatives.products import read_products
from kvplan.errors import OptionsError
from kvplan.pictures.chart import Chart, Edge, Lines, Series
from kvplan.pictures.scales import gib_axis, number_axis
from kvplan.planner.options import FitOptions
from kvplan.planner.several import Models
from kvplan.traffic.held import Held, Histogram
from kvplan.traffic.hold import hold
from kvplan.units import counted, format_gib

_MOST = 4
"""Panels of one picture."""

_ROOM = 1.04
"""The axes end a little beyond their values."""


def traffic(models: Models, options: Mapping[str, Any]) -> Chart:
    """Return the memory that each plan's sequences of a traffic ask for; the options are those of `hold`."""
    shared = {name: value for name, value in options.items() if name not in FitOptions.__annotations__}
    plans = {name: value for name, value in options.items() if name not in shared}
    products = read_products(models, plans, asker="kvplan.plot")
    if len(products) > _MOST:
        raise OptionsError(f"{len(products)} plans are more than the {_MOST} that a picture of traffic shows")
    return traffic_of([(each.name, hold(each.spec, **each.options, **shared)) for each in products])


def traffic_of(named: Sequence[tuple[str, Held]]) -> Chart:
    """Return the same of answers that are there, each with what tells it from the others."""
    first = named[0][1]
    if len(named) == 1:
        title = f"{first.model} on {first.gpu}: {_held(first)}"
    else:
        title = "; ".join(f"{name}: {_held(answer)}" for name, answer in named)
    panels = tuple(
        histogram(answer.memory, name if len(named) > 1 else "")
        for name, answer in named
        if answer.memory is not None
    )
    if not panels:
        raise OptionsError("nothing is drawn: " + title)
    return Chart(kind="traffic", title=title, subtitle=first.traffic, panels=panels)


def _held(answer: Held) -> str:
    if answer.likely is None:
        return "memory sets no limit"
    risk = f"at a risk of {100 * answer.risk:g} %"
    return f"{counted(answer.likely, 'sequence')} run {risk}, {answer.never:,} are never preempted"


def histogram(memory: Histogram, name: str) -> Lines:
    """Return a histogram with its median, its 99th percentile and the edge of what there is."""
    edges, shares = memory.edges_bytes, memory.shares
    high = round(max(edges[-1], memory.room_bytes, memory.p99_bytes) * _ROOM)
    steps = tuple(zip(edges, [*(100 * share for share in shares), 100 * shares[-1]], strict=True))
    of = f"{name}: KV memory" if name else "KV memory"
    return Lines(
        x=gib_axis(f"{of} of each GPU that {counted(memory.sequences, 'sequence')} need at once", high),
        y=number_axis("moments, %", 100 * max(shares) * _ROOM),
        series=(Series(name="memory", points=steps, look="area"),),
        edges=(
            Edge(at=memory.p50_bytes, text=f"p50 {format_gib(memory.p50_bytes)}"),
            Edge(at=memory.p99_bytes, text=f"p99 {format_gib(memory.p99_bytes)}"),
            Edge(at=memory.room_bytes, text=f"there is {format_gib(memory.room_bytes)}", hard=True),
        ),
    )
