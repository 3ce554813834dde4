"""Config files as public repositories have them: each is answered right, or refused for cause."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import kvplan
from kvplan.errors import ImportedError
from kvplan.importers.complete import count_parameters
from kvplan.importers.config import Imported, import_config

Entry = dict[str, Any]

FILES: list[Entry] = yaml.safe_load((Path(__file__).parent / "public_files.yaml").read_text(encoding="utf-8"))

ANSWERED = [each for each in FILES if "per_token" in each]
COUNTED = [each for each in FILES if "parameters" in each]
REFUSED = [each for each in FILES if "refused" in each]

CONTEXT = 8192


def _value(packed: Any) -> Any:
    """Return a field's value; a long list stands as the file says that it does."""
    if not isinstance(packed, Mapping):
        return packed
    if "repeat" in packed:
        return packed.get("first", []) + packed["each"] * packed["repeat"] + packed.get("then", [])
    return {name: _value(each) for name, each in packed.items()}


def _sum(text: object) -> int:
    """Return a sum of products, written as `2 x 3 + 4`."""
    total = 0
    for term in str(text).split(" + "):
        product = 1
        for factor in term.split(" x "):
            product *= int(factor)
        total += product
    return total


def _import(entry: Entry, folder: Path) -> Imported:
    path = folder / "config.json"
    path.write_text(json.dumps(_value(entry["fields"])), encoding="utf-8")
    return import_config(path)


def _name(entry: Entry) -> str:
    return f"{entry['repository']}/{entry['path']}"


def test_there_are_sixty_and_more_from_many_writers() -> None:
    assert len({_name(each) for each in FILES}) == len(FILES) >= 100
    assert len(ANSWERED) >= 60
    assert all(("per_token" in each) != ("refused" in each) for each in FILES)
    assert len({each["repository"] for each in FILES}) >= 30


@pytest.mark.parametrize("entry", ANSWERED, ids=_name)
def test_a_public_file_has_its_bytes(entry: Entry, tmp_path: Path) -> None:
    spec = _import(entry, tmp_path).spec
    assert spec.max_context is not None
    context = min(CONTEXT, spec.max_context)
    size = kvplan.size(spec, context=context, dtype=entry.get("dtype"))
    assert size.bytes_per_token == _sum(entry["per_token"])
    assert size.bytes_per_sequence == context * _sum(entry["per_token"]) + _sum(entry.get("fixed", 0))


@pytest.mark.parametrize("entry", COUNTED, ids=_name)
def test_a_public_file_has_its_parameters(entry: Entry, tmp_path: Path) -> None:
    counted = count_parameters(_import(entry, tmp_path))
    assert counted is not None
    assert counted.total == _sum(entry["parameters"])


@pytest.mark.parametrize("entry", REFUSED, ids=_name)
def test_a_public_file_is_refused_by_the_name_of_what_is_wrong(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ImportedError, match=re.compile(entry["refused"], re.DOTALL)) as caught:
        _import(entry, tmp_path)
    assert len(str(caught.value).splitlines()) <= 2
    assert len(str(caught.value).removeprefix(str(tmp_path))) <= 300
