"""The program: its commands, and how it ends."""

import io
import os
import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

import typer

from kvplan import __version__
from kvplan.cli.lazy import Commands
from kvplan.cli.printing import AnsweredError, print_error
from kvplan.errors import KvplanError, OptionsError, UnitError

app = typer.Typer(
    name="kvplan",
    cls=Commands,
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
        status = _refused(error)
    except OSError as error:
        status = _complain(_unwritten(error), status=1)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except Exception as error:
        # click's errors of misuse have no public base class in typer, but all format themselves.
        if not isinstance(error, _Misuse):
            raise
        from kvplan.cli.hints import hinted

        status = _refused(OptionsError(hinted(error.format_message(), sys.argv[1:])))
    sys.exit(status if isinstance(status, int) else 0)


def _refused(error: KvplanError) -> int:
    """Say what is wrong, be it that one plan was asked for several values, and return the status."""
    if not isinstance(error, AnsweredError):
        from kvplan.cli.hints import with_grid

        error = with_grid(error, sys.argv[1:])
    return _complain(error, status=2 if isinstance(error, UnitError | OptionsError) else 1)


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
