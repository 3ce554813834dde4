"""Alternatives as documents: a line each, the answer first."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from kvplan.alternatives.advise import GUIDE, Advised, Candidate
from kvplan.alternatives.compare import Comparison
from kvplan.alternatives.kinds import KindRow
from kvplan.alternatives.rows import Row
from kvplan.alternatives.whatif import WhatIf
from kvplan.inert import in_markdown
from kvplan.report.document import BLANK, Block, Column, Document, Line, Span, Table, line
from kvplan.report.markdown import table_text
from kvplan.report.terminal import show
from kvplan.units import counted, format_bytes

Form = Literal["csv", "markdown"]
"""A table for other programs."""

_SHOWN_TP = 4
"""Legal degrees that a line has room for."""


def print_whatif(answer: WhatIf) -> None:
    """Print a design before and after each change."""
    show(whatif_document(answer))


def whatif_document(answer: WhatIf) -> Document:
    """Return a design before and after each change, with what the changes come from."""
    first, last = answer.rows[0], answer.rows[-1]
    names = ("as it is", *(change.words() for change in answer.changes))
    return (
        line(_verdict(first, last), "strong"),
        line(_setting(first), "quiet"),
        BLANK,
        alternatives_table(answer.rows, names, "design"),
        meaning(answer.rows),
        *refusals(answer.rows, names),
        *_projections(first, last),
        *([BLANK] if answer.changes else []),
        *_sources(answer),
    )


def _verdict(first: Row, last: Row) -> str:
    before, after = first.bytes_per_sequence, last.bytes_per_sequence
    if last.share is None or before is None or after is None:
        return f"{first.model}: {last.refusal or first.refusal}"
    caches = (
        f"{first.model} would cache {format_bytes(after)} per sequence in place of {format_bytes(before)}"
    )
    return f"{caches}: {share(last.share)}."


def _projections(first: Row, last: Row) -> Iterator[Line]:
    """Yield what changes do to the parameters of attention, if they do anything."""
    if first.projections and last.projections and first.projections != last.projections:
        yield line(
            f"attention has {last.projections:,} parameters in place of {first.projections:,}", "quiet"
        )


def _setting(row: Row) -> str:
    spread = f"tp {row.tp} x pp {row.pp} x dp {row.dp}"
    tokens = counted(row.context or 0, "token")
    return f"sequences of {tokens}, engine {row.engine}, {spread}" + (f", {row.gpu}" if row.gpu else "")


def _sources(answer: WhatIf) -> Iterator[Line]:
    for change in answer.changes:
        spans = [Span(f"{change.words()}: {change.source}", "quiet")]
        if change.note:
            spans.append(Span(f"; {change.note}"))
        yield Line(tuple(spans))


def share(part: float) -> str:
    """Return a share of the first alternative's sequence in words."""
    return f"{100 * part:.3g} %"


def alternatives_table(rows: Sequence[Row], names: Sequence[str], title: str) -> Table:
    """Return a line for each alternative, with those columns that any of them has."""
    held, priced = any(row.gpu for row in rows), any(row.price is not None for row in rows)
    numbers = ["per token", "sequence", "share"]
    numbers += ["held", "longest", "GPUs"] if held else []
    numbers += ["price"] if priced else []
    columns = (Column(title), *(Column(name, numbers=True) for name in numbers), Column("tp"))
    cells = (_cells(row, held=held, priced=priced) for row in rows)
    return Table(columns, tuple((name, *each) for name, each in zip(names, cells, strict=True)))


def meaning(rows: Sequence[Row]) -> Line:
    """Return what the columns of alternatives say."""
    said = "share: of the first one's sequence; tp: the legal degrees"
    if any(row.gpu for row in rows):
        said += "; held: sequences at once; longest: context; GPUs: the fewest that hold the work"
    if any(row.price is not None for row in rows):
        said += "; price: of a sequence and hour"
    return line(said, "quiet")


def _cells(row: Row, *, held: bool, priced: bool) -> Iterator[str | Span]:
    sizes = (row.bytes_per_token, row.bytes_per_sequence)
    yield from ("-" if size is None else format_bytes(size) for size in sizes)
    yield "-" if row.share is None else share(row.share)
    if held:
        yield _limited(row, row.max_batch)
        yield _limited(row, row.max_context)
        yield str(row.smallest_gpus.gpus) if row.smallest_gpus else "-"
    if priced:
        yield "-" if row.price is None else f"{row.price:.3g}"
    yield _degrees(row.legal_tp)


def _limited(row: Row, number: int | None) -> str:
    if row.refusal or not row.gpu:
        return "-"
    return "any" if number is None else f"{number:,}"


def _degrees(legal: Sequence[int]) -> str:
    """Return legal degrees: `1-64` for the powers of two up to it, else the first of them."""
    if len(legal) > 1 and tuple(legal) == tuple(1 << power for power in range(len(legal))):
        return f"1-{legal[-1]}"
    shown = ", ".join(map(str, legal[:_SHOWN_TP]))
    return f"{shown}, ..." if len(legal) > _SHOWN_TP else shown


def refusals(rows: Sequence[Row], names: Sequence[str]) -> Iterator[Block]:
    """Yield for each alternative that is not possible the reason."""
    for name, row in zip(names, rows, strict=True):
        if row.refusal:
            yield line(f"{name}: {row.refusal}", "warning")


def print_advice(answer: Advised) -> None:
    """Print the smallest changes with which some work fits."""
    show(advice_document(answer))


def advice_document(answer: Advised) -> Document:
    """Return the smallest changes with which some work fits, and what surveys advise."""
    asked = answer.asked
    work = f"{asked.batch:,} x {counted(asked.context or 0, 'token')}"
    guide = tuple((where, what, Span(source, "quiet")) for where, what, source in GUIDE)
    return (
        line(_advised(answer, work), "yes" if answer.best else "no"),
        line(_setting(asked), "quiet"),
        BLANK,
        _candidates(answer),
        BLANK,
        Table((Column("surveys advise, by scenario"), Column(""), Column("")), guide),
    )


def _advised(answer: Advised, work: str) -> str:
    best, model = answer.best, answer.asked.model
    if best is None:
        return f"No single change that was searched holds {work} of {model}."
    if best.row is answer.asked:
        return f"{model} holds {work} as it is."
    return f"{model} holds {work} with {best.change}: {best.row.max_batch or 0:,} sequences."


def _candidates(answer: Advised) -> Table:
    columns = (
        Column("change"),
        Column("of"),
        Column("fits"),
        Column("held", numbers=True),
        Column("longest", numbers=True),
        Column("sequence", numbers=True),
        Column("GPUs", numbers=True),
        Column("tp"),
    )
    as_it_is = Candidate(change="as it is", of="", row=answer.asked)
    return Table(columns, tuple(_candidate(each) for each in (as_it_is, *answer.candidates)))


def _candidate(candidate: Candidate) -> tuple[str | Span, ...]:
    row = candidate.row
    return (
        candidate.change,
        candidate.of,
        Span("yes", "yes") if row.fits else Span("no", "no"),
        _limited(row, row.max_batch),
        _limited(row, row.max_context),
        format_bytes(row.bytes_per_sequence or 0),
        str(row.gpus),
        _degrees(row.legal_tp),
    )


def print_comparison(answer: Comparison) -> None:
    """Print alternatives side by side."""
    show(comparison_document(answer))


def comparison_document(answer: Comparison) -> Document:
    """Return alternatives side by side, what the columns say, and why some have no answer."""
    return (_compared(answer), meaning(answer.rows), *refusals(answer.rows, answer.names))


def _compared(answer: Comparison) -> Table:
    return alternatives_table(answer.rows, answer.names, "alternative")


def comparison_text(answer: Comparison, form: Form) -> str:
    """Return alternatives side by side as text of another form."""
    if form == "csv":
        return _csv([row.to_dict() for row in answer.rows])
    reasons = (
        f"\n{in_markdown(f'{name}: {row.refusal}')}\n"
        for name, row in zip(answer.names, answer.rows, strict=True)
        if row.refusal
    )
    return table_text(_compared(answer)) + "".join(reasons)


def print_kinds(rows: Sequence[KindRow]) -> None:
    """Print the literature's table of one set of dimensions."""
    note = "elements per token and layer, parameters of all layers; of MHA's"
    show((kinds_table(rows), line(note, "quiet")))


def kinds_text(rows: Sequence[KindRow], form: Form) -> str:
    """Return the literature's table as text of another form."""
    return _csv([row.to_dict() for row in rows]) if form == "csv" else table_text(kinds_table(rows))


def kinds_table(rows: Sequence[KindRow]) -> Table:
    """Return a line for each kind, relative to MHA."""
    columns = (
        Column("kind"),
        Column("cached", numbers=True),
        Column("of MHA", numbers=True),
        Column("fixed", numbers=True),
        Column("as tokens", numbers=True),
        Column("parameters", numbers=True),
        Column("of MHA", numbers=True),
        Column("work"),
        Column("stops growing"),
        Column("tp"),
    )
    return Table(columns, tuple(_kind(row) for row in rows))


def _kind(row: KindRow) -> tuple[str, ...]:
    return (
        row.name,
        _number(row.token_elements),
        f"{float(row.cache):.4g}",
        _number(row.fixed_elements),
        _number(row.equal_tokens),
        f"{row.parameters:,}",
        f"{float(row.share):.4g}",
        row.work,
        stops(row),
        _degrees(row.legal_tp),
    )


def stops(row: KindRow) -> str:
    """Return in words from where on a kind's cache does not grow."""
    if row.stops_at is None:
        return "never"
    return f"at {row.stops_at:,} tokens" if row.stops_at else "from the start"


def _number(value: Fraction) -> str:
    return f"{float(value):,.4g}" if value.denominator != 1 else f"{value.numerator:,}"


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values as cells: a spread by its GPUs, degrees with blanks between them."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells[name] = value["gpus"]
        else:
            cells[name] = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return cells


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_flat, rows))
    return written.getvalue()
