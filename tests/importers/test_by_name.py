"""A quantised release of a catalogue model: the hub's own word first, then its name."""

from pathlib import Path

import pytest

from kvplan import importers
from kvplan.errors import ImportedError, NotFetchedError, UnknownNameError
from kvplan.importers.config import Imported
from kvplan.specs import ModelSpec

FP8 = "RedHatAI/Qwen3-32B-FP8-dynamic"


def test_the_hub_says_what_a_release_weighs(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importers.load("qwen3-8b")
    monkeypatch.setattr(importers, "import_model", lambda *_, **__: _Found(there))
    assert importers.load(FP8) is there


def test_without_the_hub_its_name_says_which_model_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers, "import_model", _no_network)
    spec = importers.load(FP8)
    assert (spec.name, spec.read_as, spec.weight_bytes) == ("qwen3-32b", FP8, None)


def test_without_either_the_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers, "import_model", _no_network)
    with pytest.raises(UnknownNameError, match="the hub does not answer"):
        importers.load("somebody/something-FP8")


def test_a_release_that_is_refused_is_not_answered_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers, "import_model", _odd)
    with pytest.raises(UnknownNameError, match="sliding_pattern: not known"):
        importers.load(FP8)


class _Found:
    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec


def _no_network(source: str | Path, **_: object) -> Imported:
    raise NotFetchedError(f"{source}: the hub does not answer")


def _odd(source: str | Path, **_: object) -> Imported:
    raise ImportedError(f"{source}: config.json: sliding_pattern: not known, and it could change the cache")
