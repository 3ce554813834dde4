"""`kvplan fit -- COMMAND`: a serving command is understood, completed and written."""

import json
from typing import Any

import pytest

from tests.program import Cli

ISSUE = (
    "vllm serve meta-llama/Llama-3.1-70B-Instruct --tensor-parallel-size 4 --max-model-len 32768 "
    "--kv-cache-dtype fp8"
)


def fitted(kvplan: Cli, command: str) -> dict[str, Any]:
    done = kvplan(f"fit {command}")
    assert done.err == "" or done.status == 1
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def test_a_command_means_the_options_that_it_names(kvplan: Cli) -> None:
    """Llama 3.1 70B keeps 80 layers x 8 groups x 2 x 128 x 1 byte, a quarter on each of 4 GPUs."""
    served = fitted(kvplan, f"--gpu h100-80gb --json -- {ISSUE}")
    options = "--engine vllm --tp 4 --context 32k --kv-dtype fp8"
    asked = fitted(kvplan, f"llama-3.1-70b --gpu h100-80gb {options} --json")
    assert served["bytes_per_token"] == 80 * 8 * 2 * 128 // 4
    assert served.pop("ignored") == []
    assert served.pop("command") == ISSUE
    assert asked.pop("command").startswith("vllm serve meta-llama/Llama-3.1-70B ")
    assert served == asked


def test_the_command_of_a_plan_means_the_same_plan(kvplan: Cli) -> None:
    first = fitted(kvplan, "gemma-3-27b --gpu h100-80gb --engine vllm -c 32k --utilization 0.95 --json")
    second = fitted(kvplan, f"--gpu h100-80gb --json -- {first['command']}")
    del second["ignored"]
    assert second == first


def test_an_older_engine_may_serve_it(kvplan: Cli) -> None:
    answer = fitted(kvplan, f"--gpu h100-80gb --engine vllm@0.19 --json -- {ISSUE}")
    assert answer["engine"] == "vllm@0.19"


def test_what_no_plan_counts_is_a_warning_and_the_rest_is_listed(kvplan: Cli) -> None:
    answer = fitted(kvplan, f"--gpu h100-80gb --json -- {ISSUE} --enable-tower-connector-lora --port 8000")
    assert any(
        "left out of the plan: --enable-tower-connector-lora" in warning for warning in answer["warnings"]
    )
    assert [option.startswith("--port 8000") for option in answer["ignored"]] == [True]


def test_the_report_shows_the_command_and_what_was_ignored(kvplan: Cli) -> None:
    out = kvplan(f"fit --gpu h100-80gb -- {ISSUE} --port 8000").out
    assert f"\nServe    {ISSUE} --port 8000\n" in out
    assert "\nIgnored  --port 8000" in out


@pytest.mark.parametrize(
    ("options", "command", "problem"),
    [
        ("--tp 8", ISSUE, "--tp says 8, and the command 4: keep one of them"),
        ("--engine sglang", ISSUE, "--engine says sglang, and the command vllm: keep one of them"),
        (
            "--set num_gpu_blocks_override=7",
            f"{ISSUE} --num-gpu-blocks-override 8",
            "--set num_gpu_blocks_override=7, and the command says 8: keep one of them",
        ),
        ("--kv-dtype bf16", ISSUE, "--kv-dtype says bf16, and the command fp8: keep one of them"),
        ("", "vllm serve", "the command names no model"),
        ("", "vllm serve a/b --max-model-len", "--max-model-len"),
        ("", f"{ISSUE} --max-model-len 8192", "contradict each other"),
        ("", "python train.py", "train.py"),
        ("llama-3.1-8b", ISSUE, "the model llama-3.1-8b or the command that serves one, not both"),
        ("my.yaml", ISSUE, "the model my.yaml or the command that serves one, not both"),
        ("", f"{ISSUE} -- --enable-lora", "the command names two models"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(
    kvplan: Cli, options: str, command: str, problem: str
) -> None:
    done = kvplan(f"fit --gpu h100-80gb {options} -- {command}")
    assert done.status == 2
    assert done.out == ""
    assert problem in done.err
    assert 1 <= len(done.err.splitlines()) <= 2


def test_llama_server_shares_its_context_among_slots(kvplan: Cli) -> None:
    """64k over 4 slots are 16384 tokens each, in q8_0: 34 bytes for 32 values of 65536 per token."""
    command = "llama-server -hf meta-llama/Llama-3.1-8B-Instruct -c 65536 -np 4 -ctk q8_0 -ctv q8_0 -fa on"
    answer = fitted(kvplan, f"--gpu rtx-4090-24gb --json -- {command}")
    assert (answer["context"], answer["batch"], answer["kv_dtype"]) == (16_384, 4, "q8_0")
    assert answer["total_bytes"] == 65_536 * 65_536 * 34 // 32
    assert answer["command"] == command


def test_llama_server_without_a_context_has_one_of_the_model_for_all_slots(kvplan: Cli) -> None:
    """n_ctx_train of llama-3.1-8b is 131,072: 16 GiB in f16, and not 16 GiB for each of four slots."""
    command = "llama-server -hf meta-llama/Llama-3.1-8B-Instruct"
    answer = fitted(kvplan, f"--gpu h100-80gb --json -- {command}")
    assert (answer["context"], answer["batch"]) == (131_072 // 4, 4)
    assert answer["total_bytes"] == 131_072 * 131_072
    assert "-c 131072 -np 4" in answer["command"]
    longer = fitted(kvplan, f"--gpu h100-80gb -c 8k --json -- {command}")
    assert longer["total_bytes"] == 4 * 8192 * 131_072


OWN = (
    "--enable-expert-parallel --enable-dbo --quantization fp8 --offload-group-size 4 "
    '--kv-transfer-config \'{"kv_connector": "X"}\' '
    '--speculative-config \'{"method": "eagle3", "model": "a/b", "num_speculative_tokens": 3}\''
)


def test_a_draft_of_the_models_own_is_planned(kvplan: Cli) -> None:
    """Of vLLM 0.33: 62 layers of 576 numbers for DeepSeek-V3 with its module."""
    config = '--speculative-config \'{"method": "mtp", "num_speculative_tokens": 1}\''
    answer = fitted(kvplan, f"--gpu h200-141gb --json -- vllm serve deepseek-ai/DeepSeek-V3 -tp 8 {config}")
    assert answer["bytes_per_token"] == 62 * 576 * 2
    assert answer["command"].endswith(config)


def test_a_draft_that_nothing_knows_is_left_out_and_told(kvplan: Cli) -> None:
    answer = fitted(kvplan, f"--gpu h100-80gb --json -- {ISSUE} {OWN}")
    (told,) = (text for text in answer["warnings"] if "draft" in text)
    assert told.startswith("left out of the plan: the draft a/b: kvplan has no spec of it, and its weights ")
    assert told.endswith("only with --draft FILE: it takes more than planned")


def test_a_users_own_options_are_kept_whole(kvplan: Cli) -> None:
    answer = fitted(kvplan, f"--gpu h100-80gb --json -- {ISSUE} {OWN} --host 0.0.0.0 --kv-cache-metrics")
    assert answer["command"] == f"{ISSUE} {OWN} --host 0.0.0.0 --kv-cache-metrics"


def test_what_a_plan_says_takes_the_place_of_an_engines_own_choice(kvplan: Cli) -> None:
    command = "vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --kv-cache-dtype auto"
    assert fitted(kvplan, f"--gpu h100-80gb --json -- {command}")["command"] == command
    answer = fitted(kvplan, f"--gpu h100-80gb --kv-dtype fp8 --json -- {command}")
    assert answer["command"] == command.replace("auto", "fp8")


def test_unequal_shares_and_devices_of_llamacpp_are_kept(kvplan: Cli) -> None:
    command = (
        "llama-server -hf meta-llama/Llama-3.1-8B-Instruct -c 8192 -np 1 -ts 3,1 -dev CUDA0,CUDA1 -ngl 99"
    )
    answer = fitted(kvplan, f"--gpu rtx-4090-24gb --json -- {command}")
    assert (answer["pp"], answer["command"]) == (2, command)


def test_nothing_is_served_that_does_not_fit(kvplan: Cli) -> None:
    answer = fitted(kvplan, f"--gpu rtx-4090-24gb --json -- {ISSUE}")
    assert (answer["fits"], answer["command"]) == (False, None)
    assert "\nServe " not in kvplan(f"fit --gpu rtx-4090-24gb -- {ISSUE}").out


def test_the_models_dtype_is_served_too(kvplan: Cli) -> None:
    command = "vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --dtype float16"
    assert fitted(kvplan, f"--gpu h100-80gb --json -- {command}")["command"] == command


@pytest.mark.parametrize(
    ("own", "command", "words"),
    [
        ("--tp 1", "vllm serve Qwen/Qwen3-8B -tp 4", "--tp says 1, and the command 4"),
        ("--engine exact", "vllm serve Qwen/Qwen3-8B", "--engine says exact, and the command vllm"),
        ("--dp 1", "vllm serve Qwen/Qwen3-8B -dp 2", "--dp says 1, and the command 2"),
    ],
)
def test_a_default_that_is_written_out_contradicts_too(
    kvplan: Cli, own: str, command: str, words: str
) -> None:
    done = kvplan(f"fit --gpu h100-80gb {own} -- {command}")
    assert (done.status, words in done.err) == (2, True)


def test_the_same_twice_is_no_contradiction(kvplan: Cli) -> None:
    assert fitted(kvplan, "--gpu h100-80gb --tp 2 --json -- vllm serve Qwen/Qwen3-8B -tp 2")["tp"] == 2


@pytest.mark.parametrize("gpu", ["3xrtx-4090", "2xrtx-4090+1xrtx-3090", "2xrtx-4090,1xrtx-3090"])
def test_llamas_server_splits_a_model_over_all_cards_there_are(kvplan: Cli, gpu: str) -> None:
    """It puts layers on each of them unless told (llama_model_load in src/llama-model.cpp)."""
    command = "-- llama-server -hf meta-llama/Llama-3.1-8B-Instruct -c 8192 -np 1"
    run = kvplan(f"fit --gpu {gpu} {command}")
    assert run.status == 0, run.err
    assert "pp 3, KV cache in fp16, engine llamacpp" in run.out
    assert "3 GPUs, and tp 1 x pp 2 x dp 1 use 2" in kvplan(f"fit --gpu 3xrtx-4090 --pp 2 {command}").err
