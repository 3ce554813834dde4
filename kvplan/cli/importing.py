"""The command that turns a model's own file into a spec."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import complain, examples, print_answer, print_text, say
from kvplan.planner.options import FileOptions

if TYPE_CHECKING:
    from kvplan.importers.compare import Comparison
    from kvplan.importers.config import Imported

Source = Annotated[
    str,
    typer.Argument(help="A config.json, a model's folder, a .gguf file, or a hub id.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The spec file to write, or - to print it.  [default: print it]"),
]
CheckFile = Annotated[
    Path | None, typer.Option("--check", help="Compare this spec file with SOURCE and write nothing.")
]
Revision = Annotated[
    str | None, typer.Option(help="A commit, branch or tag, if SOURCE is a hub id.  [default: the newest]")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file of --output if it exists.")]

_STDOUT = Path("-")

EPILOG = examples(
    "kvplan import ./my-model -o my-model.yaml",
    "kvplan import config.json --check my-model.yaml",
)


app = typer.Typer()


@app.command(name="import", epilog=EPILOG)
@o.with_options
def _import(
    source: Source,
    output: Output = None,
    check: CheckFile = None,
    revision: Revision = None,
    force: Force = False,
    *,
    as_json: o.AsJson = False,
    **options: Unpack[FileOptions],
) -> None:
    """Write a spec from a model's own file. With --check, exit status 1 if a spec differs from it."""
    from kvplan.importers import import_model

    if check is not None and output is not None:
        raise typer.BadParameter("give --output or --check, not both")
    imported = import_model(source, revision, options.get("ignore", ()))
    for part in imported.not_counted:
        complain(f"not counted: {part}")
    for field in (*imported.spec.ignored, *imported.spec.unread):
        complain(f"ignored: {field}")
    if check is not None:
        _compare(check, imported, as_json=as_json)
        return
    from kvplan.importers.write import save, spec_yaml

    text = spec_yaml(imported)
    written = None if output == _STDOUT else output
    if written is not None:
        save(text, written, force=force)
    if as_json:
        print_answer(_imported(imported) | {"output": None if written is None else str(written)})
    elif written is None:
        print_text(text)
    else:
        say(f"wrote {output}")


def _imported(imported: "Imported") -> dict[str, Any]:
    """Return a spec, and for its facts where they came from."""
    return {
        "spec": imported.spec.model_dump(mode="json", exclude_defaults=True),
        "origins": dict(imported.origins),
        "notes": list(imported.notes),
        "not_counted": list(imported.not_counted),
    }


def _compare(path: Path, source: "Imported", *, as_json: bool) -> None:
    from kvplan.importers.compare import compare
    from kvplan.specs.load import load_file

    found = compare(load_file(path), source.spec, source.estimates)
    if as_json:
        print_answer({"agrees": not found.differences} | asdict(found))
    else:
        _say_comparison(path, found)
    if found.differences:
        raise typer.Exit(1)


def _say_comparison(path: Path, found: "Comparison") -> None:
    for line in found.differences or [f"{path} agrees with its source"]:
        say(line)
    for line in found.untold:
        say(f"not checked: {line}")
    if found.labels:
        say(f"not checked, as it decides nothing: {', '.join(found.labels)}")
