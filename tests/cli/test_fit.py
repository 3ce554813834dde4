"""`kvplan fit` from the command line: numbers worked out by hand, options, and exit statuses."""

import json
import re
from typing import Any

import pytest

from kvplan.engines import engine_names
from kvplan.engines.vllm import NEWEST
from tests.program import Cli

GIB = 2**30
WEIGHTS = 2 * 8_030_261_248
"""Bytes of llama-3.1-8b's parameters in bfloat16."""
TOKEN = 2 * 8 * 128 * 32 * 2
"""Bytes of one of its tokens: K and V of 8 groups of 128 in 32 layers, 2 bytes each."""


def fitted(kvplan: Cli, options: str) -> Any:
    """Return the JSON answer of a command that fits."""
    run = kvplan(f"fit {options} --json")
    assert (run.status, run.err) == (0, "")
    return json.loads(run.out)


@pytest.mark.parametrize("tp", [1, 2, 8])
def test_the_textbook_formula_to_the_byte(kvplan: Cli, tp: int) -> None:
    """(memory - weights) / (2 G d_k L tokens bytes), with weights and groups split over TP."""
    options = f"--gpu 80GB --context 8k --utilization 1 --overhead 0B --tp {tp}"
    expected = (80 * 10**9 - WEIGHTS // tp) // (2 * (8 // tp) * 128 * 32 * 8192 * 2)
    assert fitted(kvplan, f"llama-3.1-8b {options}")["max_batch"] == expected


def test_options_have_vllms_names_too(kvplan: Cli) -> None:
    """As serving commands are pasted: each is the option of kvplan, by another name."""
    own = "--tp 2 --pp 2 --context 32k --kv-dtype fp8 --utilization 0.8"
    vllms = (
        "--tensor-parallel-size 2 --pipeline-parallel-size 2 --max-model-len 32k --kv-cache-dtype fp8 "
        "--gpu-memory-utilization 0.8"
    )
    answers = [fitted(kvplan, f"llama-3.1-8b --gpu h100-80gb {options}") for options in (own, vllms)]
    assert answers[0] == answers[1]


def test_each_part_of_the_budget_can_be_given(kvplan: Cli) -> None:
    """48 GiB x 3/4 - 16.06 GB / 2 for weights on tp 2 - 1 GiB - 512 MiB, and what 3 sequences take."""
    memory = fitted(
        kvplan,
        "llama-3.1-8b --gpu 48GiB --utilization 0.75 --weights 16.06GB --tp 2 --activation 1GiB "
        "--overhead 512MiB --context 8k --batch 3",
    )["memory"]
    left = 36 * GIB - 8_030_000_000 - GIB - GIB // 2
    assert memory == {
        "gpu_bytes": 48 * GIB,
        "budget_bytes": 36 * GIB,
        "weights_bytes": 8_030_000_000,
        "adapters_bytes": 0,
        "offloaded_bytes": 0,
        "activation_bytes": GIB,
        "overhead_bytes": GIB // 2,
        "kv_bytes": left,
        "kv_used_bytes": 3 * 8192 * TOKEN // 2,
        "free_bytes": left - 3 * 8192 * TOKEN // 2,
    }


@pytest.mark.parametrize(("dtype", "weights_bytes"), [("fp8", WEIGHTS // 2), ("int4", WEIGHTS // 4)])
def test_weights_in_another_dtype_leave_the_cache_alone(kvplan: Cli, dtype: str, weights_bytes: int) -> None:
    answer = fitted(kvplan, f"llama-3.1-8b --gpu h100-80gb --context 8k --weight-dtype {dtype}")
    assert (answer["memory"]["weights_bytes"], answer["kv_dtype"]) == (weights_bytes, "bf16")


def test_the_cache_takes_an_engines_dtype_name(kvplan: Cli) -> None:
    answer = fitted(kvplan, "llama-3.1-8b --gpu h100-80gb --context 8k --kv-dtype fp8_e4m3")
    assert answer["bytes_per_token"] == TOKEN // 2


def test_the_engines_name_for_utilization_is_the_same_option(kvplan: Cli) -> None:
    options = "llama-3.1-8b --gpu 80GB --context 8k"
    answer = fitted(kvplan, f"{options} --gpu-memory-utilization 0.5")
    assert answer["memory"]["budget_bytes"] == 40 * 10**9
    assert answer == fitted(kvplan, f"{options} --utilization 0.5")


def test_a_known_kv_memory_is_all_there_is(kvplan: Cli) -> None:
    """39741071450 bytes, from an engine's log, hold 37 sequences of 8192 tokens and a bit."""
    answer = fitted(kvplan, "llama-3.1-8b --kv-memory 39741071450B --context 8k")
    assert answer["max_batch"] == 39_741_071_450 // (8192 * TOKEN) == 37
    assert answer["memory"]["kv_bytes"] == 39_741_071_450


def test_uneven_stages_are_planned_for_the_fullest(kvplan: Cli) -> None:
    """20 of 32 layers: 2 x 8 x 128 x 20 x 2 bytes a token."""
    options = "llama-3.1-8b --gpu h100-80gb --context 8k --pp 2 --pp-layers 20,12"
    assert fitted(kvplan, options)["bytes_per_token"] == 2 * 8 * 128 * 20 * 2


@pytest.mark.parametrize("name", ["LLAMA-3.1-8B", "meta-llama/Llama-3.1-8B", "llama-3.1-8b-instruct"])
def test_a_model_is_found_by_each_of_its_names(kvplan: Cli, name: str) -> None:
    assert fitted(kvplan, f"{name} --kv-memory 8GiB --context 8k")["model"] == "llama-3.1-8b"


def test_without_a_context_the_models_longest_is_meant(kvplan: Cli) -> None:
    assert fitted(kvplan, "llama-3.1-8b --kv-memory 80GB")["context"] == 131_072


def test_a_context_beyond_the_models_is_answered_with_a_warning(kvplan: Cli) -> None:
    """262144 tokens are 32 GiB: one sequence fits beside the weights."""
    command = "llama-3.1-8b --gpu h100-80gb --context 256k"
    warning = "262,144 tokens are more than the 131,072 that llama-3.1-8b was made for"
    answer = fitted(kvplan, command)
    assert (answer["max_batch"], answer["warnings"]) == (1, [warning])
    for told in (kvplan(f"fit {command}"), kvplan("size llama-3.1-8b --context 256k")):
        assert (told.status, told.err) == (0, "")
        assert f"Warning  {warning}\n" in told.out


def test_the_edge_is_sharp_and_told_in_bytes(kvplan: Cli) -> None:
    """8 GiB hold 65536 tokens; the sizes of one token more are alike in GiB with two decimals."""
    command = "fit llama-3.1-8b --kv-memory 8GiB --context"
    assert kvplan(f"{command} 65536").status == 0
    over = kvplan(f"{command} 65537")
    assert over.status == 1
    assert over.err == (
        "kvplan: 1 x 65,537 tokens do not fit: the KV cache: one sequence needs 8,590,065,664 B per GPU, "
        "and 8,589,934,592 B is free\n"
        "longest context that fits: 65,536 tokens; all of it needs 2 GPUs (tp 2 x pp 1)\n"
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("fit llama-3.1-8b --gpu h100-80gb --context 8k", 0),
        ("fit llama-3.1-8b --gpu h100-80gb --context 8k --batch 53", 0),
        ("fit llama-3.1-8b --gpu h100-80gb --context 8k --batch 54", 1),
        ("fit llama-3.1-8b --gpu h100-80gb --context 8k --batch 54 --json", 1),
        ("fit llama-3.1-405b --gpu h100-80gb", 1),
        ("fit bert-base --gpu 1GB --weights 0B", 1),
        ("fit bert-base --gpu h100-80gb", 0),
        ("check llama-3.1-70b --tp 16", 0),
        ("check llama-3.1-70b --tp 3", 1),
        ("check llama-3.1-70b --tp 3 --json", 1),
        ("check llama-3.1-70b --pp 81", 1),
        ("size llama-3.1-70b --context 1000m", 0),
        ("models no-such-model", 1),
        ("gpus no-such-gpu", 1),
        ("fit", 2),
    ],
)
def test_the_exit_status_is_the_contracts(kvplan: Cli, command: str, status: int) -> None:
    """
    An answer goes to stdout whatever the status is.

    An H100's 79.18 GiB x 0.9 less 14.96 GiB of weights and 3.08 GiB of other memory leave 53.22 GiB.
    On 1 GB even the overhead does not fit.
    """
    run = kvplan(command)
    assert run.status == status
    refused = status == 2 or "no-such" in command
    assert (run.out == "") == refused


@pytest.mark.parametrize(
    "command",
    [
        "llama-3.1-70b --gpu h100-80gb --tp 4 --context 16k --batch 100",
        "deepseek-v3 --gpu h200-141gb --tp 8 --context 32k --batch 500",
        "gemma-3-27b --gpu a100-80gb --context 64k --batch 64",
    ],
)
def test_each_way_out_gives_what_it_says(kvplan: Cli, command: str) -> None:
    """A later option replaces an earlier one, so each hint can be appended as it stands."""
    answer = json.loads(kvplan(f"fit {command} --json").out)
    assert {hint["change"].partition(" ")[0] for hint in answer["hints"]} == {
        "--kv-dtype",
        "--tp",
        "--context",
    }
    for hint in answer["hints"]:
        changed = json.loads(kvplan(f"fit {command} {hint['change']} --json").out)
        assert {key: changed[key] for key in ("max_batch", "max_context")} == {
            key: hint[key] for key in ("max_batch", "max_context")
        }
    fewest = answer["smallest_gpus"]
    assert kvplan(f"fit {command} --tp {fewest['tp']} --pp {fewest['pp']}").status == 0
    assert fewest["gpus"] == fewest["tp"] * fewest["pp"]


def test_nothing_smaller_than_the_smallest_tp_fits(kvplan: Cli) -> None:
    """64 sequences of 8 GiB over tp, and 131.4 GiB of weights, need 8 of the legal degrees."""
    command = "llama-3.1-70b --gpu h100-80gb --context 16k --batch 64"
    smallest = json.loads(kvplan(f"fit {command} --json").out)["smallest_tp"]
    statuses = {tp: kvplan(f"fit {command} --tp {tp}").status for tp in (1, 2, 4, 8)}
    assert min(tp for tp, status in statuses.items() if status == 0) == smallest


def test_the_fewest_gpus_hold_the_batch_when_replicas_were_asked_for(kvplan: Cli) -> None:
    """
    18 sequences of 8 GiB and 61.02 GiB of weights need 4 GPUs that give 67.92 GiB each.

    That is so in one replica of tp 4 as in two of tp 2; no 2 GPUs hold 205 GiB.
    """
    command = "qwen3-32b --gpu h100-80gb --context 32k --tp 2 --dp 2 --batch 18 --overhead 3.34GiB"
    assert fitted(kvplan, command)["smallest_gpus"]["gpus"] == 4


def test_the_formula_stands_beside_vllms_answer_and_its_command(kvplan: Cli) -> None:
    """In the same memory: 0.9 of the card, which is not vLLM's own share."""
    out = kvplan("fit llama-3.1-70b --gpu h100-80gb --tp 4 --context 32k").out
    assert f"\nvLLM     {NEWEST.release} would hold 13 in the same memory\n" in out
    command = "vllm serve meta-llama/Llama-3.1-70B --tensor-parallel-size 4 --max-model-len 32768"
    assert f"\nServe    {command} --gpu-memory-utilization 0.9\n" in out


@pytest.mark.parametrize("options", ["--weights 300GB", "--overhead 30GB", "--weights 300GB --overhead 30GB"])
@pytest.mark.parametrize("engine", engine_names())
def test_what_a_card_cannot_hold_keeps_nothing_back(kvplan: Cli, engine: str, options: str) -> None:
    """Only what is missing is below zero, as the lines sum to the card; the limit names what is too much."""
    run = kvplan(f"fit llama-3.1-8b --gpu 24GB --context 8k --engine {engine} {options}")
    assert re.findall(r"^\S  (.+?) +-[\d.]+ GiB", run.out, re.MULTILINE) == ["missing"]
    limit = "the weights need" if "overhead" not in options else "activation and overhead need"
    assert f"\nLimit    {limit} " in run.out


def test_no_context_at_all_is_said_in_words(kvplan: Cli) -> None:
    run = kvplan("fit llama-3.1-8b --gpu h100-80gb --weights 300GB --engine trtllm")
    assert "\nLongest  none: there is no room for 1 sequence of even 1 token\n" in run.out
    assert "\nno context fits, not even 1 token; all of it needs 4 GPUs (tp 4 x pp 1)\n" in run.err
    assert "0 tokens" not in run.out + run.err


def test_a_formula_below_the_engines_own_figure_says_why(kvplan: Cli) -> None:
    """Jamba's states are float32 in the spec, as its reference keeps them, and bfloat16 in vLLM."""
    model = "ai21labs/ai21-jamba-large-1.5 --weights 10GB --gpu h200-141gb --context 8k"
    line = next(x for x in kvplan(f"fit {model} --engine vllm").out.split("\n") if x.startswith("Formula"))
    assert "; the engine holds more (row layout: " in line


def test_a_repeated_gpu_is_an_error(kvplan: Cli) -> None:
    run = kvplan("fit llama-3.1-8b --gpu h100-80gb --gpu h100-80gb")
    assert (run.status, run.out) == (2, "")
    assert run.err == (
        "kvplan: --gpu is given 2 times: --tp, --pp, --dp count GPUs of one kind, and + joins several\n"
    )
