"""The answer of `kvplan reconcile` as text: printed beside planned figures, and what explains them."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding

from kvplan.reconcile import Explanation, Reconciliation, Row
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.report.console import Text, labelled, pinned, write
from kvplan.report.narrow import Column, NumberTable
from kvplan.units import counted

_STYLES = {
    "agrees": "bold green",
    "explained": "bold yellow",
    "unexplained": "bold red",
    "differs in memory": "bold red",
}


def print_reconciliation(answer: Reconciliation) -> None:
    """Print the verdict, the figures, the estimates, and the explanations with their own figures."""
    parts: list[RenderableType] = [
        Text(_headline(answer), _STYLES[answer.verdict]),
        Text(_subtitle(answer), "dim"),
        *pinned(answer.setup.spec.source),
        "",
    ]
    if answer.refused is not None:
        parts += [labelled("Refused", answer.refused.splitlines()[0], "yellow"), ""]
    if rows := (*answer.rows, *answer.estimates):
        parts += [_table(rows), ""]
    for explanation in answer.explanations:
        parts += [_explanation(explanation), ""]
    if answer.memory_causes:
        parts += [_causes(answer.memory_causes), ""]
    elif answer.memory_outside:
        parts += ["None of the causes that were tried leaves so much memory.", ""]
    parts += [labelled("Note", note, "dim") for note in answer.notes]
    write(*(parts if answer.notes else parts[:-1]))


def _headline(answer: Reconciliation) -> str:
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


def _table(rows: Sequence[Row]) -> RenderableType:
    table = NumberTable(_COLUMNS, names=2)
    for row in rows:
        table.add_row(_mark(row), _name(row), str(row.printed), row.planned, _difference(row))
    return table


def _mark(row: Row) -> Text:
    if row.inside:
        return Text("ok", "green")
    return Text("NO", "bold red") if row.exact else Text("~", "yellow")


def _name(row: Row) -> str:
    return row.figure if row.exact else f"{row.figure} (estimate)"


def _difference(row: Row) -> str:
    return "" if not row.difference else f"{row.signed_difference}, {row.difference_percent:+.2f} %"


def _causes(causes: Sequence[Explanation]) -> RenderableType:
    """Return what would leave the printed memory, each with its option and the memory that it leaves."""
    lines: list[RenderableType] = [Text("The memory would be so with", "bold")]
    for cause in causes:
        (row,) = cause.rows
        leaves = f" ({row.planned})" if row.low != row.high else ""
        option = (f"  {' '.join(cause.options)}", "cyan") if cause.options else ""
        text = Text.assemble(" and ".join(cause.assumptions), (leaves, "dim"), option)
        lines.append(Padding(text, (0, 0, 0, 2)))
    return Group(*lines)


def _explanation(explanation: Explanation) -> RenderableType:
    how = "Explained" if explanation.complete else "Nearest"
    title = Text.assemble((f"{how}: ", "bold"), " and ".join(explanation.assumptions))
    options = [Text(" ".join(explanation.options), "cyan")] if explanation.options else []
    lines: list[RenderableType] = [title, *(Padding(option, (0, 0, 0, 2)) for option in options)]
    return Group(*lines, Padding(_table(explanation.rows), (0, 0, 0, 2)))
