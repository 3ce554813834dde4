"""What every command prints alike: examples below its help, and JSON."""

import json
from typing import Any

import typer

from kvplan.inert import inert


def examples(*lines: str) -> str:
    """Return a help epilog whose lines stay as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def say(line: str) -> None:
    """Print one line that may hold text from outside."""
    typer.echo(inert(line))


def complain(line: str) -> None:
    """Print one line on stderr, behind the program's name."""
    typer.echo(f"kvplan: {inert(line)}", err=True)


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Print one JSON value."""
    typer.echo(json.dumps(value, indent=2))
