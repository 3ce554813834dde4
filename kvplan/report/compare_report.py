"""The report of a comparison: which alternative is best, all of them, and what each rests on."""

from kvplan.alternatives.compare import Comparison
from kvplan.alternatives.rows import Row
from kvplan.report.alternatives_text import comparison_document
from kvplan.report.details import details
from kvplan.report.document import Heading, Tone
from kvplan.report.reports import Report
from kvplan.units import counted, format_bytes


def report_of(answer: Comparison) -> Report:
    """Return the report of alternatives."""
    title = _headline(answer)
    tone: Tone = "no" if all(row.refusal for row in answer.rows) else "strong"
    blocks, data = details(answer.asked)
    document = (Heading(title, tone, level=1), *comparison_document(answer), *blocks)
    return Report(title, document, {**answer.to_dict(), **data})


def _headline(answer: Comparison) -> str:
    """Return which alternative holds most, or caches least where no card is asked for."""
    named = [(name, row) for name, row in zip(answer.names, answer.rows, strict=True) if not row.refusal]
    if not named:
        return f"None of {counted(len(answer.rows), 'alternative')} has an answer."
    of = f"Of {counted(len(answer.rows), 'alternative')} " if len(answer.rows) > 1 else ""
    if any(row.gpu for _, row in named):
        name, row = max(named, key=_held)
        most = "any number" if row.max_batch is None else f"{row.max_batch:,}"
        each = counted(row.context or 0, "token")
        return f"{of}{name} holds {'the most' if of else 'at most'}: {most} x {each}."
    name, row = min(named, key=lambda each: each[1].bytes_per_sequence or 0)
    least = format_bytes(row.bytes_per_sequence or 0)
    return f"{of}{name} caches {'the least: ' if of else ''}{least} for {counted(row.context or 0, 'token')}."


def _held(named: tuple[str, Row]) -> float:
    return float("inf") if named[1].max_batch is None else named[1].max_batch
