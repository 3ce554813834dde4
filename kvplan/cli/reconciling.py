"""The command `reconcile`: an engine's start-up log against the plan."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer, write_report
from kvplan.planner.options import LogOptions, part

if TYPE_CHECKING:
    from kvplan.reconcile import Reconciliation

Log = Annotated[
    str,
    typer.Argument(metavar="LOG", help="The file with the log, or - for stdin.", show_default=False),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="As `kvplan fit` takes it.  [default: what the log names]"
    ),
]

_NO_CAUSE = "no cause that was tried leaves so much memory"

EPILOG = examples(
    "kvplan reconcile vllm.log",
    "docker logs my-server 2>&1 | kvplan reconcile - --gpu h100-80gb",
    "kvplan reconcile vllm.log -o report.html",
    "kvplan reconcile start.log --model gemma-3-27b --tp 2 --kv-dtype fp8 --json",
)


app = typer.Typer()


@app.command(name="reconcile", epilog=EPILOG)
@partial(o.with_options, unsaid="the log's")
def _reconcile(
    log: Log,
    *,
    model: ModelOption = None,
    output: o.ReportFile = None,
    as_json: o.AsJson = False,
    **options: Unpack[LogOptions],
) -> None:
    """What an engine printed when it started, against the plan, and which assumption explains a difference.

    Exit status 1 if a difference is left unexplained, or if the memory for the cache is outside the plan's
    range. Options replace what the log says.
    """
    from kvplan.reconcile import Overrides, read_source, reconcile

    o.form_or_report(as_json=as_json, output=output)
    answer = reconcile(read_source(log), Overrides(model=model, **part(options, Overrides)))
    if output is not None:
        write_report(answer, output)
    elif as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.reconcile_text import print_reconciliation

        print_reconciliation(answer)
    if answer.verdict not in ("agrees", "explained"):
        raise AnsweredError(_furthest(answer), _left_over(answer))


def _left_over(answer: "Reconciliation") -> str:
    """Return what is left of the figures by the nearest assumption."""
    if answer.memory_outside:
        causes = [" and ".join(each.assumptions) for each in answer.memory_causes]
        return f"it would be so with {causes[0]}" if causes else _NO_CAUSE
    if not answer.explanations:
        return "no assumption explains it"
    nearest = max(answer.explanations[0].rows, key=lambda row: abs(row.difference_percent))
    assumed = " and ".join(answer.explanations[0].assumptions)
    return f"nearest: {assumed}, which leaves {nearest.difference_percent:+.2f} % of {nearest.figure}"


def _furthest(answer: "Reconciliation") -> str:
    """Return the figure that is furthest from the plan, or why there is no plan."""
    if answer.refused is not None:
        return answer.refused.splitlines()[0]
    worst = answer.largest_difference
    if worst is None:
        return "the log differs from the plan"
    difference = f"{worst.difference_percent:+.2f} %"
    return f"{worst.figure}: printed {worst.printed}, planned {worst.planned}, {difference}"
