"""The command `tiers`: what the card, the host, disks and a remote store hold of the cache."""

from typing import Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.fitting import shortfall
from kvplan.cli.printing import AnsweredError, examples, print_answer
from kvplan.tiering.options import TierOptions

app = typer.Typer()


@app.command(
    name="tiers",
    epilog=examples(
        "kvplan tiers llama-3.1-8b --gpu h100-80gb --context 32k --host 200GiB",
        "kvplan tiers deepseek-v3 --gpu h200-141gb --tp 8 --host 1TiB --store lmcache",
    ),
)
@o.with_options
def _tiers(model: o.Model, *, as_json: o.AsJson = False, **options: Unpack[TierOptions]) -> None:
    """What tiers of the cache hold beside what runs, and give back. Exit status 1 if --batch does not fit."""
    from kvplan.tiering.answer import tiers

    answer = tiers(model, **options)
    if as_json:
        print_answer(answer.to_dict())
    else:
        from kvplan.report.tiers_text import print_tiers

        print_tiers(answer)
    if not answer.fit.fits:
        raise AnsweredError(*shortfall(answer.fit))
