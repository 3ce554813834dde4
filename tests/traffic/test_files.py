"""Traces as files: each format by a few lines written by hand, and what is said of a bad one."""

import gzip
import re
from pathlib import Path

import pytest

import kvplan
from kvplan.traffic.observed import Observed

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens\r
2023-11-16 18:17:03.9799600,4808,10\r
2023-11-16 18:17:04.4799600,3180,8\r
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-12 00:00:00+00:00,4808,10
2024-05-12 00:00:00.500000+00:00,3180,8
"""
MOONCAKE = """{"timestamp": 1000, "input_length": 513, "output_length": 5, "hash_ids": [0, 1]}

{"timestamp": 3500, "input_length": 512, "output_length": 0, "hash_ids": [0]}
"""
BURST = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5,,1.5,ChatGPT,472,18,490,Conversation log
45,,1.5,"GPT, 4",1087,0,1087,API log
118,,1.5,ChatGPT,0,0,0,API log
119.5,,1.5,ChatGPT,417,276,693,API log
"""
USAGE = """{"id": "a", "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
{"id": "b", "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}}
"""
EXPORT = """[{"conversations": [{"from": "human"}], "prompt_len": 7, "output_len": 3}, {"prompt_len": 9,
"output_len": 1}]"""


def read(text: str | bytes, path: Path) -> Observed:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    traffic = kvplan.read_traffic(path)
    assert isinstance(traffic, Observed)
    return traffic


def pairs(traffic: Observed) -> list[tuple[int, int]]:
    return list(zip(traffic.prompts.tolist(), traffic.outputs.tolist(), strict=True))


@pytest.mark.parametrize("text", [AZURE, AZURE_2024, "\ufeff" + AZURE])
def test_azures_traces_have_dates(text: str, tmp_path: Path) -> None:
    traffic = read(text, tmp_path / "trace.csv")
    assert pairs(traffic) == [(4808, 10), (3180, 8)]
    assert traffic.arrivals is not None
    assert traffic.arrivals.tolist() == pytest.approx([0, 0.5], abs=1e-6)
    assert traffic.words == f"{tmp_path / 'trace.csv'} (Azure LLM inference trace)"
    assert (traffic.requests, traffic.notes, traffic.hashes) == (2, (), None)


def test_mooncakes_traces_have_milliseconds_and_blocks(tmp_path: Path) -> None:
    traffic = read(MOONCAKE, tmp_path / "trace.jsonl")
    assert pairs(traffic) == [(513, 5), (512, 0)]
    assert traffic.arrivals is not None
    assert traffic.arrivals.tolist() == [0, 2.5]
    assert (traffic.hashes, traffic.hash_block) == (((0, 1), (0,)), 512)
    cut = traffic.cut(512)
    assert isinstance(cut, Observed)
    assert (cut.hashes, cut.hash_block, cut.requests, cut.share_cut) == (((0,),), 512, 1, 0.5)


def test_failures_of_burstgpt_are_left_out_and_counted(tmp_path: Path) -> None:
    """Those with 0 response tokens, as its README defines them."""
    traffic = read(BURST, tmp_path / "trace.csv")
    assert pairs(traffic) == [(472, 18), (417, 276)]
    assert traffic.notes == ("2 of 4 requests failed (no output): left out",)
    assert traffic.arrivals is not None
    assert traffic.arrivals.tolist() == [0, 114.5]


@pytest.mark.parametrize(
    "text",
    [
        USAGE,
        USAGE.replace("prompt_", "input_").replace("completion_", "output_"),
        EXPORT,
        "prompt_tokens,completion_tokens,note\n7,3,\n\n9,1,x\n",
        "input_tokens,output_tokens\n7,3\n9,1\n",
        '{"input_len": 7, "output_len": 3}\n{"output_len": 1, "input_len": 9}',
        gzip.compress(USAGE.encode(), mtime=0),
    ],
)
def test_exports_have_token_counts_alone(text: str | bytes, tmp_path: Path) -> None:
    traffic = read(text, tmp_path / "trace")
    assert pairs(traffic) == [(7, 3), (9, 1)]
    assert (traffic.arrivals, traffic.hashes) == (None, None)


def test_a_request_of_no_tokens_is_none(tmp_path: Path) -> None:
    traffic = read("prompt_len,output_len\n0,0\n5,0\n0,2\n", tmp_path / "trace.csv")
    assert pairs(traffic) == [(5, 0), (0, 2)]
    assert traffic.notes == ("1 of 3 requests had no tokens: left out",)


HEAD = "prompt_len,output_len\n"
REFUSED = {
    "": "its columns, none, are those of no known trace: write a header prompt_tokens,completion_tokens",
    "tokens,more\n1,2\n": "its columns, 'tokens', 'more', are those of no known trace",
    "prompt_len,output_len,input_len\n": "has columns of prompt_len,output_len and of input_len,output_len",
    "prompt_len,prompt_len,output_len\n": ":1: two columns have one name",
    HEAD: "holds no request",
    HEAD + "0,0\n": "holds no request",
    HEAD + "1,2\n3\n": ":3: 1 cells, where the header has 2",
    HEAD + "1,2\n12,1x\n": ":3: output_len: '1x' is no whole number of tokens",
    HEAD + "1.5,2\n": ":2: prompt_len: '1.5' is no whole number of tokens",
    HEAD + "-1,2\n": ":2: prompt_len: '-1' is no whole number of tokens",
    HEAD + "\x1b[31m,2\n": r":2: prompt_len: '\x1b[31m' is no whole number of tokens",
    HEAD + "16777217,2\n": ":2: prompt_len: '16777217' is no whole number of tokens",
    HEAD + "16777216,2\n": "a request has 16,777,218 tokens",
    HEAD + '"1,2\n': ":2: unexpected end of data",
    HEAD + "x" * 2**21: ":2: a line of more than 1 MiB",
    AZURE.replace("2023-11-16 18:17:04.4799600", "noon"): ":3: TIMESTAMP: 'noon' is no time",
    BURST.replace("119.5", "nan"): ":5: Timestamp: 'nan' is no time",
    MOONCAKE.replace("[0]", "[0, 1]"): ":3: hash_ids: 2 blocks, where 512 tokens are 1 of 512",
    MOONCAKE.replace("[0]", '["0"]'): ":3: hash_ids: ['0'] is no list of ints",
    MOONCAKE.replace('"timestamp": 3500, ', ""): ":3: it lacks a column of the first one",
    USAGE.replace("9", "true"): ":2: prompt_tokens: True is no whole number of tokens",
    USAGE.replace('{"prompt_tokens": 9', '3, "x": {"prompt_tokens": 9'): ":2: it lacks a column of the first",
    USAGE + "{\n": ":3: '{' is no JSON object: write one a line",
    EXPORT.replace("9", "null"): ", request 2: prompt_len: None is no whole number of tokens",
    EXPORT.replace(', {"p', ', 5, {"p'): ", request 2: '5' is no JSON object",
    '[{"id": "a", "conversations": []}]': "holds texts and no token counts, which depend on the model",
    '{"prompt": "Tell me"}': "holds texts and no token counts",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_bad_file_is_refused_in_a_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "50%trace"
    with pytest.raises(kvplan.KvplanError, match=re.escape(REFUSED[text])) as refused:
        read(text, path)
    assert str(refused.value).startswith(str(path))
    assert len(str(refused.value).splitlines()) == 1


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(kvplan.KvplanError, match="it is no regular file"):
        kvplan.read_traffic(tmp_path)
    with pytest.raises(kvplan.KvplanError, match=r"cannot read .*: .*CRC"):
        read(gzip.compress(USAGE.encode())[:-8] + b"12345678", tmp_path / "trace.gz")
    with pytest.raises(kvplan.KvplanError, match=r":2: it is no text \(UTF-8\)"):
        read(HEAD.encode() + b"\xff,1\n", tmp_path / "trace.csv")


def test_a_document_too_long_to_read_is_told_by_its_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ShareGPT's own export is a long one, of texts without token counts."""
    monkeypatch.setattr("kvplan.traffic.documents._MOST_BYTES", 2**10)
    for first, said in (
        ('{"conversations": []}', "holds texts"),
        (EXPORT[1:-1], "write its requests as JSON"),
    ):
        with pytest.raises(kvplan.KvplanError, match=said):
            read(f"[{first}, {' ' * 2**10}]", tmp_path / "trace.json")


def test_a_trace_has_outputs_of_its_own(tmp_path: Path) -> None:
    read(USAGE, tmp_path / "trace.jsonl")
    with pytest.raises(kvplan.KvplanError, match="has outputs of its own"):
        kvplan.read_traffic(tmp_path / "trace.jsonl", "fixed:3")
    with pytest.raises(kvplan.KvplanError, match="is no law of outputs: it has prompts, too"):
        kvplan.read_traffic("fixed:3", tmp_path / "trace.jsonl")
    assert kvplan.read_traffic(tmp_path / "trace.jsonl", most=10).requests == 2
