"""The picture `waterfall`: from the formula's bytes to those that an engine reserves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kvplan.engines import Line
from kvplan.loads import uniform
from kvplan.pictures.chart import Bar, Bars, Chart, Part, PartKind
from kvplan.pictures.plans import Drawn, read_plans, subtitle
from kvplan.pictures.scales import gib_axis
from kvplan.planner.several import Models
from kvplan.planner.work import as_context
from kvplan.units import counted, format_bytes, format_tokens

_MOST = 4
_SEVERAL_TIMES = 2
"""From so many times the formula's bytes on, a title says how many; below, by what share."""


def waterfall(models: Models, options: Mapping[str, Any]) -> Chart:
    """Return the bytes of the asked sequences, one if none are named, rule by rule; a panel for each plan."""
    return waterfall_of(read_plans(models, options, most=_MOST, kind="waterfall"))


def waterfall_of(drawn: Sequence[Drawn]) -> Chart:
    """Return the same of plans that are there."""
    lines = [each.plan.waterfall(uniform(_context(each), each.batch or 1)) for each in drawn]
    ends = [_panel(each, of, several=len(drawn) > 1) for each, of in zip(drawn, lines, strict=True)]
    title = _title(drawn, lines)
    return Chart(kind="waterfall", title=title, subtitle=subtitle(drawn), panels=tuple(ends))


def _context(drawn: Drawn) -> int:
    return as_context(drawn.context, drawn.plan.deployment.spec)


def _title(drawn: Sequence[Drawn], lines: Sequence[Sequence[Line]]) -> str:
    """Return what is reserved, against the formula; of several plans each behind its name."""
    first = drawn[0]
    batch = first.batch or 1
    what = f"{'a sequence' if batch == 1 else counted(batch, 'sequence')} of {format_tokens(_context(first))}"
    reserved = [sum(line.size_bytes for line in of) for of in lines]
    if len(drawn) > 1:
        each = ", ".join(
            f"{format_bytes(size)} with {of.name}" for of, size in zip(drawn, reserved, strict=True)
        )
        return f"Reserved for {what}: {each}"
    engine = first.plan.deployment.engine.name
    verb = "reserves" if batch == 1 else "reserve"
    takes = f"{first.name} in {engine}: {what} {verb} {format_bytes(reserved[0])}"
    return f"{takes}, {_against(reserved[0], lines[0][0].size_bytes)}"


def _against(reserved: int, formula: int) -> str:
    if reserved == formula or not formula:
        return "as by the formula"
    if reserved >= _SEVERAL_TIMES * formula:
        return f"{reserved / formula:.1f} times the formula's {format_bytes(formula)}"
    share = 100 * abs(reserved - formula) / formula
    return (
        f"{share:.3g} % {'more' if reserved > formula else 'less'} than the formula's {format_bytes(formula)}"
    )


def _panel(drawn: Drawn, lines: Sequence[Line], *, several: bool) -> Bars:
    bars = tuple(_bars(lines))
    end = max(part.end for bar in bars for part in bar.parts)
    title = drawn.name if several else ""
    return Bars(title=title, x=gib_axis("reserved on each GPU", max(1, end)), bars=bars, legend=False)


def _bars(lines: Sequence[Line]) -> Iterator[Bar]:
    """Yield a bar for each rule, beginning where the one before ended, and one for all of it."""
    at = 0
    for line in lines:
        start, at = at, at + line.size_bytes
        kind: PartKind = "sum" if line is lines[0] else "more" if line.size_bytes >= 0 else "less"
        sign = "" if line is lines[0] else "+" if line.size_bytes >= 0 else "-"
        part = Part(kind=kind, name=line.name, start=min(start, at), end=max(start, at))
        text = f"{sign}{format_bytes(abs(line.size_bytes))}, {line.reason}"
        yield Bar(name=line.name, parts=(part,), text=text)
    yield Bar(
        name="reserved", parts=(Part(kind="sum", name="reserved", start=0, end=at),), text=format_bytes(at)
    )
