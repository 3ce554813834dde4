"""
Configs as people change them, and those that transformers' classes write, against vLLM's own steps.

changed_jobs.json.gz has, for each, what was changed in a published config.json (a path to a field, and a
new value or `__del__`) or a whole config, what was asked of kvplan.fit, and what vLLM 0.33.0 made of
60,000,012,345 bytes: blocks, tokens of its "GPU KV cache size", tokens in a block; null where it refused.
Its engine arguments, the model's own class on the meta device and its planner ran without a GPU, and the
card was told to it: an H100 where no `gpu` is asked for, or a B200.

Those of a second round (`again`) are published files without a field each, with other layer types, windows,
head sizes, dtypes, lengths and quantisations, and all of them with options.
"""

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from tests.importers.originals import FOLDER

Job = dict[str, Any]

JOBS: dict[str, Job] = json.loads(
    gzip.decompress((Path(__file__).parent / "changed_jobs.json.gz").read_bytes())
)

THERE = [name for name, job in JOBS.items() if "config" in job or FOLDER.is_dir()]
"""The jobs whose config is here, or beside this checkout."""

_GONE = "__del__"


def changed_config(job: Job) -> dict[str, Any]:
    """Return the config of a job: a whole one, or a published one with its changes."""
    if "config" in job:
        return dict(job["config"])
    config = json.loads((FOLDER / job["file"]).read_text(encoding="utf-8"))
    for path, value in job.get("changed", {}).items():
        *outer, name = path.split("/")
        place = config
        for each in outer:
            place = place.setdefault(each, {})
        if value == _GONE:
            place.pop(name, None)
        else:
            place[name] = copy.deepcopy(value)
    return dict(config)


@pytest.mark.parametrize("name", THERE)
def test_a_changed_config_becomes_the_blocks_that_vllm_makes_of_it(name: str, tmp_path: Path) -> None:
    job = JOBS[name]
    (tmp_path / "config.json").write_text(json.dumps(changed_config(job)), encoding="utf-8")
    asked = {"gpu": "h100-80gb", "kv_memory": 60_000_012_345, **job["asked"]}
    if job["said"] is None:
        with pytest.raises(kvplan.KvplanError):
            kvplan.fit(tmp_path, engine="vllm@0.33", **asked)
        return
    answer = kvplan.fit(tmp_path, engine="vllm@0.33", **asked)
    assert [answer.num_blocks, answer.kv_tokens, answer.block_size] == job["said"]


def test_the_jobs_are_of_many_types_and_some_are_refused() -> None:
    types = {job["config"]["model_type"] for job in JOBS.values() if "config" in job}
    assert len(types) > 80
    assert sum(job["said"] is None for job in JOBS.values()) > 20
