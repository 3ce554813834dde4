"""The picture `frontier`: the sequences that are held at once against the context of each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log2
from typing import Any

from kvplan.engines import EXACT
from kvplan.errors import KvplanError
from kvplan.pictures.chart import Chart, Lines, Mark, Series
from kvplan.pictures.phrases import held_of, most_and_fewest
from kvplan.pictures.plans import (
    MOST_LINES,
    Drawn,
    as_contexts,
    read_plans,
    require_reached,
    subtitle,
    without,
)
from kvplan.pictures.scales import context_axis, count_axis
from kvplan.planner.plan import Plan
from kvplan.planner.several import Models
from kvplan.planner.stairs import corners, sampled
from kvplan.units import MAX_COUNT, format_tokens

_SHORTEST = 1024
"""Tokens at which the axis begins; models that are made for few tokens get three octaves."""

_PER_DOUBLING = 8
"""Contexts that are asked for between one power of 2 and the next."""

_EXACT_STEPS = 12
"""Up to so many sequences a line steps down exactly where one fewer fits; steps further up are too small."""

_REFERENCES = (32 * 1024, 8 * 1024, 2 * 1024)
"""Contexts at which answers are told where none were asked for: the first that all models reach."""

_WITH_FORMULA = 2
"""So many lines leave room for the formula's beside them."""

_FLOOR = 0.8
"""Where the axis of sequences begins: below one of them."""


def frontier(models: Models, options: Mapping[str, Any]) -> Chart:
    """Return how many sequences each plan holds at short contexts and long; `context` marks some."""
    asked = without(options, ("batch",), "frontier", "is of all batches: leave it out")
    contexts = as_contexts(asked.pop("context", None))
    return frontier_of(read_plans(models, asked, most=MOST_LINES, kind="frontier"), contexts)


def frontier_of(drawn: Sequence[Drawn], contexts: Sequence[int] = ()) -> Chart:
    """Return the same of plans that are there."""
    limited = [each for each in drawn if _holds_some(each)]
    if not limited:
        raise KvplanError(_nothing(drawn))
    high = max(map(_longest, limited))
    low = _shortest(limited, high, contexts)
    marked = require_reached(contexts, low, high) or _usual(limited, low)
    lines = [_line(each, at, low, marked) for at, each in enumerate(limited)]
    series = [*lines, *_formulas(limited, low, marked)]
    top = max(y for each in series for _, y in each.points)
    panel = Lines(
        x=context_axis(low, high),
        y=count_axis("sequences held at once", _FLOOR, max(top * 1.6, 10)),
        series=tuple(series),
        marks=tuple(_marks(limited, marked)),
        bound=_bound(lines, low, high),
        beyond="does not fit" if len(drawn) == 1 else "fits in none of these",
    )
    return Chart(
        kind="frontier",
        title=_title(drawn, marked),
        subtitle=subtitle(drawn),
        panels=(panel,),
        notes=tuple(_notes(drawn)),
    )


def _holds_some(drawn: Drawn) -> bool:
    """Return whether memory limits a plan, and one short sequence fits."""
    return bool(drawn.plan.max_batch(drawn.plan.deployment.choice.prompt or 1))


def _nothing(drawn: Sequence[Drawn]) -> str:
    first = drawn[0]
    most = first.plan.max_batch(first.plan.deployment.choice.prompt or 1)
    why = "caches nothing, so that any number fits" if most is None else f"does not fit {first.where}"
    return f"there is no frontier to draw: {first.model} {why}"


def _longest(drawn: Drawn) -> int:
    """Return the longest context of a line: the model's, or the one that fits, where its spec tells none."""
    return drawn.longest or drawn.plan.max_context(1) or MAX_COUNT


def _shortest(drawn: Sequence[Drawn], high: int, contexts: Sequence[int]) -> int:
    prompts = [each.plan.deployment.choice.prompt or 1 for each in drawn]
    return max(min(_SHORTEST, max(1, high // 8), *contexts), *prompts)


def _usual(drawn: Sequence[Drawn], low: int) -> list[int]:
    """Return what is marked unasked: a short context and the longest, or one that all of several reach."""
    longest = [min(_longest(each), each.plan.max_context(1) or MAX_COUNT) for each in drawn]
    short = [each for each in _REFERENCES if low <= each <= min(longest)][:1] or [max(low, min(longest))]
    if len(drawn) > 1:
        return short
    usual = 8 * 1024 if low <= 8 * 1024 <= longest[0] else short[0]
    return sorted({usual, max(low, longest[0])})


def _line(drawn: Drawn, style: int, low: int, marked: Sequence[int]) -> Series:
    return Series(
        name=drawn.name,
        points=_points(drawn, drawn.plan, low, marked),
        style=style,
        note=_note(drawn.plan, marked),
    )


def _note(plan: Plan, marked: Iterable[int]) -> str:
    return ", ".join(f"{_held(plan, each):,} at {format_tokens(each)}" for each in marked)


def _formulas(drawn: Sequence[Drawn], low: int, marked: Sequence[int]) -> Iterator[Series]:
    """Yield the lines of the formula beside those of engines, in the memory that these leave."""
    engines = [each.plan.deployment.engine for each in drawn]
    if len(drawn) > _WITH_FORMULA or EXACT in engines:
        return
    for style, each in enumerate(drawn):
        plan = each.plan.analytic()
        points = _points(each, plan, low, marked)
        of = f" for {each.name}" if len(drawn) > 1 else ""
        yield Series(
            name=f"the formula{of}", points=points, style=style, look="formula", note=_note(plan, marked)
        )


def _points(drawn: Drawn, plan: Plan, low: int, marked: Iterable[int]) -> tuple[tuple[float, float], ...]:
    """Return what a plan holds from the shortest context to the longest, or to where nothing fits."""
    high = _longest(drawn)
    points: list[tuple[float, float]] = []
    for tokens in _positions(plan, low, high, marked):
        held = _held(plan, tokens)
        points.append((tokens, held or _FLOOR))
        if not held:
            break
    return tuple(points)


def _held(plan: Plan, tokens: int) -> int:
    return plan.max_batch(tokens) or 0


def _positions(plan: Plan, low: int, high: int, marked: Iterable[int]) -> list[int]:
    """Return contexts close to each other, and where few sequences are held those at which one fewer fits."""
    steps = (each for last in corners(plan, _EXACT_STEPS) for each in (last, last + 1))
    return sampled(low, high, *marked, *steps, per_doubling=_PER_DOUBLING)


def _bound(lines: Sequence[Series], low: int, high: int) -> tuple[tuple[float, float], ...]:
    """Return the most that any line holds, over all of the axis."""
    tables = [dict(each.points) for each in lines]
    every = sorted({x for each in tables for x in each} | {low, high})
    ends = [(line.points[-1][0], line.points[-1]) for line in lines]
    every = sorted({*every, *(min(end + 1, high) for end, _ in ends)})
    return tuple((x, max(_between(line.points, x) for line in lines)) for x in every)


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """Return the height of a line at *x*, drawn straight between two points; the floor outside."""
    if not points[0][0] <= x <= points[-1][0]:
        return _FLOOR
    after = next(at for at, point in enumerate(points) if point[0] >= x)
    if points[after][0] == x:
        return points[after][1]
    (left, start), (right, end) = points[after - 1], points[after]
    share = (log2(x) - log2(left)) / (log2(right) - log2(left))
    return float(start * (end / start) ** share)


def _marks(drawn: Sequence[Drawn], marked: Iterable[int]) -> Iterator[Mark]:
    """Yield the answers as points; those of one plan are named, those of several stand in the legend."""
    for style, each in enumerate(drawn):
        for tokens in marked:
            held = _held(each.plan, tokens) if tokens <= _longest(each) else 0
            if held:
                text = f"{held:,} of {format_tokens(tokens)}" if len(drawn) == 1 else ""
                yield Mark(x=tokens, y=held, text=text, style=style)


def _title(drawn: Sequence[Drawn], marked: Sequence[int]) -> str:
    if len(drawn) == 1:
        (one,) = drawn
        return f"{one.model} {one.where}: {held_of([(_held(one.plan, each), each) for each in marked])}"
    at = marked[0]
    answers = [(each.name, each.plan.max_batch(at)) for each in drawn]
    return f"Sequences of {format_tokens(at)}: {most_and_fewest(answers)}"


def _notes(drawn: Sequence[Drawn]) -> Iterator[str]:
    """Yield what is not drawn, and where lines end because their model does."""
    for each in drawn:
        if not _holds_some(each):
            yield _nothing([each]).partition(": ")[2]
    if any(each.longest and _held(each.plan, each.longest) for each in drawn):
        whose = "the model was" if len(drawn) == 1 else "its model was"
        yield f"where sequences still fit, a line ends at the longest context that {whose} made for"
