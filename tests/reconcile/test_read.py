"""Logs as they come: with prefixes, colours, of several workers, cut off, or no logs at all."""

import io
from pathlib import Path

import pytest

from kvplan.errors import KvplanError, UnknownNameError
from kvplan.reconcile import LogError, read_log, read_source
from kvplan.reconcile.lines import MAX_CHARACTERS, plain_lines
from tests.reconcile.logs_at_hand import log_text

SIZE = "GPU KV cache size: 476,016 tokens"


@pytest.mark.parametrize(
    "line",
    [
        SIZE,
        f"INFO 04-22 10:01:00 [kv_cache_utils.py:1229] {SIZE}",
        f"(EngineCore_DP0 pid=263) INFO 04-22 10:01:00 [kv_cache_utils.py:1229] {SIZE}",
        f"2026-04-19 17:31:23.914 | (EngineCore pid=263) INFO {SIZE}",
        f"\x1b[1;36m(EngineCore_DP0 pid=263)\x1b[0;0m INFO \x1b[32m{SIZE}\x1b[0m",
        f'{{"log":"INFO {SIZE}\\n","stream":"stderr","time":"2026-04-22T10:01:00Z"}}',
        f"vllm-7d9f/server stdout F INFO {SIZE}, Maximum concurrency for 8,192 tokens per request: 58.11x",
        f"Capturing CUDA graphs:  50%|██   | 10/20\rCapturing: 100%\r{SIZE}\r\n",
    ],
)
def test_a_line_is_found_whatever_is_around_it(line: str) -> None:
    figure = read_log(f"Traceback\n\n{line}\n").figures[0]
    assert figure.name == "KV tokens"
    assert figure.printed.value == 476016


@pytest.mark.parametrize(
    ("prefix", "worker"),
    [
        ("(Worker_TP0 pid=150) INFO ", "Worker_TP0"),
        ("(VllmWorker rank=1 pid=12) INFO ", "VllmWorker rank=1"),
        ("(Worker_PP1_TP0 pid=9)", "Worker_PP1_TP0"),
        ("(APIServer pid=5332) (DPEngineCoreActor pid=5439, ip=10.2.6.9) INFO ", "DPEngineCoreActor"),
        ("(RayWorkerWrapper pid=3918397) INFO ", "RayWorkerWrapper"),
        ("[2025-11-04 05:27:13 DP0 TP1 EP1] ", "DP0 TP1 EP1"),
        ("[2025-11-04 05:27:13 PP1 TP0] ", "PP1 TP0"),
        ("INFO 04-22 10:01:00 [gpu_worker.py:356] ", ""),
    ],
)
def test_the_worker_is_named_by_its_prefix(prefix: str, worker: str) -> None:
    (line,) = plain_lines(f"{prefix}Available KV cache memory: 58.11 GiB")
    assert line.worker == worker


def test_the_least_of_several_workers_counts_and_the_last_of_several_starts() -> None:
    log = read_log(
        "(Worker_TP0 pid=1) INFO Available KV cache memory: 10.50 GiB\n"
        "(Worker_TP1 pid=2) INFO Available KV cache memory: 10.42 GiB\n"
        "INFO GPU KV cache size: 1,000 tokens\nINFO GPU KV cache size: 2,000 tokens\n"
    )
    assert [each.worker for each in log.all("KV memory")] == ["Worker_TP0", "Worker_TP1"]
    least, last = log.least("KV memory"), log.last("KV tokens")
    assert least is not None
    assert last is not None
    assert (least.text, last.text) == ("10.42", "2,000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the log is empty"),
        (" \n\t\n", "the log is empty"),
        ("\x7fELF\0\0", "the log is not text"),
        ("\x1f\ufffd\x08\0\0", r"compressed: give its text, as in `gunzip -c LOG \| kvplan reconcile -`"),
        ("x" * (MAX_CHARACTERS + 1), "more than 16 million characters"),
        ("hello\nworld", "no figure of an engine's start-up is in the log"),
    ],
)
def test_what_is_no_log_is_refused(text: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        read_log(text)


def test_a_text_without_figures_is_told_what_is_looked_for() -> None:
    with pytest.raises(LogError) as caught:
        read_log("INFO nothing of use")
    for line in ("GPU KV cache size", "KV Cache is allocated", "KV self size", "paged KV cache"):
        assert line in str(caught.value)


def test_an_error_is_of_two_lines_at_most() -> None:
    with pytest.raises(LogError) as caught:
        read_log("INFO nothing of use")
    assert len(str(caught.value).splitlines()) == 2


def test_a_version_ends_where_a_log_in_json_has_an_escape() -> None:
    """A container's log has each line as text in JSON: its line break is two letters."""
    lines = ("vLLM API server version 0.19.0rc1.dev2+gd2d649e", "GPU KV cache size: 400,176 tokens")
    log = read_log("\n".join(f'{{"log": "INFO {line}\\n", "stream": "stdout"}}' for line in lines))
    assert log.version == "0.19.0rc1.dev2+gd2d649e"


@pytest.mark.parametrize("earlier", ["vllm-0.19-gemma-3-27b", "vllm-0.19-llama-3.1-8b-fp8"])
def test_of_several_starts_in_one_log_the_last_is_read(earlier: str) -> None:
    text = log_text("vllm-0.19-llama-3.1-8b")
    alone, both = read_log(text), read_log(log_text(earlier) + text)
    assert (alone.restarted, both.restarted) == (False, True)
    assert (both.options, both.version) == (alone.options, alone.version)
    assert [each.printed for each in both.figures] == [each.printed for each in alone.figures]


def test_lines_that_begin_a_start_belong_together_until_a_figure_follows() -> None:
    start = "vLLM API server version 0.19.0\nnon-default args: {{'model': '{0}'}}\nV1 LLM engine (v0.19.0)\n"
    log = read_log(f"{start.format('a/b')}{SIZE}\n{start.format('c/d')}{SIZE}\n")
    assert (log.options.model, len(log.figures)) == ("c/d", 1)
    # A start that was cut off before its figures says nothing against the one before.
    log = read_log(f"{start.format('a/b')}{SIZE}\nvLLM API server version 0.20.0\n")
    assert (log.options.model, len(log.figures), log.restarted) == ("a/b", 1, False)


def test_an_asked_engine_is_the_only_one_that_is_looked_for() -> None:
    with pytest.raises(LogError, match="no figure"):
        read_log(SIZE, "sglang")
    assert read_log(SIZE, "vllm@0.19").engine == "vllm"
    with pytest.raises(UnknownNameError, match="reads no logs of 'transformers'"):
        read_log(SIZE, "transformers")


def test_a_file_or_stdin_is_read_and_what_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "start.log"
    path.write_bytes(f"caf\xe9 {SIZE}".encode("latin-1"))
    assert SIZE in read_source(str(path))
    path.write_bytes(SIZE.encode("utf-16"))
    assert read_source(str(path)) == SIZE
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SIZE.encode())))
    assert read_source("-") == SIZE
    for wrong in (str(tmp_path / "absent.log"), str(tmp_path), "a\0b"):
        with pytest.raises(KvplanError, match=r"cannot read|no path"):
            read_source(wrong)
