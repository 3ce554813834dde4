"""One row per engine: each facet is there or disclaimed with its reason, and nothing asks for an engine."""

import re
from dataclasses import fields
from typing import get_args

import pytest

from kvplan.engines import engine_names, find_engine
from kvplan.errors import UnknownNameError
from kvplan.reconcile.dialect import Disclaimed, LogDialect
from kvplan.reconcile.dialects import DIALECTS, find_dialect
from kvplan.reconcile.log import EngineName, FigureName
from tests.program import ROOT

WITHOUT_A_LOG = ("exact", "transformers")
FACETS = [each.name for each in fields(LogDialect)]


def test_every_engine_that_starts_has_a_row() -> None:
    engines = {name.partition("@")[0] for name in engine_names()}
    assert set(DIALECTS) == set(get_args(EngineName)) == engines - set(WITHOUT_A_LOG)


@pytest.mark.parametrize("engine", DIALECTS)
@pytest.mark.parametrize("facet", FACETS)
def test_each_facet_is_there_or_is_disclaimed(engine: EngineName, facet: str) -> None:
    value = getattr(DIALECTS[engine], facet)
    assert value
    if isinstance(value, Disclaimed):
        assert len(value.why.split()) > 3


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_what_a_row_names_is_known(dialect: LogDialect) -> None:
    figures = get_args(FigureName)
    named = [dialect.weights, dialect.memory, *dialect.reader.ends]
    named += [] if isinstance(dialect.only_oldest, Disclaimed) else dialect.only_oldest
    assert [name for name in named if not isinstance(name, Disclaimed) and name not in figures] == []
    oldest = "" if isinstance(dialect.oldest, Disclaimed) else f"@{dialect.oldest}"
    assert find_engine(f"{dialect.engine}{oldest}").settings
    if dialect.drafts == "setting":
        assert "draft_layers" in [each.name for each in find_engine(dialect.engine).settings]


def test_a_row_is_found_by_the_engines_name() -> None:
    assert find_dialect(" VLLM@0.19 ") is DIALECTS["vllm"]
    with pytest.raises(UnknownNameError, match="reads no logs of 'transformers', only those of vllm, sglang"):
        find_dialect("transformers")


def test_no_other_module_asks_which_engine_it_is() -> None:
    """A name in quotes outside an engine's own modules would be a facet that is missing in its row."""
    own = re.compile(r"(vllm|sglang|llamacpp|trtllm)_(log|rows)\.py|dialects\.py|log\.py")
    asking = [
        path.name
        for path in sorted((ROOT / "kvplan" / "reconcile").glob("*.py"))
        if own.fullmatch(path.name) is None
        and re.search(r"\"(vllm|sglang|llamacpp|trtllm)\"", path.read_text(encoding="utf-8"))
    ]
    assert asking == []
