"""The command `whatif`: order, JSON, the spec that it writes, and what is wrong."""

import json
from pathlib import Path

import pytest

from kvplan.planner.size import size
from tests.program import Cli


def test_the_json_object(kvplan: Cli) -> None:
    done = kvplan("whatif llama-2-7b --gqa 8 --moh --context 4k --json")
    answer = json.loads(done.out)
    assert answer["model"] == "llama-2-7b"
    assert [each["change"] for each in answer["changes"]] == ["gqa 8", "moh"]
    assert "arXiv 2305.13245" in answer["changes"][0]["source"]
    assert "still cached" in answer["changes"][1]["note"]
    assert [row["share"] for row in answer["rows"]] == [1, 0.25, 0.25]
    assert answer["spec"]["name"] == "llama-2-7b-gqa8-moh"


def test_the_command_keeps_the_order_of_its_options(kvplan: Cli) -> None:
    done = kvplan("whatif llama-65b --window 4k,full_every=4 --kv-dtype fp8 --gqa 8 -c 32k")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("llama-65b would cache ")
    designs = [line.split("  ")[0] for line in lines[4:8]]
    assert designs == ["as it is", "window 4096,full_every=4", "kv-dtype fp8", "gqa 8"]


def test_the_changed_spec_is_written_and_loads(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "changed.yaml"
    done = kvplan(f"whatif llama-2-7b --mla d_c=512,d_rope=64 -o {path}")
    assert done.status == 0
    assert done.err == f"kvplan: wrote {path}\n"
    assert size(path, context=1).bytes_per_sequence == 32 * 576 * 2
    again = kvplan(f"whatif llama-2-7b --gqa 8 -o {path}")
    assert again.status == 1
    assert "exists; give another name, or --force" in again.err
    printed = kvplan("whatif llama-2-7b --mla d_c=512,d_rope=64 -o -")
    assert printed.out == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--gqa 7", "7 groups do not divide 32 heads"),
        ("--mla 512", "d_rope: field required"),
        ("--window 0", "window"),
        ("--hybrid rnn", "kind: found 'rnn'; input should be 'linear'"),
        ("--h2o 512", "recent: field required"),
    ],
)
def test_what_is_wrong_is_one_line(kvplan: Cli, words: str, said: str) -> None:
    done = kvplan(f"whatif llama-2-7b {words}")
    assert done.status == 2
    assert said in done.err
    assert len(done.err.splitlines()) <= 2
    assert not done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--kv-dtype int2", "does not say how its scales are stored"),
        ("--h2o heavy=8,recent=8 --engine vllm", "no engine is known to keep"),
    ],
)
def test_what_nothing_keeps_is_shown_and_fails(kvplan: Cli, words: str, said: str) -> None:
    done = kvplan(f"whatif llama-2-7b {words}")
    assert done.status == 1
    assert said in done.err
    assert done.out.startswith("llama-2-7b: ")


def test_advice_is_a_table_and_its_status(kvplan: Cli) -> None:
    held = kvplan("advise llama-3.1-70b --gpu h100-80gb --tp 4 -c 32k -b 64 --engine vllm --design")
    assert held.status == 0
    assert held.out.startswith("llama-3.1-70b holds 64 x 32,768 tokens with --kv-dtype fp8 --tp 8: ")
    assert "surveys advise, by scenario" in held.out
    none = kvplan("advise deepseek-v3 --gpu l4-24gb -c 128k -b 1000 --json")
    assert none.status == 1
    assert "no single change" in none.err


def test_a_new_spec_is_printed_with_comments_and_loads(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    words = "new mine --heads 32 --groups 8 --head-dim 128 --layers 32 --max-context 32k"
    printed = kvplan(words)
    assert "# the longest context that the model is made for" in printed.out
    assert kvplan(f"{words} -o {path}").out == f"wrote {path}\n"
    assert path.read_text(encoding="utf-8") == printed.out
    assert size(path).bytes_per_token == 32 * 2 * 8 * 128 * 2
    again = kvplan(f"{words} -o {path}")
    assert again.status == 1
    wrong = kvplan("new mine --heads 32 --groups 3")
    assert wrong.status == 2
    assert "--layers is missing; --head-dim is missing; --groups 3 do not divide --heads 32" in wrong.err


def test_a_comparison_in_every_form(kvplan: Cli) -> None:
    words = "compare qwen3-8b llama-3.1-8b --gpu h100-80gb --tp 1,3 -c 8k"
    plain = kvplan(words)
    assert plain.status == 0
    assert "do not spread over tp=3" in plain.out
    rows = json.loads(kvplan(f"{words} --json").out)["rows"]
    assert [(row["model"], row["tp"]) for row in rows] == [
        ("qwen3-8b", 1),
        ("qwen3-8b", 3),
        ("llama-3.1-8b", 1),
        ("llama-3.1-8b", 3),
    ]
    (head, *lines) = kvplan(f"{words} --csv").out.splitlines()
    assert len(lines) == 4
    assert head.split(",")[:3] == ["model", "engine", "kv_dtype"]
    marked = kvplan(f"{words} --markdown").out.splitlines()
    assert marked[1].replace("-", "").replace(":", "").replace("|", "").strip() == ""
    assert marked[2].startswith("| qwen3-8b, tp 1 | ")


def test_no_line_with_an_answer_fails(kvplan: Cli) -> None:
    done = kvplan("compare qwen3-8b --tp 3,5 -c 8k")
    assert done.status == 1
    assert "no line has an answer: " in done.err


def test_the_table_of_kinds(kvplan: Cli) -> None:
    of_model, of_dimensions = (
        kvplan(f"compare --kinds {words} --json").out
        for words in ("llama-65b", "--heads 64 --head-dim 128 --hidden 8192 --layers 80")
    )
    assert of_model == of_dimensions
    shares = {row["name"]: row["share"] for row in json.loads(of_model)["kinds"]}
    assert round(shares["mla"], 2) == 0.42
    assert kvplan("compare --kinds llama-65b").out.startswith("kind ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--kinds --heads 8", "give --head-dim, --hidden, --layers"),
        ("--kinds llama-65b --gpu h100-80gb", "--gpu: the table of kinds is of dimensions alone"),
        ("qwen3-8b --heads 8", "--heads: dimensions are for --kinds"),
        ("qwen3-8b --sort size", "nothing is sorted by 'size'"),
        ("qwen3-8b --csv --json", "give one of --csv, --markdown, --json and -o FILE"),
        ("qwen3-8b --price h100", "is no GPU with its price"),
        ("", "at least one model"),
    ],
)
def test_what_is_wrong_in_a_comparison(kvplan: Cli, words: str, said: str) -> None:
    done = kvplan(f"compare {words}")
    assert done.status == 2
    assert said in done.err
    assert len(done.err.splitlines()) <= 2
