"""The command `validate`: run real tensors and real model code against the predictions."""

from pathlib import Path
from typing import Annotated

import typer

from kvplan.cli.printing import AnsweredError, examples, print_answer
from kvplan.errors import KvplanError
from kvplan.files import require_writable

INTERRUPTED = 130


def _levels(incomplete: str) -> list[str]:
    """Return the levels that begin so, in any case."""
    from typing import get_args

    from kvplan.validate.results import Level

    return [name for name in get_args(Level) if name.startswith(incomplete.upper())]


Models = Annotated[
    list[str] | None,
    typer.Argument(help="Only checks that speak of these models.  [default: all]", show_default=False),
]
Levels = Annotated[
    list[str] | None,
    typer.Option(
        "--level",
        metavar="LEVEL",
        help="L0 to L4; may be repeated.  [default: all]",
        autocompletion=_levels,
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda.  [default: cuda where there is a GPU]")]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        dir_okay=False,
        help="Write the run to a file, or - for stdout, with all sizes.",
    ),
]
Parts = Annotated[
    list[str] | None,
    typer.Option(
        "--part", metavar="PART", help="Only this part of L4, a to f; may be repeated.  [default: all]"
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep what the --json file holds, and run only what it lacks.")
]
_EPILOG = examples(
    "kvplan validate --level L0",
    "kvplan validate deepseek-v3 gemma-3-27b --level L2",
    "kvplan validate --device cuda --level L4 --json measured.json --resume",
)


app = typer.Typer()


@app.command(name="validate", epilog=_EPILOG)
def _validate(
    models: Models = None,
    level: Levels = None,
    part: Parts = None,
    device: Device = None,
    json_file: JsonFile = None,
    resume: Resume = False,
) -> None:
    """Is it true? Predicted against measured: reference attention, real model code, a real GPU.

    Exit status 1 on any difference. Needs torch and transformers.
    """
    import gc
    from functools import partial

    from kvplan.report.console import write
    from kvplan.validate.progress import progress
    from kvplan.validate.record import load, save
    from kvplan.validate.run import validate
    from kvplan.validate.table import summary, table

    to_stdout = str(json_file) == "-"
    if json_file and not to_stdout:
        require_writable(json_file)
    if resume and (not json_file or to_stdout):
        raise KvplanError("--resume goes on with the run in a file: name it with --json FILE")
    # The program starts without garbage collection; models are full of reference cycles.
    gc.enable()
    # An end without warning leaves what was measured so far.
    keep = partial(save, path=json_file) if json_file and not to_stdout else None
    with progress() as announce:
        run = validate(
            tuple(models or ()),
            levels=tuple(level or ()),
            parts=tuple(part or ()),
            device=device,
            announce=announce,
            keep=keep,
            before=load(json_file) if json_file and resume else None,
        )
    if keep:
        keep(run)
    if to_stdout:
        print_answer(run.to_dict())
    else:
        write(table(run), "", *summary(run))
    if not run.complete:
        raise typer.Exit(INTERRUPTED)
    if not run.passed:
        wrong = sum(not each.passed for each in run.measurements)
        raise AnsweredError(
            f"{wrong} claims do not hold, {len(run.failed)} checks failed to run, and {len(run.skipped)} "
            "were skipped"
        )
