"""What README.md and the pages beside this file are generated from; cog calls these functions."""

import inspect
import os
import shlex
import subprocess
import sys
from pathlib import Path

import cog
from pictures import GALLERY, title

from kvplan.attention import kind_class, kind_names

_ROOT = Path(__file__).parent.parent
_WIDTH = "80"


def run(command: str, *, status: int = 0) -> str:
    """Return what a kvplan command prints, on both streams; fail if its exit status is another."""
    arguments = shlex.split(command.removeprefix("kvplan "))
    environment = {**os.environ, "COLUMNS": _WIDTH, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(  # noqa: S603 - the program under documentation
        [sys.executable, "-m", "kvplan", *arguments],
        capture_output=True,
        check=False,
        cwd=_ROOT,
        encoding="utf-8",
        env=environment,
    )
    if done.returncode != status:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout + done.stderr


def console(*commands: str, status: int = 0) -> None:
    """Write commands and their output as a console block."""
    cog.outl("```console")
    for command in commands:
        cog.outl(f"$ {command}")
        cog.outl(run(command, status=status).rstrip())
    cog.outl("```")


def picture(name: str) -> None:
    """Write a picture of docs/gallery/, and the command that draws it."""
    command = GALLERY[name]
    drawn = (_ROOT / "docs" / "gallery" / f"{name}.svg").read_text(encoding="utf-8")
    cog.outl(f"![{title(drawn)}](gallery/{name}.svg)\n")
    cog.outl("```text")
    cog.outl(f"{command} -o {name}.svg")
    cog.outl("```")


def command_help(name: str) -> None:
    """Write the help of one command."""
    cog.outl(f"## kvplan {name}\n")
    console(f"kvplan {name} --help")
    cog.outl("")


def attention_kinds() -> None:
    """Write a section for every attention kind, from its class."""
    for name in kind_names():
        kind = kind_class(name)
        doc = inspect.cleandoc(kind.__doc__ or "")
        fields = {key: field for key, field in kind.model_fields.items() if key != "kind"}
        asked = ", ".join(f"`{key}`" for key, field in fields.items() if field.is_required())
        more = ", ".join(f"`{key}`" for key, field in fields.items() if not field.is_required())
        keys = "; ".join(filter(None, (asked, f"may be left out: {more}" if more else "")))
        cog.outl(f"### `{name}`\n\n{doc}\n")
        cog.outl(f"Elements per layer and sequence: {kind.formula}.")
        cog.outl(f"Keys: {keys}.\n" if keys else "\n")
