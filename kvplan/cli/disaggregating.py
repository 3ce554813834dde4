"""The command `disaggregate`: what a prompt moves between prefill and decode."""

from typing import Any, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer
from kvplan.phases.options import DisaggregateOptions
from kvplan.planner.several_gpus import DEGREES

app = typer.Typer()


@app.command(
    name="disaggregate",
    epilog=examples(
        "kvplan disaggregate deepseek-v3 --context 32k --tp 8",
        "kvplan disaggregate llama-3.1-70b --gpu 4xH100 -c 32k --link 400Gbps",
        "kvplan disaggregate qwen3-32b --gpu 2xH100 --engine vllm -c 8k --output 1k",
    ),
)
@o.with_options
def _disaggregate(
    ctx: typer.Context, model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[DisaggregateOptions]
) -> None:
    """What a prompt moves from prefill to decode, and over which link. Exit status 1 if nothing fits."""
    from kvplan.phases.disaggregate import disaggregate

    # A degree that nobody wrote is left to `--gpu 8xH100`.
    given: dict[str, Any] = {
        name: value for name, value in options.items() if name not in DEGREES or o.is_given(ctx, name)
    }
    answer = disaggregate(model, **given)
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.phases_text import print_disaggregation

        print_disaggregation(answer)
    if answer.fits is False:
        raise AnsweredError(
            f"an instance has no room for one request of {answer.context + (answer.output or 0):,} tokens",
            "more GPUs for it, --tp or --decode-tp, or a shorter --context would hold one",
        )
