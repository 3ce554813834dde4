"""A plan as a value: its lines and its bytes are one ledger, and it can be sent to another process."""

import pickle
from collections.abc import Callable
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


RESULTS = [
    lambda: kvplan.size("llama-3.1-8b"),
    lambda: kvplan.fit("llama-3.1-8b", gpu="h100-80gb"),
    lambda: kvplan.check("llama-3.1-8b"),
    lambda: kvplan.explain("llama-3.1-8b"),
    lambda: kvplan.load("gemma-3-27b"),
    lambda: kvplan.plan("gemma-3-27b", gpu="h100-80gb", engine="vllm"),
]


@pytest.mark.parametrize("ask", RESULTS)
def test_what_is_answered_is_a_key_here_and_in_another_process(ask: Callable[[], object]) -> None:
    here = ask()
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - its own
    assert there == here
    assert hash(there) == hash(here)


def test_a_plan_answers_what_fit_reports() -> None:
    """Each figure of a report is what its plan says of the same load."""
    options: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm", "tp": 2}
    made, told = (
        kvplan.plan("gemma-3-27b", **options),
        kvplan.fit("gemma-3-27b", context="8k", batch=8, **options),
    )
    load: list[tuple[int | str, int]] = [("8k", 8)]
    assert (made.fits(load), made.max_batch("8k"), made.max_context(8)) == (
        told.fits,
        told.max_batch,
        told.max_context,
    )
    assert (made.memory(load), made.waterfall(load)) == (told.memory, told.waterfall)
    advice = made.advice("8k", batch=8)
    assert (advice.smallest_tp, advice.smallest_gpus, advice.hints) == (
        told.smallest_tp,
        told.smallest_gpus,
        told.hints,
    )
    start_up = made.start_up("8k")
    assert start_up is not None
    assert (start_up.num_blocks, start_up.kv_tokens) == (told.num_blocks, told.kv_tokens)


def test_without_advice_the_rest_is_the_same() -> None:
    asked: dict[str, Any] = {"gpu": "h100-80gb", "context": "8k", "batch": 4}
    whole, bare = kvplan.fit("qwen3-8b", **asked), kvplan.fit("qwen3-8b", advice=False, **asked)
    left_out = {"smallest_tp": None, "smallest_gpus": None, "hints": ()}
    assert replace(whole, **left_out) == bare  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (8192, "pairs of tokens and sequences"),
        ([8192], "pairs of tokens and sequences"),
        ([("8k", 1, 2)], "pairs of tokens and sequences"),
        ([("8q", 1)], "is not a number of tokens"),
        ([("8k", 0)], "not between 1"),
        ([("8k", "x")], "is not a number of sequences"),
        ([(None, 1)], "is not a number of tokens"),
    ],
)
def test_what_is_no_load_is_refused(load: Any, told: str) -> None:
    with pytest.raises(kvplan.KvplanError, match=told):
        plan("exact").fits(load)


def test_replicas_share_each_length_out() -> None:
    """Two replicas hold what one holds twice; of three long sequences one of them gets two."""
    one, two = (kvplan.plan("llama-3.1-8b", kv_memory="8GiB", dp=dp) for dp in (1, 2))
    # 8 GiB / 128 KiB are 65,536 tokens.
    assert one.fits([(32_768, 1), (1_024, 32)])
    assert not one.fits([(32_768, 1), (1_024, 33)])
    assert two.fits([(32_768, 2), (1_024, 64)])
    assert not two.fits([(32_768, 3), (1_024, 64)])
    assert two.fits([(32_768, 4)])
