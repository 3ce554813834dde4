"""What every command prints alike: examples below its help, lines, and JSON."""

import json
from pathlib import Path
from typing import Any

import typer

from kvplan.errors import KvplanError
from kvplan.inert import inert


class AnsweredError(KvplanError):
    """The answer was printed, and is not the one that was hoped for: a line on stderr and status 1."""


def examples(*lines: str) -> str:
    """Return a help epilog whose lines stay as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(line: str) -> None:
    """Print one line that may hold text from outside."""
    typer.echo(inert(line))


def print_text(text: str) -> None:
    """Print a text of whole lines as it is: a spec, CSV, Markdown."""
    typer.echo(text, nl=False)


def complain(line: str) -> None:
    """Print one line on stderr, behind the program's name."""
    typer.echo(f"kvplan: {inert(line)}", err=True)


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Print one JSON value."""
    typer.echo(json.dumps(value, indent=2))


def print_answer(answer: dict[str, Any]) -> None:
    """Print the one object of `--json`."""
    from kvplan.planner.results import SCHEMA_VERSION

    print_json({"schema_version": SCHEMA_VERSION, **answer})


def write_report(answer: object, path: Path, **options: Any) -> None:  # noqa: ANN401 - those of its kind
    """Write the report of an answer, and say so."""
    from kvplan.report.reports import report_of, write

    write(report_of(answer, **options), path)
    say(f"wrote {path}")


def print_error(error: KvplanError, status: int) -> None:
    """Print what `--json` gives in place of an answer."""
    kind = type(error).__name__
    told = {"type": kind, "message": error.line, "advice": error.advice.strip(), "status": status}
    print_answer({"error": told})
