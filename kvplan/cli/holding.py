"""The command `hold`: how many sequences of a traffic run at once."""

from typing import Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer
from kvplan.traffic.options import HoldOptions

EPILOG = examples(
    "kvplan hold llama-3.1-8b --gpu h100-80gb --traffic azure-conv-2023",
    "kvplan hold qwen3-32b --gpu 8xH100 --traffic lognormal:p1=1k,p99=32k -c 32k",
    "kvplan hold qwen3-8b --gpu l4-24gb --traffic uniform:1k..4k --prefix 512:0.5",
    "kvplan hold qwen3-32b --gpu 2xH100 --traffic azure-code-2023 --tpot 30ms",
)

app = typer.Typer()


@app.command(name="hold", epilog=EPILOG)
@o.with_options
def _hold(
    ctx: typer.Context, model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[HoldOptions]
) -> None:
    """How many unequal sequences run at once: none ever preempted, on average, or at a risk.

    Exit status 1 if the longest request of the traffic does not fit.
    """
    from kvplan.traffic.hold import hold

    answer = hold(model, **o.without_degrees(options, o.given_names(ctx, options)))
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.hold_text import print_hold

        print_hold(answer)
    if answer.never == 0:
        raise AnsweredError(
            f"a request of {answer.longest:,} tokens, the longest of this traffic, does not fit",
            "use more GPUs or a narrower cache, or refuse the longest requests with a shorter --context",
        )
