"""`-o FILE`: a report by the file's ending, whole or not at all, and refused where it cannot be."""

import json
from pathlib import Path

import pytest

from tests.program import Cli
from tests.report.pages import Page

FIT = "fit llama-3.1-8b --gpu h100-80gb --context 8k"


def test_a_report_is_written_and_what_was_there_is_replaced(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("my notes")
    run = kvplan(f"{FIT} -o {path}")
    assert (run.status, run.out, run.err) == (0, f"wrote {path}\n", "")
    assert "53 sequences of 8,192 tokens fit on one NVIDIA H100 SXM 80GB." in Page(path.read_text()).texts
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_what_does_not_fit_is_reported_and_the_status_says_so(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run = kvplan(f"{FIT} --batch 99 -o {path}")
    assert (run.status, run.out) == (1, f"wrote {path}\n")
    assert "99 x 8,192 tokens do not fit" in run.err
    assert "No: 99 sequences" in path.read_text()


@pytest.mark.parametrize(
    ("output", "status", "message"),
    [
        ("report.pdf", 2, "ends in .pdf: a report is written as .html, .md, .json"),
        ("report", 2, "ends in nothing: a report is written as .html, .md, .json"),
        ("none/report.html", 1, "is not a folder"),
        ("folder.html", 2, "folder.html is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_line(
    kvplan: Cli, tmp_path: Path, output: str, status: int, message: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    run = kvplan(f"{FIT} -o {tmp_path / output}")
    assert (run.status, run.out) == (status, "")
    assert message in run.err
    assert run.err.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["folder.html"]


def test_an_answer_has_one_form(kvplan: Cli, tmp_path: Path) -> None:
    run = kvplan(f"{FIT} -o {tmp_path / 'report.html'} --json")
    assert run.status == 2
    assert "give one of --json and -o FILE" in run.err
    assert not [*tmp_path.iterdir()]


def test_a_full_disk_leaves_what_was_there(
    kvplan: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("my notes")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    run = kvplan(f"{FIT} -o {path}")
    assert (run.status, run.out, run.err) == (
        1,
        "",
        f"kvplan: cannot write {path}: No space left on device\n",
    )
    assert path.read_text() == "my notes"


def test_a_report_of_json_is_the_answer_and_what_it_rests_on(
    kvplan: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / "report.json"
    kvplan(f"{FIT} -o {path}")
    report = json.loads(path.read_text())
    printed = json.loads(kvplan(f"{FIT} --json").out)
    assert printed.items() <= report.items()
    assert report["made"] == "2023-11-14 22:13 UTC"
    assert [8192, 53] in report["frontier"][0]["points"]
    assert report["formula"]["bytes_per_token"] == printed["bytes_per_token"]
    (memory,) = (each for each in report["assumptions"] if each["what"] == "memory for the cache")
    assert memory["between"] == "52.02 GiB to 53.52 GiB"  # 55,858,602,110 B and 57,469,214,845 B


LOG = """\
INFO model_runner.py:1115] Initializing a V1 LLM engine (v0.19.0) with config: \
model='meta-llama/Llama-3.1-8B-Instruct', max_seq_len=8192, tensor_parallel_size=1
INFO Available KV cache memory: 58.11 GiB
INFO GPU KV cache size: 700,000 tokens
"""


@pytest.mark.parametrize(
    ("command", "status", "title"),
    [
        (
            "compare llama-3.1-8b --gpu h100-80gb -c 8k,16k",
            0,
            "Of 2 alternatives context 8192 holds the most: 53 x 8,192 tokens.",
        ),
        ("sweep llama-3.1-8b --gpu h100-80gb --tp 1,2 -c 8k,16k", 0, "llama-3.1-8b: max_batch by context"),
        ("reconcile {log}", 1, "The log differs from the plan: KV tokens"),
    ],
)
def test_other_answers_are_reported_too(
    kvplan: Cli, tmp_path: Path, command: str, status: int, title: str
) -> None:
    (tmp_path / "start.log").write_text(LOG)
    path = tmp_path / "report.html"
    run = kvplan(f"{command.format(log=tmp_path / 'start.log')} -o {path}")
    # As with its other files, a sweep says nothing.
    said = "" if command.startswith("sweep") else f"wrote {path}\n"
    assert (run.status, run.out) == (status, said)
    assert any(text.startswith(title) for text in Page(path.read_text()).texts)


def test_the_table_of_kinds_is_no_report(kvplan: Cli, tmp_path: Path) -> None:
    run = kvplan(f"compare --kinds llama-65b -o {tmp_path / 'kinds.html'}")
    assert run.status == 2
    assert "the table of kinds is no report" in run.err
