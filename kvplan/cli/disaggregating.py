"""The commands `disaggregate` and `bounds`: prefill and decode, apart or together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer
from kvplan.phases.options import BoundOptions, DisaggregateOptions
from kvplan.planner.several_gpus import DEGREES

if TYPE_CHECKING:
    from kvplan.phases.timed import Timed

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

    answer = disaggregate(model, **_without_degrees(ctx, options))
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.phases_text import print_disaggregation

        print_disaggregation(answer)
    _require_room(answer)


@app.command(
    name="bounds",
    epilog=examples(
        "kvplan bounds llama-3.1-70b --gpu 4xH100 -c 8k --output 512",
        "kvplan bounds deepseek-v3 --gpu 8xH200 -c 4k --engine vllm --tpot 30ms",
    ),
)
@o.with_options
def _bounds(
    ctx: typer.Context, model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[BoundOptions]
) -> None:
    """The least time of a prefill and of a step, and the most requests per second."""
    from kvplan.phases.together import bounds

    answer = bounds(model, **_without_degrees(ctx, options))
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.phases_text import print_bounds

        print_bounds(answer)
    _require_room(answer)


def _without_degrees(ctx: typer.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without the degrees that nobody wrote, so that `--gpu 8xH100` may choose them."""
    return {name: value for name, value in options.items() if name not in DEGREES or o.is_given(ctx, name)}


def _require_room(answer: "Timed") -> None:
    """Raise AnsweredError where what was asked has no room."""
    if answer.fits is False:
        whole = answer.context + (answer.output or 0)
        asked = "one request" if not answer.asked_batch else f"{answer.asked_batch:,} requests"
        raise AnsweredError(
            f"an instance has no room for {asked} of {whole:,} tokens",
            "more GPUs for it, fewer sequences or a shorter --context would have",
        )
