"""The commands: each reads its options, calls the library once and prints the answer."""

import io
import os
import sys
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

import typer

from kvplan import __version__
from kvplan.cli import fitting, importing, reconciling, validating
from kvplan.cli import options as o
from kvplan.cli.printing import AnsweredError, examples, print_answer, print_error, print_json
from kvplan.errors import KvplanError, OptionsError, UnitError
from kvplan.planner.options import CheckOptions, ExplainOptions, SizeOptions

app = typer.Typer(
    name="kvplan",
    help="Plan the KV-cache memory of language-model serving.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"kvplan {__version__}")
        raise typer.Exit


@app.callback()
def _kvplan(
    ctx: typer.Context,
    _version: bool = typer.Option(
        False, "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Plan the KV-cache memory of language-model serving."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


fitting.register(app)


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


@app.command(
    name="models", epilog=examples("kvplan models", "kvplan models qwen", "kvplan models --kind mla")
)
def _models(search: o.Search = "", kind: o.KindName = None, as_json: o.AsJson = False) -> None:
    """The catalogue of models."""
    from kvplan.planner.catalogue_rows import model_rows

    rows = model_rows(search, kind)
    if not rows:
        of_kind = f" with the kind {kind!r}" if kind else ""
        raise KvplanError(f"no model has {search!r} in its name{of_kind}; `kvplan models` lists all")
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        from kvplan.report import print_models

        print_models(rows)


@app.command(name="gpus", epilog=examples("kvplan gpus", "kvplan gpus h100"))
def _gpus(search: o.Search = "", as_json: o.AsJson = False) -> None:
    """The GPUs that kvplan knows, and the memory that their drivers report."""
    from kvplan.gpus import gpu_rows, search_gpus

    found = search_gpus(search)
    if not found:
        raise KvplanError(f"no GPU has {search!r} in its name; `kvplan gpus` lists all")
    if as_json:
        print_json(gpu_rows(found))
    else:
        from kvplan.report import print_gpus

        print_gpus(found)


@app.command(name="schema", epilog=examples("kvplan schema > kvplan.schema.json"))
def _schema(
    _json: bool = typer.Option(False, "--json", help="Print JSON, as without it."),
) -> None:
    """The JSON Schema of a model spec, for editors."""
    from kvplan.specs.schema import json_schema

    print_json(json_schema())


importing.register(app)
reconciling.register(app)
validating.register(app)


@app.command(name="help", hidden=True)
def _help(command: str = typer.Argument("", help="A command.")) -> None:
    """The help of kvplan, or of a command."""
    app([*([command] if command else []), "--help"], standalone_mode=False, prog_name="kvplan")


def main() -> None:
    """Run the command line: answers on stdout, errors as a line or two on stderr, and the status."""
    if sys.stdout is None:  # closed by the caller, who wants the exit status alone
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the program
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that the encoding lacks ends no answer
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False, prog_name="kvplan")
        sys.stdout.flush()
    except KvplanError as error:
        status = _complain(error, status=2 if isinstance(error, UnitError | OptionsError) else 1)
    except OSError as error:
        status = _complain(_unwritten(error), status=1)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except Exception as error:
        # click's errors of misuse have no public base class in typer, but all format themselves.
        if not isinstance(error, _Misuse):
            raise
        from kvplan.cli.hints import hinted

        status = _complain(OptionsError(hinted(error.format_message(), sys.argv[1:])), status=2)
    sys.exit(status if isinstance(status, int) else 0)


def _wants_json() -> bool:
    """Return whether the answer was to be JSON; `validate --json FILE` names a file for it."""
    words = sys.argv[1:]
    own = words[: words.index("--")] if "--" in words else words
    return "--json" in own and (own[0] != "validate" or own[own.index("--json") + 1 :][:1] == ["-"])


def _unwritten(error: OSError) -> KvplanError:
    """Return what the system refused: a file that it names, or else the answer."""
    if error.filename is not None:
        return KvplanError(f"cannot use {error.filename}: {error.strerror}")
    # What Python still holds back has nowhere to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return KvplanError(f"cannot write the answer: {error.strerror}")


@runtime_checkable
class _Misuse(Protocol):
    """A command line that click refuses."""

    def format_message(self) -> str: ...


def _complain(error: KvplanError, *, status: int) -> int:
    if _wants_json() and not isinstance(error, AnsweredError):
        print_error(error, status)
    sys.stdout.flush()
    typer.echo(f"kvplan: {error}", err=True)
    return status
