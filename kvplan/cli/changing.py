"""The commands `whatif`, `advise` and `new`: other designs, the smallest change that fits, a design begun."""

from pathlib import Path
from typing import Annotated, Unpack

import typer

from kvplan.alternatives.options import AdviseOptions, NewOptions, WhatIfOptions
from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, complain, examples, print_answer, print_text, say

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
            print_text(text)
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


Design = Annotated[
    bool, typer.Option("--design", help="Change the attention itself, too, as of a model to be trained.")
]

_ADVICE = examples(
    "kvplan advise llama-3.1-70b --gpu h100-80gb --tp 4 --context 32k --batch 64",
    "kvplan advise qwen3-8b --gpu l4-24gb --context 32k --batch 8 --design",
)


@app.command(name="advise", epilog=_ADVICE)
@o.with_options
def _advise(
    model: o.Model,
    design: Design = False,
    *,
    as_json: o.AsJson = False,
    **options: Unpack[AdviseOptions],
) -> None:
    """The smallest change with which --batch sequences fit. Exit status 1 if none that is searched does."""
    from kvplan.alternatives.advise import advise

    answer = advise(model, design=design, **options)
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.alternatives_text import print_advice

        print_advice(answer)
    if answer.best is None:
        raise AnsweredError(
            "no single change that was searched holds this work: ask kvplan fit for more GPUs"
        )


DesignName = Annotated[str, typer.Argument(help="What the design is called.", show_default=False)]
SpecFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="The spec file to write.  [default: print it]")
]

_NEW = examples(
    "kvplan new my-model --heads 32 --groups 8 --head-dim 128 --layers 32",
    "kvplan new my-model --heads 128 --d-c 512 --d-rope 64 --layers 60 -o my.yaml",
)


@app.command(name="new", epilog=_NEW)
@o.with_options
def _new(
    name: DesignName,
    output: SpecFile = None,
    force: Force = False,
    **options: Unpack[NewOptions],
) -> None:
    """A spec of a design of your own, with comments, from a handful of options."""
    from kvplan.alternatives.sketch import COMMENTS, new
    from kvplan.importers.write import as_yaml, save

    text = as_yaml(new(name, **options), COMMENTS)
    if output is None or output == _STDOUT:
        print_text(text)
        return
    save(text, output, force=force)
    say(f"wrote {output}")
