"""Pictures of answers that are there: `fit(...).plot()`, `sweep(...).plot()` and others."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kvplan.alternatives.compare import Comparison
from kvplan.alternatives.rows import Row
from kvplan.errors import OptionsError
from kvplan.pictures.chart import Bar, Bars, Chart, Part
from kvplan.pictures.frontier import frontier_of
from kvplan.pictures.growth import Cache, growth_of
from kvplan.pictures.memory import memory_of
from kvplan.pictures.phrases import most_and_fewest, number_of
from kvplan.pictures.plans import MOST_BARS, Drawn, as_contexts
from kvplan.pictures.scales import gib_axis, number_axis
from kvplan.pictures.waterfall import waterfall_of
from kvplan.planner.fit import Fit
from kvplan.planner.plan import Plan
from kvplan.planner.size import Size
from kvplan.units import format_bytes

if TYPE_CHECKING:
    from kvplan.grids.results import Sweep
    from kvplan.traffic.held import Held

Asked = Mapping[str, Any]
Drawing = Callable[[Any, Asked], Chart]


def picture_of(answer: object, kind: str | None, asked: Asked) -> Chart:
    """Return an answer's picture of a kind, or its usual one; raise OptionsError for one that it lacks."""
    kinds = _kinds(answer)
    chosen = next(iter(kinds)) if kind is None else kind
    if chosen not in kinds:
        raise OptionsError(
            f"{type(answer).__name__} is drawn as {', '.join(kinds)}, and not as {chosen!r:.40}"
        )
    draw, known = kinds[chosen]
    if unknown := [name for name in asked if name not in known]:
        takes = f"takes {', '.join(known)}" if known else "takes no options"
        raise OptionsError(f"{unknown[0][:40]}: a picture of the kind {chosen} {takes}")
    return draw(answer, asked)


def _kinds(answer: object) -> Mapping[str, tuple[Drawing, Sequence[str]]]:
    """Return what an answer is drawn as, the usual one first, each with the options that it takes."""
    marked = ("context",)
    frontier, growth = {"frontier": (_frontier, marked)}, {"growth": (_growth, marked)}
    match answer:
        case Fit():
            return {"memory": (_memory, ()), **frontier, **growth, "waterfall": (_waterfall, ())}
        case Size():
            return growth
        case Plan():
            return {**frontier, "memory": (_memory, marked), **growth}
        case Comparison():
            return {"bars": (_bars, ())}
        case _:
            return _of_many(answer)


def _of_many(answer: object) -> Mapping[str, tuple[Drawing, Sequence[str]]]:
    """Return the same of an answer that was made with numpy."""
    from kvplan.traffic.held import Held  # noqa: PLC0415 - it needs numpy

    if isinstance(answer, Held):
        return {"traffic": (_traffic, ())}
    return {"heat": (_heat, ("rows", "columns", "value"))}


def _drawn(answer: Fit | Plan, asked: Asked) -> Drawn:
    if isinstance(answer, Fit):
        return Drawn(name=answer.model, plan=answer.plan, context=answer.context, batch=answer.batch)
    (context, *_) = (*as_contexts(asked.get("context")), None)
    return Drawn(name=answer.deployment.spec.name, plan=answer, context=context)


def _memory(answer: Fit | Plan, asked: Asked) -> Chart:
    return memory_of([_drawn(answer, asked)])


def _frontier(answer: Fit | Plan, asked: Asked) -> Chart:
    return frontier_of([_drawn(answer, {})], as_contexts(asked.get("context")))


def _growth(answer: Size | Plan, asked: Asked) -> Chart:
    deployment = answer.deployment
    cache = Cache(name=deployment.spec.name, deployment=deployment)
    return growth_of([cache], as_contexts(asked.get("context")))


def _waterfall(answer: Fit, _: Asked) -> Chart:
    return waterfall_of([_drawn(answer, {})])


def _traffic(answer: "Held", _: Asked) -> Chart:
    from kvplan.pictures.traffic import traffic_of  # noqa: PLC0415 - it needs numpy

    return traffic_of([(answer.model, answer)])


def _heat(answer: "Sweep", asked: Asked) -> Chart:
    from kvplan.pictures.heat import heat_of  # noqa: PLC0415 - it needs numpy

    return heat_of(answer, asked)


def _bars(answer: Comparison, _: Asked) -> Chart:
    """Return what each alternative holds, or without a card what a sequence of it takes."""
    if len(answer.rows) > MOST_BARS:
        raise OptionsError(
            f"{len(answer.rows)} alternatives are more than the {MOST_BARS} that a picture shows"
        )
    named = list(zip(answer.names, answer.rows, strict=True))
    held = any(row.gpu for row in answer.rows)
    values = [(row.max_batch if held else row.bytes_per_sequence) or 0 for row in answer.rows]
    high = max(*values, 1)
    axis = number_axis("sequences held at once", high) if held else gib_axis("bytes of one sequence", high)
    bars = tuple(_bar(name, row, held=held) for name, row in named)
    answered = [(name, row) for name, row in named if not row.refusal]
    if held:
        title = (
            f"Sequences held at once: {most_and_fewest([(name, row.max_batch) for name, row in answered])}"
        )
    else:
        least = min(answered, key=lambda each: each[1].bytes_per_sequence or 0, default=None)
        title = "Bytes of one sequence" + (f": {least[0]} takes least" if least else "")
    return Chart(kind="bars", title=title, subtitle="", panels=(Bars(x=axis, bars=bars, legend=False),))


def _bar(name: str, row: Row, *, held: bool) -> Bar:
    if row.refusal:
        return Bar(name=name, refusal=row.refusal)
    value = (row.max_batch if held else row.bytes_per_sequence) or 0
    text = number_of(row.max_batch) if held else format_bytes(value)
    part = Part(kind="used", name=name, start=0, end=value)
    return Bar(name=name, parts=(part,) if value else (), text=text)
