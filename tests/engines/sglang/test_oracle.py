"""What SGLang 0.5.23's own code made of a memory, recorded by generate_jobs.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from kvplan.errors import NoRoomError
from tests.engines.sglang.planning import pools_of

JOBS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "oracle_jobs.json").read_text())


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job["model"])
def test_the_pools_are_those_of_sglangs_code(job: dict[str, Any]) -> None:
    pools = pools_of(job["model"], **job["choice"])
    answer = job["answer"]
    # SGLang finds later, and kvplan at once, that slots are too few for one request.
    if answer is None or answer.get("slots", 5) < pools.sizing.slots_per_request:
        with pytest.raises(NoRoomError):
            pools.pools([job["memory"]], 8192)
        return
    found = pools.pools([job["memory"]], 8192)
    assert {name: getattr(found, name) for name in answer} == answer


def test_some_jobs_are_refused_and_most_are_not() -> None:
    refused = [job for job in JOBS if job["answer"] is None]
    assert 2 <= len(refused) < len(JOBS) / 4
