"""The script that reads the catalogue's sources again, against pages that are made up."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kvplan
from tests.importers import configs

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def sources() -> ModuleType:
    found = importlib.util.spec_from_file_location("sources", ROOT / "docs" / "sources.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def lines(sources: ModuleType, source: str, pages: dict[str, Any]) -> list[str]:
    def get(address: str) -> bytes:
        if address not in pages:
            raise OSError("no such page")
        return json.dumps(pages[address]).encode()

    spec = kvplan.load("llama-3.1-8b").model_copy(update={"source": source})
    return list(sources.report(spec, get))


CONFIG = "https://huggingface.co/meta-llama/Llama-3.1-8B/blob/main/config.json"


def test_a_config_is_compared(sources: ModuleType) -> None:
    raw = CONFIG.replace("/blob/", "/raw/")
    (line,) = lines(sources, CONFIG, {raw: {**configs.LLAMA, "max_position_embeddings": 8192}})
    assert line.startswith(f"{CONFIG}: max_context: 131072 in the spec, 8192 in the source")


def test_a_page_that_is_no_config_is_reached_or_not(sources: ModuleType) -> None:
    source = "table 1 of arXiv:2305.13245, and github.com/example/there"
    found = lines(sources, source, {"https://arxiv.org/abs/2305.13245": ""})
    assert found == [
        "arXiv:2305.13245: there",
        "github.com/example/there: not reached: no such page",
    ]
    assert lines(sources, "a talk", {}) == ["no address in 'a talk'"]


def test_a_config_that_is_not_there_or_not_understood_is_told(sources: ModuleType) -> None:
    assert lines(sources, CONFIG, {}) == [f"{CONFIG}: not read: no such page"]
    (line,) = lines(sources, CONFIG, {CONFIG.replace("/blob/", "/raw/"): {"model_type": "potato"}})
    assert line.startswith(f"{CONFIG}: not understood: ")
