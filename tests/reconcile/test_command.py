"""`kvplan reconcile` as a stranger runs it."""

import json
from pathlib import Path

from tests.program import Cli, start
from tests.reconcile.logs_at_hand import FOLDER, log_text


def test_a_log_that_agrees(kvplan: Cli) -> None:
    run = kvplan(f"reconcile {FOLDER / 'vllm-0.19-llama-3.1-8b.txt'}")
    assert (run.status, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0] == "The log agrees with the plan: 2 figures in the rounding."
    assert lines[1] == "llama-3.1-8b, KV cache in fp16, 8,192 tokens of context, engine vllm@0.19.0"
    assert lines[4].split() == ["ok", "KV", "tokens", "476,016", "tokens", "475,984", "to", "476,064"]


def test_a_log_that_is_explained_names_the_option(kvplan: Cli) -> None:
    run = kvplan(f"reconcile {FOLDER / 'vllm-0.19-llama-3.1-8b-fp8.txt'}")
    assert (run.status, run.err) == (0, "")
    assert run.out.startswith("The log is explained: the KV cache is stored in fp8.\n")
    assert "  --kv-dtype fp8\n" in run.out


def test_a_difference_that_is_left_over_is_status_1_and_two_lines(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "start.log"
    path.write_text(log_text("vllm-0.19-llama-3.1-8b").replace("476,016", "400,000"), encoding="utf-8")
    run = kvplan(f"reconcile {path}")
    assert run.status == 1
    assert run.out.startswith(
        "The log differs from the plan: KV tokens 400,000 tokens printed, 475,984 to 476,064 planned "
        "(-15.96 %), and none of "
    )
    assert run.err.startswith(
        "kvplan: KV tokens: printed 400,000 tokens, planned 475,984 to 476,064, -15.96 %"
    )
    assert len(run.err.splitlines()) <= 2


def test_json_is_one_object(kvplan: Cli) -> None:
    run = kvplan(f"reconcile {FOLDER / 'sglang-mimo-v2-flash.txt'} --tp 2 --json")
    assert run.status == 0
    values = json.loads(run.out)
    assert values["verdict"] == "explained"
    assert values["explanations"][0]["options"] == ["--tp 4"]


def test_options_stand_against_the_log(kvplan: Cli) -> None:
    log = FOLDER / "llamacpp-gpt-oss-20b.txt"
    assert kvplan(f"reconcile {log}").err == (
        "kvplan: the log does not name its model: give it, as in --model llama-3.1-8b\n"
    )
    run = kvplan(f"reconcile {log} --model gpt-oss-20b --max-num-batched-tokens 128")
    assert (run.status, run.err) == (0, "")
    assert run.out.startswith("The log agrees with the plan: 6 figures in the rounding.\n")


def test_a_plan_that_is_refused_and_not_explained_is_said_so(kvplan: Cli) -> None:
    """32 heads do not spread over 5 ranks, and 3 stages, taken back alone, do not explain the rest."""
    run = kvplan(f"reconcile {FOLDER / 'vllm-0.19-llama-3.1-8b.txt'} --tp 5 --pp 3")
    assert run.status == 1
    assert run.out.startswith("The plan is refused, and none of ")
    first, second = run.err.splitlines()
    assert first == "kvplan: llama-3.1-8b: 32 heads do not spread over tp=5: 32 % 5 is 2, not 0"
    assert second.startswith("nearest: the log says --tp 1, which leaves -")


def test_a_setting_that_the_engine_has_not_is_misuse(kvplan: Cli) -> None:
    run = kvplan(f"reconcile {FOLDER / 'vllm-0.19-llama-3.1-8b.txt'} --set page_size=1")
    assert (run.status, run.out) == (2, "")
    assert "has no setting 'page_size'" in run.err


def test_a_second_start_is_noted(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "start.log"
    path.write_text(log_text("vllm-0.19-gemma-3-27b") + log_text("vllm-0.19-llama-3.1-8b"), encoding="utf-8")
    run = kvplan(f"reconcile {path}")
    assert run.out.startswith("The log agrees with the plan: 2 figures in the rounding.\nllama-3.1-8b,")
    assert "Note     the engine started more than once: its last start is compared" in run.out


def test_what_is_no_log_is_an_error_and_no_traceback(kvplan: Cli, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 10)
    for path, message in (
        (empty, "the log is empty"),
        (binary, "the log is not text"),
        (tmp_path / "absent", "cannot read"),
        (tmp_path, "cannot read"),
    ):
        run = kvplan(f"reconcile {path}")
        assert (run.status, run.out) == (1, "")
        assert run.err.startswith(f"kvplan: {message}")


def test_a_log_comes_from_stdin_too() -> None:
    run = start("reconcile", "-", input=log_text("vllm-0.19-gemma-3-27b"))
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("The log agrees with the plan: 3 figures in the rounding.\n")
