"""The command `reconcile`: an engine's start-up log against the plan."""

from typing import TYPE_CHECKING, Annotated

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer

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
GpuOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GPU",
        help="A GPU by name (h100-80gb) or size: compares the memory left for the cache, too.",
        show_default=False,
    ),
]
EngineOption = Annotated[
    str | None, typer.Option(help="Whose rules: vllm@0.19, sglang.  [default: what the log names]")
]
ContextOption = Annotated[
    int | None,
    typer.Option(
        "--context",
        "-c",
        parser=o.count_value,
        metavar="TOKENS",
        help="Tokens per sequence: 8192, 8k, 1m.  [default: the log's]",
    ),
]
KvDtypeOption = Annotated[
    str | None, typer.Option(help="How the cache is stored: fp8, q8_0.  [default: the log's]")
]
TpOption = Annotated[int | None, typer.Option(min=1, help="Tensor-parallel GPUs.  [default: the log's]")]
PpOption = Annotated[int | None, typer.Option(min=1, help="Pipeline stages.  [default: the log's]")]
DcpOption = Annotated[
    int | None, typer.Option(min=1, help="Decode context parallelism.  [default: the log's]")
]

_NO_CAUSE = "no cause that was tried leaves so much memory"

EPILOG = examples(
    "kvplan reconcile vllm.log",
    "docker logs my-server 2>&1 | kvplan reconcile - --gpu h100-80gb",
    "kvplan reconcile start.log --model gemma-3-27b --tp 2 --kv-dtype fp8 --json",
)


def register(app: typer.Typer) -> None:
    """Add `reconcile` to the commands."""
    app.command(name="reconcile", epilog=EPILOG)(_reconcile)


def _reconcile(
    log: Log,
    model: ModelOption = None,
    gpu: GpuOption = None,
    utilization: o.Utilization = None,
    weight_dtype: o.WeightDtype = None,
    context: ContextOption = None,
    tp: TpOption = None,
    pp: PpOption = None,
    dcp: DcpOption = None,
    kv_dtype: KvDtypeOption = None,
    engine: EngineOption = None,
    block_size: o.BlockSize = None,
    max_num_batched_tokens: o.MaxNumBatchedTokens = None,
    prefix_caching: o.PrefixCaching = None,
    settings: o.Settings = [],  # noqa: B006 - typer copies it
    as_json: o.AsJson = False,
) -> None:
    """What an engine printed when it started, against the plan, and which assumption explains a difference.

    Exit status 1 if a difference is left unexplained, or if the memory for the cache is outside the plan's
    range. Options replace what the log says.
    """
    from kvplan.reconcile import Asked, read_source, reconcile

    asked = Asked(
        model=model,
        engine=engine,
        gpu=o.one_gpu(gpu),
        utilization=utilization,
        weight_dtype=weight_dtype,
        context=context,
        tp=tp,
        pp=pp,
        dcp=dcp,
        kv_dtype=kv_dtype,
        block_size=block_size,
        max_num_batched_tokens=max_num_batched_tokens,
        prefix_caching=prefix_caching,
        settings=o.as_settings(settings),
    )
    answer = reconcile(read_source(log), asked)
    if as_json:
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
        return (
            f"it would be so with {causes[0]}" if causes else "no cause that was tried leaves so much memory"
        )
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
