"""The command `plot`: pictures of plans, in a file or in the terminal."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import examples
from kvplan.errors import OptionsError
from kvplan.planner.options import OF_LISTS, FitOptions

if TYPE_CHECKING:
    from kvplan.pictures.chart import Chart


def _kinds(incomplete: str) -> list[str]:
    from kvplan.pictures.plot import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete.lower())]


Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="memory, frontier, growth, tp, waterfall, heat or traffic.",
        autocompletion=_kinds,
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write .png, .svg or .pdf.  [default: draw in the terminal]"
    ),
]
Dark = Annotated[bool, typer.Option("--dark", help="On dark paper.")]
Width = Annotated[
    int | None,
    typer.Option("--width", metavar="N", help="Pixels of a file, or columns of the terminal.", min=1),
]

Rows = Annotated[str | None, typer.Option(metavar="AXIS,...", help="Of heat: the map's rows.")]
Columns = Annotated[str | None, typer.Option(metavar="AXIS", help="Of heat: the map's columns.")]
Value = Annotated[
    str | None, typer.Option(metavar="FIGURE", help="Of heat: a figure of sweep.  [default: max_batch]")
]

Traffic = Annotated[
    str | None, typer.Option(metavar="TRAFFIC", help="Of traffic and heat: the requests, as in kvplan hold.")
]
Outputs = Annotated[
    str | None,
    typer.Option(metavar="LAW", help="Of traffic and heat: a law of outputs, beside one of prompts."),
]
Risk = Annotated[
    str | None, typer.Option(metavar="P", help="Of traffic and heat: as in kvplan hold.  [default: 1%]")
]

EPILOG = examples(
    "kvplan plot memory llama-3.1-8b qwen3-8b --gpu h100-80gb -c 8k",
    "kvplan plot frontier qwen3-8b --engine vllm,sglang --gpu l40s-48gb -o f.svg",
    "kvplan plot growth gemma-3-27b qwen3-next-80b-a3b -o growth.png --dark",
    "kvplan plot tp llama-3.1-70b --gpu h100-80gb -c 8k",
    "kvplan plot waterfall gemma-3-27b --gpu h100-80gb --engine vllm -c 32k",
    "kvplan plot heat qwen3-32b --gpu h200-141gb --tp 1..8 -c 8k..32k -o heat.pdf",
    "kvplan plot traffic qwen3-8b --gpu h100-80gb --traffic azure-conv-2023",
)

app = typer.Typer()


@app.command(name="plot", epilog=EPILOG)
@partial(o.with_axes, single=OF_LISTS)
def _plot(
    kind: Kind,
    models: o.Models = None,
    *,
    output: Output = None,
    dark: Dark = False,
    width: Width = None,
    rows: Rows = None,
    columns: Columns = None,
    value: Value = None,
    traffic: Traffic = None,
    outputs: Outputs = None,
    risk: Risk = None,
    **options: Unpack[FitOptions],
) -> None:
    """A picture of plans; each option of fit takes several values, and each product is drawn.

    memory: the card as a bar. frontier: sequences against context. growth: a sequence's bytes against
    context. tp: what each degree holds and stores. waterfall: from the formula to what an engine
    reserves. heat: a sweep's figure over two axes. traffic: how often which memory is needed.
    """
    from kvplan.pictures.plot import plot

    if output is None and dark:
        raise OptionsError("--dark is of a file: name one with -o FILE; a terminal has its own colours")
    if output is not None:
        from kvplan.pictures.painted.files import require_ending

        require_ending(Path(output))
    given = {"traffic": traffic, "outputs": outputs, "risk": risk}
    for name in (
        name for name, each in given.items() if each is not None and kind not in ("traffic", "heat")
    ):
        raise OptionsError(f"--{name} is of the kinds traffic and heat")
    chart = plot(kind, models or (), rows=rows, columns=columns, value=value, **given, **options)
    if output is not None:
        chart.save(output, dark=dark, width=width)
    else:
        _print(chart, width)


def _print(chart: "Chart", width: int | None) -> None:
    """Draw a picture in the terminal as wide as that is, in its colours and its letters."""
    import os
    import shutil

    terminal = sys.stdout.isatty()
    coloured = "NO_COLOR" not in os.environ and (terminal or bool(os.environ.get("FORCE_COLOR")))
    columns = width or shutil.get_terminal_size().columns
    # Colours that are forced go into a pipe, too.
    sys.stdout.write(chart.to_text(width=columns, colour=coloured, plain=not _encodes_dots()))


def _encodes_dots() -> bool:
    try:
        "⠿█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
