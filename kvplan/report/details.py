"""What a report says of several plans below their table: cards, frontier, commands, formulas, assumptions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kvplan.alternatives.products import option_words
from kvplan.alternatives.rows import answer_of
from kvplan.errors import KvplanError
from kvplan.planner import words
from kvplan.planner.explain import Explanation, explained
from kvplan.planner.fit import Fit
from kvplan.planner.options import WorkOptions
from kvplan.planner.size import Size
from kvplan.report.document import BLANK, Block, Cards, Chart, Column, Heading, Line, Span, Table, line
from kvplan.report.fit_text import card
from kvplan.report.frontier import frontier
from kvplan.report.report_parts import ASSUMED, FORMULA, chart_data
from kvplan.report.svg import MOST_LINES
from kvplan.report.text import formulas
from kvplan.specs import ModelSpec
from kvplan.units import format_gib, format_tokens

Asked = tuple[ModelSpec, Mapping[str, Any]]
"""A model and the options of `fit`."""

_MOST_PLANS = 24
"""Plans that a report shows one by one; the table above them has all."""

_MOST_FORMULAS = 4
"""Models whose formulas are written out."""

_WORK = frozenset(WorkOptions.__annotations__)


def details(asked: Sequence[Asked]) -> tuple[list[Block], dict[str, Any]]:
    """Return the parts of a report on all plans of what was asked, and the same as plain values."""
    answers = list(_answers(asked))
    fits = [(name, answer) for name, answer in answers if isinstance(answer, Fit)]
    explanations = list(_explanations([answer for _, answer in answers]))
    chart = (
        frontier([(name, fit.plan) for name, fit in fits[:MOST_LINES]], asked=_longest(fits))
        if fits
        else None
    )
    blocks = [
        *_warnings(fits),
        *_cards(fits),
        *_charted(chart, len(fits)),
        *_commands(fits),
        *_formulas(explanations),
    ]
    blocks += _assumptions(fits)
    assumed = [_assumed(name, fit) for name, fit in fits]
    return blocks, {
        "frontier": chart_data(chart),
        "formula": [each.to_dict() for each in explanations],
        "assumptions": [dict(zip(_COLUMNS, row, strict=True)) for row in assumed],
    }


def _answers(asked: Sequence[Asked]) -> Iterator[tuple[str, Size]]:
    """Yield a name and an answer for each plan, whatever the work; what is refused stands in the table."""
    plans: dict[object, Asked] = {}
    for spec, options in asked:
        key = spec.name, tuple((name, repr(value)) for name, value in options.items() if name not in _WORK)
        plans.setdefault(key, (spec, options))
    every = list(plans.values())
    for spec, options in every[:_MOST_PLANS]:
        try:
            answer = answer_of(spec, options)
        except KvplanError:
            continue
        yield _name(spec, options, every), answer


def _name(spec: ModelSpec, options: Mapping[str, Any], every: Sequence[Asked]) -> str:
    """Return what tells a plan from all others: its model, and the options that vary."""
    varying = [
        name
        for name, value in options.items()
        if name not in _WORK and any(other.get(name) != value for _, other in every)
    ]
    several = len({other.name for other, _ in every}) > 1
    parts = [spec.name] if several or not varying else []
    return ", ".join((*parts, *(option_words(name, options[name]) for name in varying)))


def _longest(fits: Sequence[tuple[str, Fit]]) -> int:
    return max(fit.context for _, fit in fits)


def _cards(fits: Sequence[tuple[str, Fit]]) -> Iterator[Block]:
    if fits:
        yield Heading("Memory of a GPU")
        yield Cards(tuple((f"{name}: {_held(fit)}", card(fit)) for name, fit in fits))


def _held(fit: Fit) -> str:
    """Return the sequences that a card is drawn with, and their tokens."""
    drawn = fit.batch if fit.batch > 1 or not fit.max_batch else fit.max_batch
    held = f"{drawn:,} x {format_tokens(fit.context)}"
    return held if fit.fits else f"{held} do not fit"


def _charted(chart: Chart | None, plans: int) -> Iterator[Block]:
    if chart:
        yield Heading(chart.title)
        if plans > MOST_LINES:
            yield line(f"the first {MOST_LINES} of {plans} plans", "quiet")
        yield chart


def _commands(fits: Sequence[tuple[str, Fit]]) -> Iterator[Block]:
    """Yield the command that serves each plan, and what to know of it."""
    commands = [(name, fit.command) for name, fit in fits if fit.command]
    if commands:
        yield Heading("To serve them")
    if len(commands) > MOST_LINES:
        yield line(
            f"the first {MOST_LINES} of {len(commands)} plans; kvplan fit has each plan's command", "quiet"
        )
    for name, command in commands[:MOST_LINES]:
        yield line(name, "strong")
        yield Line((Span(command),), label="Serve", whole=not command.startswith("#"))


def _warnings(fits: Sequence[tuple[str, Fit]]) -> Iterator[Block]:
    """Yield what to know before plans are relied on, each sentence once."""
    said: dict[str, list[str]] = {}
    for name, fit in fits:
        for each in fit.warnings:
            said.setdefault(words.warning(each), []).append(name)
    for text, names in said.items():
        of = "all of them" if len(names) == len(fits) else "; ".join(names)
        yield line(f"{text} ({of})" if len(fits) > 1 else text, "warning", label="Warning")


def _explanations(answers: Sequence[Size]) -> Iterator[Explanation]:
    """Yield the formulas of each model, stored as in its first plan."""
    first: dict[str, Size] = {}
    for answer in answers:
        first.setdefault(answer.model, answer)
    yield from (explained(answer.deployment, answer.context) for answer in first.values())


def _formulas(explanations: Sequence[Explanation]) -> Iterator[Block]:
    if explanations:
        yield Heading(FORMULA)
    for each in explanations[:_MOST_FORMULAS]:
        yield line(each.model, "strong")
        yield line(each.source, "quiet")
        yield from (block for block in formulas(each) if block != BLANK)
    if others := [each.model for each in explanations[_MOST_FORMULAS:]]:
        yield line(f"kvplan show has those of {', '.join(others)}", "quiet")


_COLUMNS = (
    "plan",
    "GPU",
    "weights",
    "activation, overhead",
    "between",
    "cache",
    "cache between",
    "sequences",
)
"""What is assumed of each plan, and what follows."""


def _assumed(name: str, fit: Fit) -> tuple[str, ...]:
    budget, ends, held = fit.budget, fit.kv_range, fit.max_batch_range
    needs = budget.needs
    estimated = needs.low_bytes != needs.high_bytes
    sequences = "any" if fit.max_batch is None else f"{fit.max_batch:,}"
    return (
        name,
        format_gib(budget.gpu_bytes),
        format_gib(budget.replica_weights_bytes),
        format_gib(budget.middle_bytes),
        _between(needs.low_bytes, needs.high_bytes) if estimated else "",
        format_gib(fit.memory.kv_bytes),
        _between(*ends) if ends else "",
        f"{held[0]:,} to {held[1]:,}" if held and held[0] != held[1] else sequences,
    )


def _between(low_bytes: int, high_bytes: int) -> str:
    low, high = format_gib(low_bytes), format_gib(high_bytes)
    return f"{low.removesuffix(' GiB')} to {high}"


def _assumptions(fits: Sequence[tuple[str, Fit]]) -> Iterator[Block]:
    """Yield what each plan assumes, and then who says so, each source once."""
    if not fits:
        return
    yield Heading(ASSUMED)
    columns = (Column(_COLUMNS[0]), *(Column(name, numbers=True) for name in _COLUMNS[1:]))
    yield Table(columns, tuple(_assumed(name, fit) for name, fit in fits))
    said = [each for _, fit in fits for each in _sources(fit)]
    yield from (line(each, "quiet") for each in dict.fromkeys(said))


def _sources(fit: Fit) -> Iterator[str]:
    said, budget = words.sources(fit.budget), fit.budget
    yield f"memory of {budget.gpu}: {said['gpu_bytes']}"
    if budget.sources.card is not None:
        yield f"weights of {fit.model}: {said['weights']}"
        yield f"share of the GPU, {fit.engine}: {said['utilization']}"
        yield f"activation and overhead, {fit.engine}: {said['overhead']}"
