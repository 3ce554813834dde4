"""
Configs as published and as people change them, against what SGLang's own ModelConfig reads.

read_configs.json.gz has, for each, the published file and what was changed in it (a path to a field, and a
new value or `__del__`), and what python/sglang/srt/configs/model_config.py of 0.5.23 made of it without a
GPU: the longest context, the layers, and for tensor parallelism of 1, 2, 4 and 8 the elements of a token's
keys and values on a rank, in layers that keep all tokens and in those that slide, or those of a latent.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.terms import Growing, Layer
from tests.engines.vllm.test_changed import changed_config
from tests.importers.originals import FOLDER

Job = dict[str, Any]

JOBS: dict[str, Job] = json.loads(
    gzip.decompress((Path(__file__).parent / "read_configs.json.gz").read_bytes())
)

THERE = sorted(JOBS) if FOLDER.is_dir() else []


def _plan(path: Path, tp: int) -> Deployment:
    return deploy(kvplan.load(path), Choice(engine="sglang", tp=tp))


def _elements(layer: Layer, tp: int, *roles: str) -> int:
    return sum(term.split.on_rank(tp) * term.width for term in layer if term.role in roles)


def _slides(layer: Layer) -> bool:
    rows = [term.known_rows for term in layer if term.role == "key"]
    return any(isinstance(each, Growing) and each.window is not None for each in rows)


@pytest.mark.parametrize("name", THERE)
def test_a_config_is_read_as_sglang_reads_it(name: str, tmp_path: Path) -> None:
    said = JOBS[name]["said"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(changed_config(JOBS[name])), encoding="utf-8")
    spec = kvplan.load(path)
    assert (spec.longest_context or spec.max_context) == said["context"]
    assert len(spec.layer_types) == said["layers"]
    for tp, full, window in zip((1, 2, 4, 8), said["full"], said["window"], strict=True):
        try:
            plan = _plan(path, tp)
        except KvplanError:
            assert tp > 1
            continue
        layers = [plan.layers[each] for each in spec.layer_types]
        if said["latent"]:
            assert {_elements(each, tp, "latent", "rope") for each in layers} - {0} == {said["latent"]}
            continue
        kept = {_slides(each): _elements(each, tp, "key", "value") for each in layers if each}
        assert kept.get(False) in (None, 0, full)
        assert kept.get(True) in (None, 0, window)
    if said["slides"] is not None:
        assert [number for number, each in enumerate(layers) if _slides(each)] == said["slides"]


def test_the_configs_are_of_many_types() -> None:
    files = {job["file"] for job in JOBS.values()}
    assert len(files) > 100
    assert sum("changed" in job for job in JOBS.values()) > 100
