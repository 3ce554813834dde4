"""
What a new release and a new engine need: the places that are touched, and all that follows by itself.

A release of vLLM with one new rule is one value in versions.py, and, if no field says it yet, the field and
the place where it is asked. An engine is a file, and a row in kvplan/engines/__init__.py. (A new kind of
attention is in test_labels.py.)
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import ModuleType

import pytest

from kvplan import engines, fit
from kvplan.engines import EXACT, Engine
from kvplan.engines.settings import Setting
from kvplan.engines.vllm import versions
from kvplan.errors import KvplanError, OptionsError
from kvplan.planner.deployment import kept_deployment
from kvplan.units import ceil_div
from tests.program import Cli

NEXT = (versions.NEWEST.version[0], versions.NEWEST.version[1] + 1)


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a release that takes 0.95 of a card; nothing but the table of releases is touched."""
    rules = replace(versions.NEWEST, version=NEXT, utilization="0.95")
    monkeypatch.setattr(versions, "RELEASES", (*versions.RELEASES, rules))
    monkeypatch.setattr(versions, "NEWEST", rules)
    # What other tests asked of the newest release is not what is asked here, nor the other way round.
    kept_deployment.cache_clear()
    yield rules.release
    kept_deployment.cache_clear()


def test_a_release_is_one_value(next_release: str) -> None:
    before = fit("llama-3.1-8b", gpu="h100-80gb", engine=f"vllm@{versions.RELEASES[-2].release}")
    named = fit("llama-3.1-8b", gpu="h100-80gb", engine=f"vllm@{next_release}")
    unnamed = fit("llama-3.1-8b", gpu="h100-80gb", engine="vllm")
    assert before.engine != named.engine == unnamed.engine == f"vllm@{next_release}"
    assert named.memory.budget_bytes == unnamed.memory.budget_bytes
    assert named.memory.budget_bytes == ceil_div(named.memory.gpu_bytes * 95, 100)
    assert before.memory.budget_bytes < named.memory.budget_bytes


def test_patches_of_a_new_release_and_one_after_it(next_release: str) -> None:
    assert versions.find_rules(f"{next_release}.3").release == next_release
    with pytest.raises(KvplanError, match=f"kvplan knows the rules of 0.11 to {next_release}"):
        versions.find_rules(f"{NEXT[0]}.{NEXT[1] + 1}")


def _made_up(version: str | None) -> Engine:
    del version
    setting = Setting(name="spare_pages", kind="count", help="kept free")
    return replace(EXACT, name="made-up@1", takes=frozenset({"block_size"}), settings=(setting,))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> str:
    """Add an engine: its module, and its row."""
    module = ModuleType("kvplan.engines.made_up")
    module.made_up = _made_up  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(engines._MAKERS, "made-up", "kvplan.engines.made_up:made_up")
    return "made-up"


def test_an_engine_is_a_file_and_a_row(made_up: str) -> None:
    answer = fit("llama-3.1-8b", kv_memory="10GiB", engine=made_up, context=8192, block_size=16)
    assert answer.engine == "made-up@1"
    assert answer.max_batch == fit("llama-3.1-8b", kv_memory="10GiB", context=8192).max_batch


@pytest.mark.parametrize("name", ["max_num_batched_tokens", "max_num_seqs", "prefix_caching", "dcp"])
def test_what_it_does_not_take_is_refused_by_its_name(made_up: str, name: str) -> None:
    asked = partial(fit, "llama-3.1-8b", kv_memory="10GiB", engine=made_up, context=8192)
    value = {"prefix_caching": False}.get(name, 2)
    with pytest.raises(OptionsError, match=f"the engine made-up@1 has no --{name.replace('_', '-')}"):
        asked(**{name: value})  # type: ignore[arg-type]


def test_help_errors_and_completion_know_it(made_up: str, kvplan: Cli) -> None:
    """docs/engines.md is written from the same list of engines (docs/engine_tables.py)."""
    assert made_up in engines.engine_names()
    unknown = kvplan("fit llama-3.1-8b --kv-memory 10GiB --engine made-ip -c 8k")
    assert "did you mean 'made-up'" in unknown.err
    wrong = kvplan("fit llama-3.1-8b --kv-memory 10GiB --engine made-up -c 8k --set spare=1")
    assert "spare_pages" in wrong.err
