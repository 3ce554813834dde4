"""`--gpu 8xH100`: the number spreads the model, which the answer says."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.planner.facts import Assumed


@pytest.mark.parametrize(
    ("engine", "way"), [("exact", "tp"), ("vllm", "tp"), ("sglang", "tp"), ("llamacpp", "pp")]
)
def test_the_number_of_gpus_is_the_degree_of_the_engines_own_way(engine: str, way: str) -> None:
    """llama.cpp splits by layers unless told otherwise."""
    named = kvplan.fit("llama-3.1-8b", gpu="2x4090", context="8k", engine=engine)
    degrees = {"tp": 1, "pp": 1, way: 2}
    tp, pp = degrees["tp"], degrees["pp"]
    given = kvplan.fit("llama-3.1-8b", gpu="4090", context="8k", engine=engine, tp=tp, pp=pp)
    assert (named.tp, named.pp, named.max_batch) == (given.tp, given.pp, given.max_batch)
    read = Assumed(text=f"2x4090 is read as 2 x 4090, with {way} 2")
    assert named.warnings == (read, *given.warnings)


def test_degrees_that_are_given_use_all_gpus() -> None:
    answer = kvplan.fit("llama-3.1-8b", gpu="8xH100", context="8k", tp=4, dp=2)
    assert (answer.tp, answer.dp, answer.gpu) == (4, 2, "h100-80gb")
    assert answer.warnings == ()
    with pytest.raises(OptionsError) as caught:
        kvplan.fit("llama-3.1-8b", gpu="8xH100", context="8k", tp=4)
    assert str(caught.value) == (
        "8xH100 are 8 GPUs, and tp 4 x pp 1 x dp 1 use 4: make them agree, or give --gpu H100"
    )


def test_a_number_that_does_not_divide_is_refused_with_those_that_do() -> None:
    with pytest.raises(kvplan.KvplanError, match="legal tensor-parallel degrees"):
        kvplan.fit("llama-3.1-8b", gpu="3xH100", context="8k")


def test_one_of_a_kind_is_one() -> None:
    assert kvplan.fit("llama-3.1-8b", gpu="1xH100", context="8k").tp == 1


def test_a_plan_takes_several_gpus_too() -> None:
    plan = kvplan.plan("llama-3.1-8b", gpu="2xH100")
    assert plan.deployment.tp == 2


@pytest.mark.parametrize("degrees", [{"tp": 1}, {"dp": 2, "tp": 2}])
def test_degrees_that_are_written_out_must_use_them_all(degrees: dict[str, int]) -> None:
    with pytest.raises(OptionsError, match=r"8xH100 are 8 GPUs, and tp . x pp 1 x dp . use"):
        kvplan.fit("llama-3.1-8b", gpu="8xH100", context="8k", **degrees)  # type: ignore[arg-type]


def test_answers_of_several_gpus_are_kept() -> None:
    """The same question has the same plan, however its GPUs were named."""
    plans = [kvplan.plan("llama-3.1-8b", gpu="8xH100", engine="vllm") for _ in range(2)]
    assert plans[0] is plans[1]


def test_prefill_context_parallelism_has_gpus_of_its_own() -> None:
    """World_size of vLLM 0.33's config/parallel.py is tp x pp x pcp."""
    asked: dict[str, Any] = {
        "engine": "vllm",
        "context": "8k",
        "settings": {"prefill_context_parallel_size": "2"},
    }
    given = kvplan.fit("deepseek-v2-lite", gpu="16xh200", tp=8, **asked)
    named = kvplan.fit("deepseek-v2-lite", gpu="16xh200", **asked)
    nodes = kvplan.fit("deepseek-v2-lite", gpu="8xh200", nodes=2, tp=8, **asked)
    for answer in (given, named, nodes):
        assert (answer.tp, answer.deployment.gpus, answer.max_batch) == (8, 16, given.max_batch)
    refused: tuple[tuple[str, dict[str, Any], int], ...] = (("8xh200", {"tp": 8}, 16), ("15xh200", {}, 2))
    for gpu, degrees, used in refused:
        with pytest.raises(OptionsError, match=rf"context-parallel ranks 2 use {used}: make them agree"):
            kvplan.fit("deepseek-v2-lite", gpu=gpu, **degrees, **asked)
