"""The commands `size`, `check` and `show`: a model and how it is spread, without a GPU."""

from typing import Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import examples, print_answer
from kvplan.planner.options import CheckOptions, ExplainOptions, SizeOptions

app = typer.Typer()


@app.command(
    name="size",
    epilog=examples(
        "kvplan size deepseek-v3 --context 128k",
        "kvplan size llama-3.1-70b --context 32k --batch 16 --tp 8 --kv-dtype fp8",
    ),
)
@o.with_options
def _size(model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[SizeOptions]) -> None:
    """What a token, a sequence and a batch take."""
    from kvplan.planner.size import size

    answer = size(model, **options)
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report import print_size

        print_size(answer)


@app.command(
    name="check",
    epilog=examples("kvplan check llama-3.1-70b --tp 16", "kvplan check deepseek-v3 --tp 8 --pp 2 --json"),
)
@o.with_options
def _check(model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[CheckOptions]) -> None:
    """Which parallelism is legal, and what it costs. Exit status 1 if a rule is broken."""
    from kvplan.planner.check import check

    answer = check(model, **options)
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report import print_check

        print_check(answer)
    if not answer.ok:
        raise typer.Exit(1)


@app.command(
    name="show", epilog=examples("kvplan show gemma-3-27b", "kvplan show deepseek-v3 --context 128k --tp 8")
)
@o.with_options
def _show(model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[ExplainOptions]) -> None:
    """The spec, and its formula with the numbers put in, term by term."""
    from kvplan.planner.explain import explain

    answer = explain(model, **options)
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report import print_explanation

        print_explanation(answer)
