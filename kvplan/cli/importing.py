"""The command that turns a model's own file into a spec."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kvplan.cli.options import Ignore
from kvplan.cli.printing import examples

if TYPE_CHECKING:
    from kvplan.importers.config import Imported

Source = Annotated[
    str,
    typer.Argument(help="A config.json, a model's folder, a .gguf file, or a hub id.", show_default=False),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The spec file to write.  [default: print it]")
]
CheckFile = Annotated[
    Path | None, typer.Option("--check", help="Compare this spec file with SOURCE and write nothing.")
]
Revision = Annotated[
    str | None, typer.Option(help="A commit, branch or tag, if SOURCE is a hub id.  [default: the newest]")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file of --output if it exists.")]

EPILOG = examples(
    "kvplan import ./my-model -o my-model.yaml",
    "kvplan import config.json --check my-model.yaml",
)


def register(app: typer.Typer) -> None:
    """Add `import` to the commands."""
    app.command(name="import", epilog=EPILOG)(_import)


def _import(
    source: Source,
    output: Output = None,
    check: CheckFile = None,
    revision: Revision = None,
    force: Force = False,
    ignore: Ignore = [],  # noqa: B006 - typer copies it
) -> None:
    """Write a spec from a model's own file. With --check, exit status 1 if a spec differs from it."""
    from kvplan.importers import import_model

    if check is not None and output is not None:
        raise typer.BadParameter("give --output or --check, not both")
    imported = import_model(source, revision, ignore)
    for part in imported.not_counted:
        typer.echo(f"kvplan: not counted: {part}", err=True)
    for field in (*imported.spec.ignored, *imported.spec.unread):
        typer.echo(f"kvplan: ignored: {field}", err=True)
    if check is not None:
        _compare(check, imported)
        return
    from kvplan.importers.write import save, spec_yaml

    text = spec_yaml(imported)
    if output is None:
        typer.echo(text, nl=False)
    else:
        save(text, output, force=force)
        typer.echo(f"wrote {output}")


def _compare(path: Path, source: "Imported") -> None:
    from kvplan.importers.compare import differences
    from kvplan.specs.load import load_file

    lines = differences(load_file(path), source.spec, source.estimates)
    typer.echo("\n".join(lines) if lines else f"{path} agrees with its source")
    if lines:
        raise typer.Exit(1)
