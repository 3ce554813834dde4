"""A model with states on a card that has too few blocks for vLLM's default of sequences at once."""

import shlex
from typing import Any

import pytest

import kvplan
from kvplan.planner.facts import Lowered, RunsFewer

SHORT = [
    ("qwen3.6-35b-a3b", "h100-80gb"),
    ("falcon-h1-34b", "h100-80gb"),
    ("nemotron-nano-9b-v2", "rtx-4090-24gb"),
    ("mamba2-2.7b", "h100-80gb"),
]
"""Models and cards on which vLLM refuses its own 1,024 sequences: their states want a block each."""


@pytest.mark.parametrize(("model", "gpu"), SHORT)
def test_a_plan_is_that_of_the_most_sequences_with_which_vllm_starts(model: str, gpu: str) -> None:
    lowered = kvplan.plan(model, gpu=gpu, engine="vllm")
    assert lowered.lowered is not None
    told = kvplan.plan(model, gpu=gpu, engine="vllm", max_num_seqs=lowered.lowered)
    assert told.refusal("2k") is None
    assert (told.lowered, told.left, told.budget) == (None, lowered.left, lowered.budget)
    assert told.max_batch("2k") == lowered.max_batch("2k")
    more = kvplan.plan(model, gpu=gpu, engine="vllm", max_num_seqs=lowered.lowered + 1)
    assert "lower --max-num-seqs" in (more.refusal("2k") or "")


@pytest.mark.parametrize(("model", "gpu"), SHORT)
def test_its_command_has_the_same_answer(model: str, gpu: str) -> None:
    before = kvplan.fit(model, gpu=gpu, engine="vllm", context="2k", advice=False)
    assert before.command
    words = shlex.split(before.command)
    asked = int(words[words.index("--max-num-seqs") + 1])
    after = kvplan.fit(model, gpu=gpu, engine="vllm", context="2k", max_num_seqs=asked, advice=False)
    # In the least memory of the range a command does not start that asks for more than it holds.
    apart: dict[str, Any] = {"warnings": (), "max_batch_range": None, "options": {}}
    assert after.to_dict() | apart == before.to_dict() | apart


def test_it_is_said_with_what_starts_in_the_least_memory() -> None:
    answer = kvplan.fit("qwen3.6-35b-a3b", gpu="h100-80gb", engine="vllm", context="2k", advice=False)
    (said,) = (each for each in answer.warnings if isinstance(each, Lowered))
    assert said.least is not None
    assert said.least < said.sequences
    low, _ = answer.kv_range or (0, 0)
    tight = kvplan.plan(
        "qwen3.6-35b-a3b", gpu="h100-80gb", kv_memory=low, engine="vllm", max_num_seqs=said.least
    )
    assert tight.refusal("2k") is None
    beyond = kvplan.plan(
        "qwen3.6-35b-a3b", gpu="h100-80gb", kv_memory=low, engine="vllm", max_num_seqs=said.least + 1
    )
    assert beyond.refusal("2k") is not None


def test_a_known_memory_is_lowered_to_its_blocks() -> None:
    """With 10.0 GiB and blocks of 22,282,240 B (10 full layers' rows of 1,088 tokens) there are 481."""
    lowered = kvplan.plan("qwen3.6-35b-a3b", gpu="h100-80gb", kv_memory="10GiB", engine="vllm")
    assert lowered.lowered == 10 * 2**30 // 22_282_240 == 481


def test_what_starts_by_itself_is_not_lowered() -> None:
    assert kvplan.plan("qwen3.6-35b-a3b", gpu="h100-80gb", tp=4, engine="vllm").lowered is None
    assert kvplan.plan("llama-3.1-8b", gpu="h100-80gb", engine="vllm").lowered is None


def test_that_an_engine_runs_fewer_than_its_pools_hold_is_said() -> None:
    """VLLM's default on an H200 is 1,024 (engine/arg_utils.py); 512 tokens are 0.0625 GiB of some 110."""
    asked: dict[str, Any] = {"gpu": "h200-141gb", "context": 512, "engine": "vllm", "advice": False}
    answer = kvplan.fit("llama-3.1-8b", **asked)
    assert (answer.max_batch or 0) > 1024
    assert RunsFewer(engine=answer.engine, sequences=1024) in answer.warnings
    for other in ({"max_num_seqs": 4000}, {"context": 8192}, {"dp": 2, "context": 1024}):
        told = kvplan.fit("llama-3.1-8b", **asked | other)
        assert not [each for each in told.warnings if isinstance(each, RunsFewer)], other
