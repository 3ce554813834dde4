"""The command `compare`: alternatives side by side, and the literature's table of kinds."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.prices import Prices, read_prices
from kvplan.cli.printing import AnsweredError, examples, print_answer, print_text, write_report
from kvplan.errors import OptionsError
from kvplan.planner.options import OF_LISTS, FitOptions

Kinds = Annotated[
    bool,
    typer.Option("--kinds", help="The literature's table: one set of dimensions in every kind of attention."),
]
Sort = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Sort by bytes_per_token, bytes_per_sequence, max_batch, max_context, gpus or price.",
    ),
]
Heads = Annotated[int | None, typer.Option("--heads", help="With --kinds: heads, h.", min=1)]
HeadDim = Annotated[int | None, typer.Option("--head-dim", help="With --kinds: a head's size, d.", min=1)]
Hidden = Annotated[int | None, typer.Option("--hidden", help="With --kinds: the model's width, H.", min=1)]
Layers = Annotated[int | None, typer.Option("--layers", help="With --kinds: layers, L.", min=1)]

EPILOG = examples(
    "kvplan compare llama-3.1-8b qwen3-8b gemma-3-12b --gpu h100-80gb -c 32k",
    "kvplan compare llama-3.1-70b --gpu h100-80gb,h200-141gb --tp 4,8 -c 8k",
    "kvplan compare qwen3-8b --engine vllm,sglang --gpu l4-24gb",
    "kvplan compare qwen3-8b qwen3-32b --gpu h200-141gb -c 32k -o report.html",
    "kvplan compare --kinds llama-65b",
)

app = typer.Typer()


@app.command(name="compare", epilog=EPILOG)
@partial(o.with_axes, single=OF_LISTS)
def _compare(
    models: o.Models = None,
    *,
    kinds: Kinds = False,
    heads: Heads = None,
    head_dim: HeadDim = None,
    hidden: Hidden = None,
    layers: Layers = None,
    sort: Sort = None,
    price: Prices = None,
    as_csv: o.AsCsv = False,
    as_markdown: o.AsMarkdown = False,
    as_json: o.AsJson = False,
    output: o.ReportFile = None,
    **options: Unpack[FitOptions],
) -> None:
    """Models, cards, engines, spreads, dtypes and contexts side by side: a line for each product."""
    form = o.form_or_report(as_csv=as_csv, as_markdown=as_markdown, as_json=as_json, output=output)
    if kinds and output is not None:
        raise OptionsError(
            "-o FILE: the table of kinds is no report: print it with --csv, --markdown or --json"
        )
    asked = {"heads": heads, "head_dim": head_dim, "hidden": hidden, "layers": layers}
    if kinds:
        _print_kinds(models or (), asked, options, form)
        return
    if given := [f"--{name.replace('_', '-')}" for name, value in asked.items() if value is not None]:
        raise OptionsError(f"{', '.join(given)}: dimensions are for --kinds")
    from kvplan.alternatives.compare import compare

    answer = compare(models or (), sort=sort, prices=read_prices(price), **options)  # type: ignore[arg-type]
    if output is not None:
        write_report(answer, output)
    elif form == "json":
        print_answer(answer.to_dict())
    else:
        from kvplan.report import alternatives_text as text

        if form is not None:
            print_text(text.comparison_text(answer, form))
        else:
            text.print_comparison(answer)
    if all(row.refusal for row in answer.rows):
        raise AnsweredError(f"no line has an answer: {answer.rows[0].refusal}")


def _print_kinds(
    models: Sequence[str], asked: dict[str, int | None], options: FitOptions, form: o.Form | None
) -> None:
    from kvplan.alternatives.kinds import kinds

    if given := [name for name, value in options.items() if value]:
        first = given[0].replace("_", "-")
        raise OptionsError(f"--{first}: the table of kinds is of dimensions alone, in elements")
    rows = kinds(_dimensions(models, asked))
    if form == "json":
        print_answer({"kinds": [row.to_dict() for row in rows]})
        return
    from kvplan.report import alternatives_text as text

    if form is not None:
        print_text(text.kinds_text(rows, form))
    else:
        text.print_kinds(rows)


def _dimensions(models: Sequence[str], asked: dict[str, int | None]) -> Any:  # noqa: ANN401 - Dimensions
    """Return the dimensions of a model, those that are asked for replaced; or all that are asked for."""
    from dataclasses import replace

    from kvplan.alternatives.kinds import Dimensions, dimensions_of
    from kvplan.planner.size import as_spec

    given = {name: value for name, value in asked.items() if value is not None}
    if len(models) > 1:
        raise OptionsError("--kinds is of the dimensions of one model")
    if models:
        return replace(dimensions_of(as_spec(models[0])), **given)
    if missing := [f"--{name.replace('_', '-')}" for name, value in asked.items() if value is None]:
        raise OptionsError(f"--kinds needs a model, or all dimensions: give {', '.join(missing)}")
    return Dimensions(**given)
