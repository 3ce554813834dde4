"""The report of a fit: the answer, then how it is made up, what bounds it, and what it rests on."""

from collections.abc import Iterator, Sequence
from typing import Any

from kvplan.planner import words
from kvplan.planner.explain import Explanation, explained
from kvplan.planner.fit import Fit
from kvplan.report.document import Block, Chart, Heading, Mark
from kvplan.report.fit_text import fit_document, headline
from kvplan.report.frontier import frontier
from kvplan.report.report_parts import (
    ASSUMED,
    FORMULA,
    Assumption,
    assumption_data,
    assumption_table,
    chart_data,
    charted,
)
from kvplan.report.reports import Report
from kvplan.report.text import formulas
from kvplan.units import counted, format_gib


def report_of(answer: Fit, *, beside: Fit | str | None = None, ignored: Sequence[str] = ()) -> Report:
    """Return the report; *beside* and *ignored* are as in fit_document."""
    chart, explanation = _chart(answer, beside), explained(answer.deployment, answer.context)
    assumed = tuple(_assumptions(answer))
    blocks: list[Block] = [*fit_document(answer, beside=beside, ignored=ignored)]
    blocks += charted(chart)
    blocks += [Heading(FORMULA), *formulas(explanation), Heading(ASSUMED), assumption_table(assumed)]
    return Report(headline(answer)[0], tuple(blocks), _data(answer, chart, explanation, assumed))


def _chart(answer: Fit, beside: Fit | str | None) -> Chart | None:
    """Return the frontier of the plan, beside the formula's where an engine rounds."""
    formula = answer.plan.analytic()
    plans = [("the formula" if formula is answer.plan else answer.engine, answer.plan)]
    if formula is not answer.plan:
        plans.append(("the formula alone", formula))
    elif isinstance(beside, Fit):
        plans.append((beside.engine, beside.plan))
    most = answer.batch if answer.batch > 1 else answer.max_batch
    said = f"{most:,} x {counted(answer.context, 'token')}" if most else ""
    mark = Mark(said, answer.context, most) if most else None
    return frontier(plans, asked=answer.context, mark=mark)


def _assumptions(answer: Fit) -> Iterator[Assumption]:
    yield from _memory(answer)
    if answer.max_batch is not None:
        held = answer.max_batch_range
        between = f"{held[0]:,} to {held[1]:,}" if held and held[0] != held[1] else ""
        yield "sequences", f"{answer.max_batch:,}", between, "follows from the lines above"
    yield "KV cache in", answer.kv_dtype, "", "" if answer.deployment.choice.kv_dtype is None else "given"
    yield "allocation", answer.engine, "", "the formula alone" if answer.engine == "exact" else "its rules"
    yield from ((name, str(value), "", "given") for name, value in answer.options.items())
    yield "model", answer.model, "", answer.source


def _memory(answer: Fit) -> Iterator[Assumption]:
    """Yield the parts of a card and their sources."""
    budget, said = answer.budget, words.sources(answer.budget)
    yield "memory of a GPU", format_gib(budget.gpu_bytes), "", said["gpu_bytes"]
    if budget.sources.card is not None:
        weights = format_gib(budget.replica_weights_bytes)
        needs = budget.needs
        between = f"{format_gib(needs.low_bytes)} to {format_gib(needs.high_bytes)}"
        estimated = needs.low_bytes != needs.high_bytes
        yield "weights of a replica", weights, "", said["weights"]
        yield "share of the GPU", said["utilization"], "", ""
        yield (
            "activation and overhead",
            format_gib(budget.middle_bytes),
            between if estimated else "",
            said["overhead"],
        )
    low_high = answer.kv_range
    between = f"{format_gib(low_high[0])} to {format_gib(low_high[1])}" if low_high else ""
    yield "memory for the cache", format_gib(answer.memory.kv_bytes), between, "what is left of a GPU"


def _data(
    answer: Fit, chart: Chart | None, explanation: Explanation, assumed: Sequence[Assumption]
) -> dict[str, Any]:
    """Return what `--json` prints, and what else the report has."""
    return {
        **answer.to_dict(),
        "frontier": chart_data(chart),
        "formula": explanation.to_dict(),
        "assumptions": assumption_data(assumed),
    }
