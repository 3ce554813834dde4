"""A plan as a value: its lines and its bytes are one ledger, and it can be sent to another process."""

import pickle
from dataclasses import replace
from typing import Any

import pytest

import kvplan
from kvplan.engines import Arrangement, Line, engine_names
from kvplan.planner.budget import Asked
from kvplan.planner.deployment import Choice, deploy
from kvplan.planner.plan import Plan, make_plan

LOAD: list[tuple[int | str, int]] = [("8k", 3), (100, 2)]


def plan(engine: str) -> Plan:
    deployment = deploy(kvplan.load("llama-3.1-8b"), Choice(engine=engine))
    return make_plan(deployment, Asked(kv_memory="40GiB"), longest=8192)


class ABlockMore:
    """An arrangement whose lines have a block that its bytes do not have."""

    def __init__(self, right: Arrangement) -> None:
        self.right = right

    def lines(self, **load: Any) -> tuple[Line, ...]:
        return (*self.right.lines(**load), Line(name="spare", size_bytes=1, reason="made up"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.right, name)


@pytest.mark.parametrize("engine", engine_names())
def test_lines_that_are_not_the_bytes_are_no_answer(engine: str) -> None:
    right = plan(engine)
    assert right.waterfall(LOAD)
    arrangement: Any = ABlockMore(right.deployment.arrangement)
    wrong = replace(right, deployment=replace(right.deployment, arrangement=arrangement))
    with pytest.raises(kvplan.KvplanError, match="contradicts itself"):
        wrong.waterfall(LOAD)


@pytest.mark.parametrize("engine", engine_names())
def test_a_plan_is_the_same_in_another_process(engine: str) -> None:
    here = plan(engine)
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - its own
    assert there.max_batch("8k") == here.max_batch("8k")
    assert there.waterfall(LOAD) == here.waterfall(LOAD)
