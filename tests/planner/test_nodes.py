"""Several nodes: GPUs of each, tensor parallelism within one, and what engines' commands say."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.errors import OptionsError, SplitError
from kvplan.planner.facts import Assumed
from kvplan.planner.nodes import crossing
from kvplan.serving import read_command


def test_gpus_of_each_node_spread_a_model_with_tp_within() -> None:
    named = kvplan.fit("llama-3.1-405b", gpu="8xH100", nodes=2, context="8k", engine="vllm")
    given = kvplan.fit("llama-3.1-405b", gpu="H100", tp=8, pp=2, nodes=2, context="8k", engine="vllm")
    assert (named.tp, named.pp, named.nodes) == (8, 2, 2)
    assert named.max_batch == given.max_batch
    read = Assumed(text="8xH100 on 2 nodes is read as 16 x H100, with tp 8 within each x pp 2")
    assert named.warnings == (read, *given.warnings)


def test_degrees_that_are_given_use_the_gpus_of_all_nodes() -> None:
    answer = kvplan.fit("deepseek-v3", gpu="8xH200", nodes=2, tp=16, context="8k", engine="vllm")
    told = [each.text for each in answer.warnings if isinstance(each, Assumed)]
    assert "".join(told) == (
        "tp 16 crosses nodes of 8 GPUs: each layer's sums go over the network between; tp 8 with 2 times the "
        "stages stays within a node"
    )
    with pytest.raises(OptionsError) as caught:
        kvplan.fit("deepseek-v3", gpu="8xH200", nodes=2, tp=8, context="8k")
    assert str(caught.value) == (
        "8xH200 on 2 nodes are 16 GPUs, and tp 8 x pp 1 x dp 1 use 8: make them agree"
    )


def test_a_card_without_a_number_leaves_the_nodes_to_the_degrees() -> None:
    assert kvplan.plan("llama-3.1-8b", gpu="h100", tp=4, nodes=2).deployment.choice.node_gpus == 2
    assert kvplan.plan("llama-3.1-8b", gpu="h100", tp=4).deployment.choice.node_gpus is None


def test_nodes_that_are_not_alike_are_refused() -> None:
    """vLLM: `--nnodes 3` must evenly divide the total world size (engine/arg_utils.py)."""
    with pytest.raises(SplitError, match="16 GPUs are not spread evenly over 3 nodes"):
        kvplan.fit("llama-3.1-405b", gpu="h100", tp=8, pp=2, nodes=3, context="8k")
    answer = kvplan.check("llama-3.1-405b", tp=8, pp=2, nodes=3)
    assert not answer.ok
    assert [rule.detail for rule in answer.checks if not rule.ok] == [
        "16 GPUs are not spread evenly over 3 nodes"
    ]


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 8))
def test_a_group_crosses_where_its_ranks_are_on_two_nodes(tp: int, groups: int, nodes: int) -> None:
    """Ranks one after the other, nodes filled one after the other."""
    gpus = tp * groups
    if gpus % nodes:
        return
    each = gpus // nodes
    on = [{rank // each for rank in range(start, start + tp)} for start in range(0, gpus, tp)]
    assert (crossing(tp, each) is not None) == any(len(found) > 1 for found in on)


def test_check_says_what_each_node_has_and_what_crosses() -> None:
    answer = kvplan.check("deepseek-v3", tp=16, nodes=2)
    assert answer.ok
    assert answer.checks[-1].detail == "16 GPUs on 2 nodes: 8 on each"
    assert answer.advice[-1].startswith("tp 16 crosses nodes of 8 GPUs")
    within = kvplan.check("deepseek-v3", tp=8, pp=2, nodes=2)
    assert not any("crosses" in each for each in within.advice)
    assert kvplan.check("deepseek-v3", tp=16).checks == answer.checks[:-1]


@pytest.mark.parametrize(
    ("command", "tp"),
    [
        ("vllm serve a/b -tp 16 --nnodes 2 --node-rank 1 --master-addr 10.0.0.1", 16),
        ("vllm serve a/b -tp 16 -n 2 -r 0", 16),
        ("python -m sglang.launch_server --model-path a/b --tp 16 --nnodes 2 --node-rank 0", 16),
    ],
)
def test_commands_say_their_nodes(command: str, tp: int) -> None:
    asked = read_command(shlex.split(command)).asked
    assert (asked["tp"], asked["nodes"]) == (tp, 2)


def test_a_plan_of_several_nodes_is_written_as_one() -> None:
    answer = kvplan.fit("deepseek-v3", gpu="8xH200", nodes=2, context="8k", engine="vllm")
    assert answer.command is not None
    assert "--pipeline-parallel-size 2 --nnodes 2 " in answer.command


def test_llamacpp_is_on_one_node() -> None:
    with pytest.raises(SplitError, match="runs on one node"):
        kvplan.fit("llama-3.1-8b", gpu="4090", pp=2, nodes=2, engine="llamacpp", context="8k")
    with pytest.raises(OptionsError, match="GPUs of several kinds are planned on one node alone"):
        kvplan.fit("llama-3.1-8b", gpu="4090+3090", pp=2, nodes=2, context="8k")


def test_the_fewest_gpus_are_searched_in_the_nodes_that_there_are() -> None:
    """Nodes of four: no tensor parallelism of eight is advised before stages are."""
    answer = kvplan.fit("llama-3.1-405b", gpu="4xH200", nodes=2, context="8k")
    assert answer.smallest_gpus is not None
    assert answer.smallest_gpus.tp <= 4
