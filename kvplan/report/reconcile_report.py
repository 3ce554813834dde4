"""The report of a reconciliation: the verdict and the figures, then the plan that they stand beside."""

from collections.abc import Iterator
from typing import Any

from kvplan.errors import KvplanError
from kvplan.loads import uniform
from kvplan.planner.budget import Asked
from kvplan.planner.deployment import Deployment
from kvplan.planner.explain import explained
from kvplan.planner.plan import make_plan
from kvplan.reconcile import Reconciliation, Setup
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.report.document import Block, Chart, Heading, Mark, Step, Waterfall
from kvplan.report.frontier import frontier
from kvplan.report.reconcile_text import headline, reconciliation_document
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


def report_of(answer: Reconciliation) -> Report:
    """Return the report; the plan in it is the one that explains the log, or the one as asked."""
    setup = _shown(answer)
    assumed = tuple(_assumptions(answer, setup))
    blocks: list[Block] = [*reconciliation_document(answer)]
    data: dict[str, Any] = answer.to_dict()
    try:
        deployment = setup.deployed()
    except KvplanError:  # The document says why the plan is refused.
        pass
    else:
        chart, explanation = _chart(answer, setup, deployment), explained(deployment, setup.context)
        blocks += [*_waterfall(setup, deployment), *charted(chart)]
        blocks += [Heading(FORMULA), *formulas(explanation)]
        data |= {"frontier": chart_data(chart), "formula": explanation.to_dict()}
    blocks += [Heading(ASSUMED), assumption_table(assumed)]
    return Report(headline(answer), tuple(blocks), data | {"assumptions": assumption_data(assumed)})


def _shown(answer: Reconciliation) -> Setup:
    complete = (each.setup for each in answer.explanations if each.complete)
    return answer.setup if answer.agrees else next(complete, answer.setup)


def _waterfall(setup: Setup, deployment: Deployment) -> Iterator[Block]:
    """Yield from the formula to what is reserved, where an engine adds something."""
    lines = deployment.arrangement.lines(rank=0, load=uniform(setup.context, setup.batch))
    if len(lines) > 1:
        each = counted(setup.batch, "sequence")
        yield Heading(f"From the formula to what is reserved for {each} of {counted(setup.context, 'token')}")
        yield Waterfall(tuple(Step(line.name, line.size_bytes, line.reason) for line in lines), "reserved")


def _printed_bytes(answer: Reconciliation, setup: Setup) -> int | None:
    """Return the memory for the cache that the log prints, of the rank with least."""
    name = DIALECTS[answer.log.engine].memory
    printed = None if isinstance(name, Disclaimed) else answer.log.least(name)
    return None if printed is None else setup.reading(printed).whole()[1]


def _chart(answer: Reconciliation, setup: Setup, deployment: Deployment) -> Chart | None:
    """Return what the printed memory holds of each context."""
    memory_bytes = _printed_bytes(answer, setup)
    if not memory_bytes:
        return None
    plan = make_plan(deployment, Asked(kv_memory=memory_bytes), longest=setup.context)
    most = plan.max_batch(setup.context)
    mark = Mark(f"{most:,} x {counted(setup.context, 'token')}", setup.context, most) if most else None
    name = f"{deployment.engine.name} in the printed {format_gib(memory_bytes)}"
    return frontier([(name, plan)], asked=setup.context, mark=mark)


def _assumptions(answer: Reconciliation, setup: Setup) -> Iterator[Assumption]:
    choice, logged = setup.choice, answer.log.options
    yield "model", setup.spec.name, "", setup.spec.source
    yield "engine", choice.engine, "", "its rules of allocation"
    yield "context", counted(setup.context, "token"), "", _by(logged.context, setup.context * setup.batch)
    for name in ("tp", "pp", "dcp", "block_size", "max_num_batched_tokens", "max_num_seqs"):
        value = getattr(choice, name, None)
        if value is not None:
            yield name.replace("_", " "), f"{value:,}", "", _by(getattr(logged, name, None), value)
    yield "KV cache in", setup.kv_name(), "", _by(logged.kv_dtype, choice.kv_dtype)
    yield from (
        (name, value, "", _by(logged.settings.get(name), value)) for name, value in choice.settings.items()
    )
    for row in answer.estimates:
        between = row.planned if row.low != row.high else ""
        yield f"{row.figure}, planned", row.planned if not between else "", between, "an estimate"


def _by(logged: object, taken: object) -> str:
    return "the log" if logged is not None and logged == taken else "the plan"
