"""The command `sweep`: a grid of plans as a table, as lines, or in a file."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.meter import Meter
from kvplan.cli.prices import Prices, read_prices
from kvplan.cli.printing import AnsweredError, complain, examples
from kvplan.errors import OptionsError
from kvplan.grids.options import SweepOptions
from kvplan.planner.options import OF_LISTS

if TYPE_CHECKING:
    from kvplan.grids.results import Sweep

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL,...",
        help="Models as in the other commands, several with commas between them.",
        autocompletion=o.model_completion,
        show_default=False,
    ),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE,...",
        help="Options that go together, in place of products; may be repeated: gpu=h100-80gb,tp=8.",
    ),
]
Rows = Annotated[
    str | None, typer.Option(metavar="AXIS,...", help="The table's rows.  [default: axes that vary]")
]
Columns = Annotated[
    str | None, typer.Option(metavar="AXIS", help="The table's columns.  [default: contexts]")
]
Value = Annotated[
    str | None,
    typer.Option(metavar="FIGURE", help="The table's figure.  [default: max_batch, or max_batch_likely]"),
]
Pareto = Annotated[
    str | None,
    typer.Option(metavar="KEY,...", help="Mark the points that no other beats by these: max_batch,gpus."),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print a JSON object a line, sizes in bytes.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write .csv, .jsonl, .parquet, .arrow, .md, a report as .html or .json, or parts to a folder/.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run into the same file that was interrupted.")
]
Workers = Annotated[int | None, typer.Option(min=1, metavar="N", help="Answer in N processes.")]

_EPILOG = examples(
    "kvplan sweep llama-3.1-8b,qwen3-8b --gpu h100-80gb,h200-141gb -c 8k..128k",
    "kvplan sweep llama-3.1-70b --gpu h200-141gb --tp 2..8 --kv-dtype bf16,fp8",
    "kvplan sweep qwen3-32b --with gpu=h100-80gb,tp=4 --with gpu=h200-141gb,tp=2",
    "kvplan sweep qwen3-8b --gpu l4-24gb --tp 1,2 -c 1k..32k+1k -b 1..64 --csv",
    "kvplan sweep qwen3-8b --gpu h100-80gb,l40s-48gb --traffic azure-conv-2023",
)

app = typer.Typer()


@app.command(name="sweep", epilog=_EPILOG)
@partial(o.with_axes, single=OF_LISTS)
def _sweep(
    models: Models = None,
    *,
    pairs: Pairs = None,
    price: Prices = None,
    rows: Rows = None,
    columns: Columns = None,
    value: Value = None,
    pareto: Pareto = None,
    as_csv: o.AsCsv = False,
    as_json: JsonLines = False,
    as_markdown: o.AsMarkdown = False,
    output: Output = None,
    resume: Resume = False,
    workers: Workers = None,
    **options: Unpack[SweepOptions],
) -> None:
    """A grid: all products of models, GPUs, engines, spreads, dtypes, contexts and batches.

    Each option of fit takes several values: 1,2 or 1k..1m (doubled) or 8k..64k+8k (in steps). With
    --traffic, one or more, points are answered as by hold.
    """
    import gc

    from kvplan.grids.sweep import sweep

    form = o.one_form(as_csv=as_csv, as_json=as_json, as_markdown=as_markdown, output=output)
    if resume and output is None:
        raise OptionsError("--resume goes on with a file that was not finished: name it with -o FILE")
    # The program starts without garbage collection; a long run should not.
    gc.enable()
    if workers and hasattr(signal, "SIGPIPE"):
        # A pipe to a worker that was lost is an error, and no end of the program.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    meter = Meter("points")
    asked = sweep(
        models or None,
        pairs=pairs or (),
        prices=read_prices(price),
        pareto=pareto or (),
        workers=workers,
        progress=meter,
        **options,
    )
    table = {name: each for name, each in (("rows", rows), ("columns", columns), ("value", value)) if each}
    with _metered(meter, output):
        if output is not None:
            asked.save(output, resume=resume, **table)
        else:
            _print(asked, table, form)
    if reason := asked.unanswered():
        raise AnsweredError(f"no point of this grid has an answer: {reason}")


def _print(asked: "Sweep", table: dict[str, str], form: o.Form | None) -> None:
    """Print the answers as they were asked for."""
    if form in ("csv", "json"):
        from kvplan.grids.texts import csv_head, csv_lines, json_lines

        sys.stdout.write(csv_head(asked.columns) if form == "csv" else "")
        for chunk in asked.chunks():
            sys.stdout.writelines((csv_lines if form == "csv" else json_lines)(chunk, asked.columns))
    elif form == "markdown":
        sys.stdout.write(asked.to_markdown(**table))
    else:
        from kvplan.report.sweep_text import print_sweep

        print_sweep(asked.pivot(**table))


@contextmanager
def _metered(meter: Meter, output: str | None) -> Iterator[None]:
    """Take the meter away at the end, and say of an interrupted run what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        meter.clear()
        parts = Path(f"{output}.parts" if output and not Path(output).is_dir() else output or "")
        if output and parts.is_dir():
            complain(
                f"interrupted: the parts that are finished are kept in {parts}; --resume goes on from there"
            )
        raise
    finally:
        meter.clear()
