"""The embedding, the head and the replicated parameters of specs that have no original file here."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kvplan.importers.fields import Fields
from kvplan.importers.parameters import Shape, count
from kvplan.importers.parameters.ends import read_ends
from kvplan.specs.catalogue import read_index, spec_files
from kvplan.specs.load import load, load_file
from tests.importers.originals import REFUSED, index, needs_originals
from tests.test_catalogue import work_out

ROWS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("recalled.yaml").read_text("utf-8"))
BY_HAND: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("by_hand.yaml").read_text("utf-8"))

CLASS = {"architectures": ["RecalledForCausalLM"]}
"""All of these have an output head, or an embedding that is one."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["model"])
def test_the_fields_come_to_the_published_total(row: dict[str, Any]) -> None:
    spec, fields = load(row["model"]), Fields(CLASS | row["fields"], file="config.json")
    counted, beside = count(row["model_type"], fields, Shape.of(spec)), row.get("beside", 0)
    assert counted is not None
    assert counted.total + beside == spec.parameters
    # Biases of routers are whole on every rank; a spec that leaves them out does so here, too.
    assert counted.replicated + min(beside, 0) == spec.replicated
    ends = read_ends(row["model_type"], fields)
    assert (ends.vocab, ends.tied) == (spec.vocab, spec.tied)


@pytest.mark.parametrize("row", BY_HAND, ids=lambda row: row["model"])
def test_a_spec_has_the_total_that_is_worked_out(row: dict[str, Any]) -> None:
    spec = load(row["model"])
    given = {name: work_out(value) for name, value in row.items() if name != "model"}
    assert given
    assert {name: getattr(spec, name) for name in given} == given


def test_what_the_total_holds_beside_the_count_has_a_reason() -> None:
    assert [row["model"] for row in ROWS if ("beside" in row) != ("why" in row)] == []


@needs_originals
def test_every_spec_with_these_facts_has_a_file_or_recalled_fields() -> None:
    known = read_index()
    files = {known.get(entry["hf_id"].lower()) for entry in index() if entry["file"] not in REFUSED}
    recalled = {row["model"] for row in [*ROWS, *BY_HAND]}
    for path in spec_files():
        spec = load_file(path)
        has_source = spec.name in recalled or f"{path.parent.name}/{path.name}" in files
        assert has_source or (spec.vocab, spec.tied, spec.replicated) == (None, None, None), spec.name
