"""The command `fit`: a plan from options, or from the command that serves a model."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer, write_report
from kvplan.engines.exact import EXACT_UTILIZATION
from kvplan.errors import KvplanError
from kvplan.files import exists
from kvplan.planner.options import FitOptions
from kvplan.units import counted

if TYPE_CHECKING:
    from kvplan.planner.fit import Fit

EPILOG = examples(
    "kvplan fit llama-3.1-8b --gpu h100-80gb --context 8k",
    "kvplan fit llama-3.1-70b --gpu h100-80gb --tp 4 --batch 64 --context 32k",
    "kvplan fit deepseek-v3.2 --gpu h200-141gb --tp 8 --kv-dtype fp8_ds_mla",
    "kvplan fit gemma-3-27b --gpu h100-80gb --context 32k --engine vllm",
    "kvplan fit my-model.yaml --kv-memory 57.30GiB --context 8k --json",
    "kvplan fit qwen3-32b --gpu h200-141gb --context 32k -o report.html",
    "kvplan fit --gpu h100-80gb -- vllm serve Qwen/Qwen3-8B --max-num-seqs 64",
)


app = typer.Typer()


@app.command(name="fit", epilog=EPILOG)
@o.with_options
def _fit(
    ctx: typer.Context,
    model: o.ModelOrCommand,
    *,
    output: o.ReportFile = None,
    as_json: o.AsJson = False,
    **options: Unpack[FitOptions],
) -> None:
    """How many sequences fit on a GPU, and what would hold more. Exit status 1 if --batch does not fit."""
    o.form_or_report(as_json=as_json, output=output)
    ask, answer, ignored = _answered(model, options, given=o.given_names(ctx, options))
    if output is not None:
        beside = _vllm_beside(ask, answer, options.get("utilization"))
        write_report(answer, output, beside=beside, ignored=ignored or ())
    elif as_json:
        print_answer(answer.to_dict() | ({} if ignored is None else {"ignored": ignored}))
    else:
        from kvplan.report import print_fit

        print_fit(answer, beside=_vllm_beside(ask, answer, options.get("utilization")), ignored=ignored or ())
    if not answer.fits:
        raise AnsweredError(*shortfall(answer))


def _answered(
    model: Sequence[str], options: FitOptions, given: AbstractSet[str]
) -> "tuple[Callable[..., Fit], Fit, list[str] | None]":
    """
    Return how to ask again, the answer, and of a serving command the options that no plan uses.

    *given* are the options that stand in the command, whatever their value.
    """
    from kvplan.planner.fit import fit

    # A command may be quoted as one word.
    if len(model) == 1 and (" " not in model[0].strip() or exists(Path(model[0]))):
        ask = partial(fit, model[0], **o.without_degrees(options, given))
        return ask, ask(), None
    from kvplan.cli import served

    command = served.read_command(model)
    ask = partial(fit, command.model, **served.joined(options, command, given))
    return ask, replace(ask(), served=command), served.not_used(command)


def _vllm_beside(
    ask: "Callable[..., Fit]", answer: "Fit", utilization: str | float | None
) -> "Fit | str | None":
    """Return vLLM's answer for the memory that the formula was given, or why it would not start."""
    if answer.engine != "exact":
        return None
    same = {} if answer.sources.weights is None else {"utilization": utilization or EXACT_UTILIZATION}
    try:
        return ask(engine="vllm", advice=False, **same)
    except KvplanError as error:
        return error.line


def shortfall(answer: "Fit") -> tuple[str, str]:
    """Return what was asked and what there is, and what would fit."""
    from kvplan.planner import words
    from kvplan.planner.advice import searched_gpus

    best = answer.smallest_gpus
    more = f"more than {counted(searched_gpus(answer.plan), 'GPU')}"
    fewest = f"{counted(best.gpus, 'GPU')} (tp {best.tp} x pp {best.pp})" if best else more
    verb = "does" if answer.batch == answer.context == 1 else "do"
    return (
        f"{answer.batch:,} x {counted(answer.context, 'token')} {verb} not fit: {words.limit(answer.limit)}",
        f"{_longest(answer)}; all of it needs {fewest}",
    )


def _longest(answer: "Fit") -> str:
    """Return the longest context that fits; where there is none, or any, in words."""
    if answer.max_context is None:
        return "a shorter context holds no more"
    if not answer.max_context:
        return "no context fits, not even 1 token"
    return f"longest context that fits: {counted(answer.max_context, 'token')}"
