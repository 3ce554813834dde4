"""The picture `growth`: the bytes of one sequence against its context, windows and states as kinks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from kvplan.alternatives.products import Product
from kvplan.engines import EXACT
from kvplan.errors import KvplanError
from kvplan.pictures.chart import Chart, Edge, Lines, Mark, Series
from kvplan.pictures.phrases import with_names
from kvplan.pictures.plans import MOST_LINES, as_contexts, each_of, require_reached, shared_by, without
from kvplan.pictures.scales import bytes_axis, context_axis
from kvplan.planner.deployment import Deployment
from kvplan.planner.fit import plan
from kvplan.planner.options import SizeOptions
from kvplan.planner.several import Models
from kvplan.planner.size import size
from kvplan.records import record
from kvplan.terms import Growing
from kvplan.units import format_bytes, format_tokens, octaves

_SHORTEST = 256
"""Tokens at which the axis begins, but two octaves before the first window is full."""

_NO_LONGEST = 128 * 1024
"""Where the axis ends for models that are made for no longest context."""

_REFERENCES = (32 * 1024, 8 * 1024, 2 * 1024)
_PER_DOUBLING = 24
_WITH_FORMULA = 2
_HALVES = 3
_VISIBLE = 1.01
"""Smaller steps are drawn as the slope that they make up."""

_MOST_WINDOWS = 4
"""More windows are not named apart."""

Size = Callable[[int], int]
"""The bytes of one sequence of so many tokens on a GPU of the fullest stage."""


@record
class Cache:
    """A cache that is drawn."""

    name: str
    deployment: Deployment

    @property
    def longest(self) -> int:
        """The context at which its line ends."""
        return self.deployment.spec.max_context or _NO_LONGEST


def growth(models: Models, options: Mapping[str, Any]) -> Chart:
    """Return what a sequence takes from short contexts to long; `context` names what is marked."""
    asked = without(options, ("batch",), "growth", "is of one sequence: leave it out")
    contexts = as_contexts(asked.pop("context", None))
    return growth_of(each_of(models, asked, _cache, most=MOST_LINES, kind="growth"), contexts)


def _cache(product: Product) -> Cache:
    """Return the cache of a product, of a plan where options name its memory."""
    options = {name: value for name, value in product.options.items() if value is not None}
    if product.spec.max_context is None:
        options["context"] = _NO_LONGEST
    if "gpu" in options or "kv_memory" in options:
        return Cache(name=product.name, deployment=plan(product.spec, **options).deployment)
    known = {name: value for name, value in options.items() if name in SizeOptions.__annotations__}
    return Cache(name=product.name, deployment=size(product.spec, **known).deployment)


def growth_of(caches: Sequence[Cache], contexts: Sequence[int] = ()) -> Chart:
    """Return the same of caches that are there."""
    kept = [each for each in caches if each.deployment.sequence_bytes(each.longest)]
    if not kept:
        raise KvplanError(f"there is no growth to draw: {caches[0].deployment.spec.name} caches nothing")
    high = max(each.longest for each in kept)
    windows = _windows(kept, high)
    low = max(1, min([_SHORTEST, high // 8, *(window // 4 for window in windows), *contexts]))
    marked = require_reached(contexts, low, high) or _usual(kept, low)
    series = [_series(each, style, low, marked) for style, each in enumerate(kept)]
    series += _formulas(kept, low, marked)
    heights = [y for each in series for _, y in each.points]
    panel = Lines(
        x=context_axis(low, high),
        y=bytes_axis(
            "bytes that one more sequence takes on each GPU", min(heights) / 1.5, max(heights) * 1.5
        ),
        series=tuple(series),
        marks=tuple(_marks(kept, marked)),
        edges=tuple(Edge(at=each, text=f"window of {format_tokens(each)} full") for each in windows),
    )
    subtitle = shared_by([each.deployment for each in kept])
    notes = tuple(_notes(kept)) if len(kept) <= _WITH_FORMULA else ()
    return Chart(kind="growth", title=_title(kept, marked), subtitle=subtitle, panels=(panel,), notes=notes)


def _windows(caches: Iterable[Cache], high: int) -> list[int]:
    """Return the windows of all layers that the axis reaches, if there are few."""
    terms = (term for each in caches for layer in each.deployment.layers.values() for term in layer)
    rows = (term.rows for term in terms if isinstance(term.rows, Growing))
    found = sorted({each.window for each in rows if each.window and 1 < each.window < high})
    return found if len(found) <= _MOST_WINDOWS else []


def _usual(caches: Sequence[Cache], low: int) -> list[int]:
    shortest = min(each.longest for each in caches)
    short = next((each for each in _REFERENCES if low <= each <= shortest), shortest)
    usual = 8 * 1024 if len(caches) == 1 and shortest >= 8 * 1024 else short
    return sorted({usual, shortest}) if len(caches) == 1 else [short]


def _series(cache: Cache, style: int, low: int, marked: Sequence[int]) -> Series:
    size_of = cache.deployment.sequence_bytes
    points = _points(size_of, low, cache, marked)
    return Series(name=cache.name, points=points, style=style, note=_note(size_of, marked, cache.longest))


def _formulas(caches: Sequence[Cache], low: int, marked: Sequence[int]) -> Iterator[Series]:
    """Yield the formula's lines beside those of engines."""
    if len(caches) > _WITH_FORMULA or EXACT in [each.deployment.engine for each in caches]:
        return
    for style, each in enumerate(caches):
        size_of = each.deployment.analytic().sequence_bytes
        points = _points(size_of, low, each, marked)
        of = f" for {each.name}" if len(caches) > 1 else ""
        note = _note(size_of, marked, each.longest)
        yield Series(name=f"the formula{of}", points=points, style=style, look="formula", note=note)


def _note(size_of: Size, marked: Iterable[int], longest: int) -> str:
    return ", ".join(
        f"{format_bytes(size_of(each))} at {format_tokens(each)}" for each in marked if each <= longest
    )


def _points(size_of: Size, low: int, cache: Cache, marked: Iterable[int]) -> tuple[tuple[float, float], ...]:
    """Return bytes at contexts close to each other, and before and after each step between two of them."""
    high = cache.longest
    found = {low, high, *marked, *_windows([cache], high)}
    found.update(octaves(low, high, _PER_DOUBLING))
    places = sorted(each for each in found if low <= each <= high)
    for before, after in pairwise(places):
        found |= set(_steps(size_of, before, after, _HALVES))
    return tuple((each, size_of(each)) for each in sorted(found) if low <= each <= high and size_of(each))


def _steps(size_of: Size, before: int, after: int, halves: int) -> Iterator[int]:
    """Yield the tokens between which bytes jump, if jumps from *before* to *after* are few and large."""
    start, end = size_of(before), size_of(after)
    if end < start * _VISIBLE:
        return
    if after - before == 1:
        yield from (before, after)
        return
    middle = (before + after) // 2
    between = size_of(middle)
    # A slope, steps too close to each other, or a moment at which an engine holds more than before and after.
    if not start <= between <= end or (start < between < end and not halves):
        return
    left = halves - (start < between < end)
    yield from _steps(size_of, before, middle, left)
    yield from _steps(size_of, middle, after, left)


def _marks(caches: Sequence[Cache], marked: Iterable[int]) -> Iterator[Mark]:
    for style, each in enumerate(caches):
        for tokens in marked:
            if tokens <= each.longest:
                size_bytes = each.deployment.sequence_bytes(tokens)
                text = f"{format_bytes(size_bytes)} at {format_tokens(tokens)}" if len(caches) == 1 else ""
                yield Mark(x=tokens, y=size_bytes, text=text, style=style)


def _title(caches: Sequence[Cache], marked: Sequence[int]) -> str:
    if len(caches) == 1:
        (one,) = caches
        told = ", ".join(
            f"of {format_tokens(each)} {format_bytes(one.deployment.sequence_bytes(each))}"
            for each in marked[1:]
        )
        first = format_bytes(one.deployment.sequence_bytes(marked[0]))
        takes = f"{one.deployment.spec.name}: a sequence of {format_tokens(marked[0])} takes {first}"
        return f"{takes}, {told}" if told else takes
    at = marked[0]
    reached = [each for each in caches if at <= each.longest]
    sizes = sorted((each.deployment.sequence_bytes(at), each.name) for each in reached)
    answers = [(format_bytes(size_bytes), name) for size_bytes, name in sizes]
    return f"A sequence of {format_tokens(at)}: {with_names(answers, 'at the least', 'at the most')}"


def _notes(caches: Sequence[Cache]) -> Iterator[str]:
    """Yield the slope of each line at its end, and what the formula has from the first token on."""
    for each in caches:
        formula = each.deployment.analytic()
        rank = formula.fullest_rank(each.longest)
        token, fixed = each.deployment.token_bytes(rank), formula.arrangement.fixed_bytes(rank)
        grows = f"adds {format_bytes(token)}" if token else "adds nothing"
        state = (
            f"; its states, {format_bytes(fixed)} by the formula, stand from the first token on"
            if fixed
            else ""
        )
        yield f"{each.name}: at the end of its line one more token {grows}{state}"
