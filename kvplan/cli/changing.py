"""The command `whatif`: a design changed step by step."""

from pathlib import Path
from typing import Annotated, Unpack

import typer

from kvplan.alternatives.options import WhatIfOptions
from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, complain, examples, print_answer

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the changed spec to this file, or - to print it alone."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file of --output if it exists.")]

_STDOUT = Path("-")

EPILOG = examples(
    "kvplan whatif llama-65b --gqa 8 --context 32k",
    "kvplan whatif llama-3.1-8b --window 4k,full_every=6 --gpu h100-80gb",
    "kvplan whatif llama-2-7b --mla d_c=512,d_rope=64 -o llama-2-7b-mla.yaml",
)

app = typer.Typer()


@app.command(name="whatif", epilog=EPILOG)
@o.with_options
def _whatif(
    ctx: typer.Context,
    model: o.Model,
    output: Output = None,
    force: Force = False,
    *,
    as_json: o.AsJson = False,
    **options: Unpack[WhatIfOptions],
) -> None:
    """What changes of a design would make of its cache, in their order. Exit status 1 if none keeps it."""
    from kvplan.alternatives.whatif import whatif

    answer = whatif(model, **o.in_order(ctx, options))
    if output is not None:
        from kvplan.importers.write import as_yaml, save

        text = as_yaml(answer.spec, {})
        if output == _STDOUT:
            typer.echo(text, nl=False)
            return
        save(text, output, force=force)
        complain(f"wrote {output}")
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.alternatives_text import print_whatif

        print_whatif(answer)
    if refusal := answer.rows[-1].refusal:
        raise AnsweredError(refusal)
