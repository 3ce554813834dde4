"""A run as text: one row per claim, and in words what passed, what did not, and what never ran."""

from typing import TYPE_CHECKING

from kvplan.units import format_gib
from kvplan.validate.results import Measurement, Missing, Number, Run

if TYPE_CHECKING:
    from rich.table import Table


def table(run: Run) -> "Table":
    """Return the table of a run's measurements, predicted against measured."""
    from rich.table import Table  # noqa: PLC0415 - only where a table is drawn

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("level", "subject", "claim"):
        drawn.add_column(title)
    for title in ("predicted", "measured"):
        drawn.add_column(title, justify="right")
    drawn.add_column("unit")
    drawn.add_column("")
    for each in run.measurements:
        predicted = "-" if each.predicted is None else _bound(each) + _number(each.predicted)
        cells = (each.level, each.subject, each.claim, predicted, _number(each.measured), each.unit)
        drawn.add_row(*cells, _verdict(each), style="" if each.passed else "bold red")
    return drawn


def _bound(measurement: Measurement) -> str:
    return "at most " if measurement.rule == "at most" else ""


def _number(value: Number) -> str:
    whole = isinstance(value, int) or value.is_integer()
    return f"{value:,.0f}" if whole else f"{value:.3g}"


def _verdict(measurement: Measurement) -> str:
    if measurement.rule == "finding":
        return "recorded"
    return "ok" if measurement.passed else "DIFFERS"


def summary(run: Run) -> list[str]:
    """Return the lines below the table: what was run where, and what all of it amounts to."""
    held = [each for each in run.measurements if each.rule != "finding"]
    good = sum(each.passed for each in held)
    lines = [
        *_listed("skipped", run.skipped),
        *_listed("failed", run.failed),
        f"{good:,} of {len(held):,} claims hold ({_where(run)}, {run.date})",
    ]
    if run.timings and run.driver:
        lines.append(_took(run))
    if not run.complete:
        lines.append("interrupted: the checks that are missing above were not run")
    if not run.on_cuda:
        lines.append("not validated on CUDA: no GPU's memory was measured in this run")
    return lines


def _took(run: Run) -> str:
    seconds = sum(each.seconds for each in run.timings)
    peak = max(each.peak_bytes or 0 for each in run.timings)
    return f"{len(run.timings)} checks in {seconds:.0f} s; torch's allocator held {format_gib(peak)} at most"


def _listed(what: str, missing: tuple[Missing, ...]) -> list[str]:
    return [f"{what}: {each.level} {each.name}: {each.reason}" for each in missing]


def _where(run: Run) -> str:
    driver = f", driver {run.driver}" if run.driver else ""
    return f"{run.device}{driver}, torch {run.torch}, transformers {run.transformers}"
