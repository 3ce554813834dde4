"""The report of a grid: the table with its cells shaded, and what its plans rest on."""

from collections.abc import Iterator
from typing import Any

from kvplan.grids.columns import find_column
from kvplan.grids.contexts import read_contexts
from kvplan.grids.options import OF_TRAFFIC
from kvplan.grids.pivot import Pivot, title_of
from kvplan.grids.results import Sweep
from kvplan.planner.options import OF_LISTS
from kvplan.report.details import Asked, details
from kvplan.report.document import Block, Heading, line
from kvplan.report.reports import Report
from kvplan.report.sweep_text import sweep_document
from kvplan.units import counted

_SHADED = "The fuller a cell's colour, the more: the scale is logarithmic."


def report_of(answer: Sweep, **table: Any) -> Report:  # noqa: ANN401 - those of pivot
    """Return the report of a grid, its *table* as in Sweep.pivot."""
    pivot = answer.pivot(**table)
    plans = counted(len(answer.grid.structures), "plan")
    of = line(f"{plans}, {counted(len(answer), 'point')}", "quiet")
    title = _headline(answer, pivot)
    _, *rest = sweep_document(pivot)
    blocks, data = details(list(_asked(answer)))
    shaded: list[Block] = [line(_SHADED, "quiet")] if pivot.numbers else []
    document = (Heading(title, level=1), of, *rest, *shaded, *blocks)
    return Report(title, document, {"rows": list(answer), **data})


def _headline(answer: Sweep, pivot: Pivot) -> str:
    """Return what the table shows, and where its figure is best."""
    model = f"{pivot.same['model']}: " if "model" in pivot.same else ""
    title = f"{model}{title_of(pivot)}"
    cells = [
        (number, row, head)
        for row, numbers in zip(pivot.rows, pivot.numbers, strict=bool(pivot.numbers))
        for number, head in zip(numbers, pivot.titles[pivot.names :], strict=True)
        if number is not None
    ]
    better = find_column(pivot.value, answer.columns).better if pivot.value else None
    if not cells or better is None:
        return title
    best = max if better == "more" else min
    _, row, head = best(cells, key=lambda cell: cell[0])
    text = row[pivot.titles.index(head, pivot.names)]
    where = [*map(_named, pivot.titles, row[: pivot.names]), _named(pivot.columns or "", head)]
    return (
        f"{title}, {text} at the {'most' if better == 'more' else 'least'}: {', '.join(filter(None, where))}"
    )


def _named(axis: str, value: str) -> str:
    """Return a value as it stands in a sentence: names alone, numbers behind what they are of."""
    return value if axis in ("model", "gpu", "engine", "kv_dtype") or not axis else f"{axis} {value}"


def _asked(answer: Sweep) -> Iterator[Asked]:
    """Yield each plan with the first work that is asked of it; traffic does not change what a plan is."""
    seen: set[tuple[Any, ...]] = set()
    for structure in answer.grid.structures:
        contexts = read_contexts(structure, slice(0, 1))
        if not contexts.answered.all():
            continue
        work = {"context": int(contexts.tokens[0]), "batch": int(structure.batches[0])}
        plan = {name: each for name, each in structure.options.items() if name not in OF_TRAFFIC}
        # What is one list for all of the grid tells no plan from another.
        told = tuple(sorted(each for each in (plan | work).items() if each[0] not in OF_LISTS))
        if (key := (structure.model, *told)) not in seen:
            seen.add(key)
            yield structure.spec, {**plan, **work}
