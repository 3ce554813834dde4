"""The commands `models`, `gpus` and `schema`: what kvplan knows."""

import typer

from kvplan.cli import options as o
from kvplan.cli.printing import examples, print_json
from kvplan.errors import KvplanError

app = typer.Typer()


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
