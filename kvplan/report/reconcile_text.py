"""The answer of `kvplan reconcile` as a document: printed beside planned figures, and what explains them."""

from collections.abc import Iterator, Sequence

from kvplan.reconcile import Explanation, Reconciliation, Row
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.report.document import (
    BLANK,
    Block,
    Column,
    Document,
    Heading,
    Line,
    Span,
    Table,
    Tone,
    line,
)
from kvplan.report.notes import pinned
from kvplan.report.terminal import show
from kvplan.units import counted

_TONES: dict[str, Tone] = {
    "agrees": "yes",
    "explained": "maybe",
    "unexplained": "no",
    "differs in memory": "no",
}


def print_reconciliation(answer: Reconciliation) -> None:
    """Print the verdict, the figures, the estimates, and the explanations with their own figures."""
    show(reconciliation_document(answer))


def reconciliation_document(answer: Reconciliation) -> Document:
    """Return the verdict, the figures, the estimates, and the explanations with their own figures."""
    parts: list[Block] = [
        Heading(headline(answer), _TONES[answer.verdict], level=1),
        line(_subtitle(answer), "quiet"),
        *pinned(answer.setup.spec.source),
        BLANK,
    ]
    if answer.refused is not None:
        parts += [line(answer.refused.splitlines()[0], "warning", label="Refused"), BLANK]
    if rows := (*answer.rows, *answer.estimates):
        parts += [_table(rows), BLANK]
    for explanation in answer.explanations:
        parts += [*_explanation(explanation), BLANK]
    if answer.memory_causes:
        parts += [*_causes(answer.memory_causes), BLANK]
    elif answer.memory_outside:
        parts += [line("None of the causes that were tried leaves so much memory."), BLANK]
    parts += [line(note, "quiet", label="Note") for note in answer.notes]
    return tuple(parts if answer.notes else parts[:-1])


def headline(answer: Reconciliation) -> str:
    """Return the verdict in a sentence."""
    if memory := answer.memory_outside:
        return f"The memory for the cache is not the planned one: {_beside(memory)}. {_pool_alone(answer)}"
    if answer.agrees and not answer.rows:
        return f"Only estimates can be compared: nothing exact in this log can be checked.{_estimate(answer)}"
    if answer.agrees:
        count = counted(len(answer.rows), "figure")
        return f"The log agrees with the plan: {count} in the rounding.{_estimate(answer)}"
    if answer.explained:
        return f"The log is explained: {' and '.join(answer.explanations[0].assumptions)}."
    tried = f"none of {counted(answer.trials, 'plan')} explains it"
    if answer.refused is not None or answer.largest_difference is None:
        return f"The plan is refused, and {tried.removesuffix('it')}the log."
    worst = answer.largest_difference
    return f"The log differs from the plan: {worst.figure} {_beside(worst)}, and {tried}."


def _beside(row: Row) -> str:
    return f"{row.printed} printed, {row.planned} planned ({row.difference_percent:+.2f} %)"


def _estimate(answer: Reconciliation) -> str:
    """Return the estimate that differs most, where the exact figures are as planned."""
    worst = answer.largest_difference
    return "" if worst is None else f" The {worst.figure} differ: {_beside(worst)}."


def _pool_alone(answer: Reconciliation) -> str:
    """Return what is said of the pool's own figures, where the memory that they start from differs."""
    if not answer.rows:
        return "Nothing exact in this log can be checked."
    if answer.agrees:
        return f"In the printed memory the pool is as planned: {counted(len(answer.rows), 'figure')}."
    if answer.explained:
        return f"The pool is explained: {' and '.join(answer.explanations[0].assumptions)}."
    outside = sum(not row.inside for row in answer.rows)
    tried = counted(answer.trials, "plan")
    return f"The pool differs in {counted(outside, 'figure')}, and none of {tried} explains it."


def _subtitle(answer: Reconciliation) -> str:
    choice = answer.setup.choice
    degrees = (("tp", choice.tp), ("pp", choice.pp), ("dcp", choice.dcp))
    spread = " x ".join(f"{name} {degree}" for name, degree in degrees if degree > 1)
    cached = not isinstance(DIALECTS[answer.log.engine].context, Disclaimed)
    context = f"{counted(answer.setup.context, 'token')} of context" if cached else ""
    parts = [
        answer.setup.spec.name,
        spread,
        f"KV cache in {answer.setup.kv_name()}",
        context,
        f"engine {choice.engine}",
    ]
    return ", ".join(part for part in parts if part)


_COLUMNS = (
    Column(""),
    Column("figure"),
    *(Column(name, numbers=True) for name in ("printed", "planned", "difference")),
)


def _table(rows: Sequence[Row], *, indented: bool = False) -> Table:
    cells = ((_mark(row), _name(row), str(row.printed), row.planned, _difference(row)) for row in rows)
    return Table(_COLUMNS, tuple(cells), names=2, indented=indented)


def _mark(row: Row) -> Span:
    if row.inside:
        return Span("ok", "ok")
    return Span("NO", "no") if row.exact else Span("~", "warning")


def _name(row: Row) -> str:
    return row.figure if row.exact else f"{row.figure} (estimate)"


def _difference(row: Row) -> str:
    return "" if not row.difference else f"{row.signed_difference}, {row.difference_percent:+.2f} %"


def _causes(causes: Sequence[Explanation]) -> Iterator[Block]:
    """Yield what would leave the printed memory, each with its option and the memory that it leaves."""
    yield Heading("The memory would be so with")
    for cause in causes:
        (row,) = cause.rows
        leaves = f" ({row.planned})" if row.low != row.high else ""
        option = f"  {' '.join(cause.options)}" if cause.options else ""
        said = Span(" and ".join(cause.assumptions))
        yield Line((said, Span(leaves, "quiet"), Span(option, "option")), indented=True)


def _explanation(explanation: Explanation) -> Iterator[Block]:
    how = "Explained" if explanation.complete else "Nearest"
    yield Line((Span(f"{how}: ", "strong"), Span(" and ".join(explanation.assumptions))))
    if explanation.options:
        yield line(" ".join(explanation.options), "option", indented=True)
    yield _table(explanation.rows, indented=True)
