"""One line about each model of the catalogue, for tables and searches."""

from dataclasses import asdict
from typing import Any

from kvplan.attention import kind_class
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.work import as_context
from kvplan.records import record
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from kvplan.specs.model import ModelSpec
from kvplan.terms import growth


@record
class ModelRow:
    """One model of the catalogue. `bytes_per_token` is for all layers on one GPU, in its own dtype."""

    name: str
    hf_id: str | None
    layers: int
    kinds: str
    bytes_per_token: int | float
    max_context: int
    parameters: int | None
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return asdict(self)


def model_rows(search: str = "", kind: str | None = None) -> list[ModelRow]:
    """Return the models whose name, alias or hub id contains *search* and that have *kind*, sorted."""
    if kind is not None:
        kind_class(kind)
    specs = (load_file(path) for path in spec_files())
    rows = [_row(spec) for spec in specs if _matches(spec, search.lower(), kind)]
    return sorted(rows, key=lambda row: row.name)


def _matches(spec: ModelSpec, search: str, kind: str | None) -> bool:
    names = (spec.name, spec.hf_id or "", *spec.aliases, *spec.quantized)
    has_kind = kind is None or any(kind == each.kind for each in spec.kinds())
    return has_kind and any(search in name.lower() for name in names)


def _row(spec: ModelSpec) -> ModelRow:
    (stage,) = deploy(spec, Choice()).stages
    return ModelRow(
        name=spec.name,
        hf_id=spec.hf_id,
        layers=spec.layer_count,
        kinds=", ".join(dict.fromkeys(each.kind for each in spec.kinds())),
        bytes_per_token=growth(stage.terms(), 1),
        max_context=as_context(None, spec),
        parameters=spec.parameters,
        source=spec.source,
    )
