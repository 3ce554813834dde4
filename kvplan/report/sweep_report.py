"""The report of a grid: the table with its cells shaded, and what its plans rest on."""

from collections.abc import Iterator
from typing import Any

from kvplan.grids.contexts import read_contexts
from kvplan.grids.pivot import title_of
from kvplan.grids.results import Sweep
from kvplan.report.details import Asked, details
from kvplan.report.document import Block, line
from kvplan.report.reports import Report
from kvplan.report.sweep_text import sweep_document
from kvplan.units import counted

_SHADED = "The fuller a cell's colour, the more: the scale is logarithmic."


def report_of(answer: Sweep, **table: Any) -> Report:  # noqa: ANN401 - those of pivot
    """Return the report of a grid, its *table* as in Sweep.pivot."""
    pivot = answer.pivot(**table)
    plans = counted(len(answer.grid.structures), "plan")
    of = line(f"{plans}, {counted(len(answer), 'point')}", "quiet")
    head, *rest = sweep_document(pivot)
    blocks, data = details(list(_asked(answer)))
    shaded: list[Block] = [line(_SHADED, "quiet")] if pivot.numbers else []
    document = (head, of, *rest, *shaded, *blocks)
    return Report(title_of(pivot), document, {"rows": list(answer), **data})


def _asked(answer: Sweep) -> Iterator[Asked]:
    """Yield each plan with the first work that is asked of it."""
    for structure in answer.grid.structures:
        contexts = read_contexts(structure, slice(0, 1))
        if contexts.answered.all():
            work = {"context": int(contexts.tokens[0]), "batch": int(structure.batches[0])}
            yield structure.spec, {**structure.options, **work}
