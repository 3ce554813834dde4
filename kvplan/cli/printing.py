"""What every command prints alike: examples below its help, and JSON."""

import json
from typing import Any

import typer


def examples(*lines: str) -> str:
    """Return a help epilog whose lines stay as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Print one JSON value."""
    typer.echo(json.dumps(value, indent=2))
