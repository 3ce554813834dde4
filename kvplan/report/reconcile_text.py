"""The answer of `kvplan reconcile` as text: printed beside planned figures, and what explains them."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from kvplan.reconcile import Explanation, Reconciliation, Row
from kvplan.report.console import counted, labelled, pinned, write
from kvplan.report.narrow import Column, NumberTable

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
    parts += [labelled("Note", note, "dim") for note in answer.notes]
    write(*(parts if answer.notes else parts[:-1]))


def _headline(answer: Reconciliation) -> str:
    outside = sum(not row.inside for row in answer.rows)
    if answer.explained and (memory := answer.memory_outside):
        return (
            f"The memory for the cache is not the planned one: {memory.printed} printed, "
            f"{memory.planned} planned. {_pool_alone(answer)}"
        )
    if answer.agrees and not answer.rows:
        return "Only estimates can be compared: nothing exact in this log can be checked."
    if answer.agrees:
        return f"The log agrees with the plan: {counted(len(answer.rows), 'figure')} in the rounding."
    if answer.explained:
        return f"The log is explained: {' and '.join(answer.explanations[0].assumptions)}."
    tried = f"none of {counted(answer.trials, 'plan')} explains it"
    if answer.refused is not None:
        return f"The plan is refused, and {tried.removesuffix('it')}the log."
    return f"The log differs from the plan in {counted(outside, 'figure')}, and {tried}."


def _pool_alone(answer: Reconciliation) -> str:
    """Return what is said of the pool's own figures, where the memory that they start from differs."""
    if answer.agrees:
        return f"In the printed memory {counted(len(answer.rows), 'figure')} of the pool are as planned."
    return f"The pool is explained: {' and '.join(answer.explanations[0].assumptions)}."


def _subtitle(answer: Reconciliation) -> str:
    choice = answer.setup.choice
    degrees = (("tp", choice.tp), ("pp", choice.pp), ("dcp", choice.dcp))
    spread = " x ".join(f"{name} {degree}" for name, degree in degrees if degree > 1)
    context = f"{answer.setup.context:,} tokens of context" if answer.log.engine != "sglang" else ""
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


def _explanation(explanation: Explanation) -> RenderableType:
    how = "Explained" if explanation.complete else "Nearest"
    title = Text.assemble((f"{how}: ", "bold"), " and ".join(explanation.assumptions))
    options = [Text(" ".join(explanation.options), "cyan")] if explanation.options else []
    lines: list[RenderableType] = [title, *(Padding(option, (0, 0, 0, 2)) for option in options)]
    return Group(*lines, Padding(_table(explanation.rows), (0, 0, 0, 2)))
