"""Every published start-up of a real engine: kvplan gives what it printed, or the reason is listed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import kvplan
from tests.field.asking import asked
from tests.field.field_records import Record, exceptions, memory_splits, read_records, shares
from tests.field.scores import score

ORIGINAL = Path(__file__).parents[3] / "shared" / "field_logs.yaml"
"""The collection that the records were taken from; it need not be there."""

LEFT_OUT = {
    "quote",
    "note",
    "attention",
    "implied_bytes_per_token",
    "implied_from",
    "expected_bytes_per_token",
    "expected_formula",
    "diff_pct",
}
"""What the collection adds to the logs."""

RECORDS = read_records()


def by_id(record: Record) -> str:
    return record.id


@pytest.mark.parametrize("record", [each for each in RECORDS if each.expected], ids=by_id)
def test_a_start_up_is_reproduced(record: Record) -> None:
    figures = score(record)
    assert figures, "nothing of it was held against kvplan"
    assert not [each for each in figures if not each.reproduced]


@pytest.mark.parametrize("record", [each for each in RECORDS if each.kind == "differs"], ids=by_id)
def test_what_differs_still_differs(record: Record) -> None:
    """A record that has come to agree leaves the list."""
    assert [each for each in score(record) if not each.reproduced]


@pytest.mark.parametrize("record", [each for each in RECORDS if each.smaller_rank], ids=by_id)
def test_another_rank_had_less(record: Record) -> None:
    """There is a little more than was printed, and exactly that with the blocks of a smaller memory."""
    tokens = next(each for each in score(record) if each.name == "kv_tokens")
    assert 1 < int(tokens.computed) / int(tokens.printed) < 1.02
    options = asked(record)
    options["settings"] = {"num_gpu_blocks_override": str(record.printed["kv_tokens"] // 16)}
    answer = kvplan.fit(**options, kv_memory="1GiB")
    assert answer.kv_tokens == record.printed["kv_tokens"]
    if "max_concurrency" in record.printed:
        assert f"{answer.max_concurrency:.2f}" == record.printed["max_concurrency"]


@pytest.mark.parametrize(
    "record", [each for each in RECORDS if "model" in each.plan and "/" in each.model], ids=by_id
)
def test_a_hub_id_leads_to_the_model_that_is_planned(record: Record) -> None:
    """Unless the plan says that another model stands for it."""
    if record.known is None:
        assert kvplan.load(record.model.split(" ")[0]).name == record.plan["model"]


def test_every_record_is_reproduced_or_listed() -> None:
    listed = {each.id for each in exceptions()}
    assert len(RECORDS) == len({each.id for each in RECORDS}) == 135
    assert listed == {each.id for each in RECORDS if not each.expected}
    assert all(each.reason for each in exceptions())


def test_the_shares_add_up() -> None:
    found = shares()
    assert sum(each.records for each in found) == len(RECORDS)
    assert sum(each.reproduced for each in found) == sum(each.expected for each in RECORDS)
    assert all(each.by_known <= each.reproduced <= each.scorable <= each.records for each in found)


def test_the_shares_are_no_worse_than_they_were() -> None:
    """Of the records that can be scored: a start-up that is lost shows here, too."""
    found = {each.engine: (each.reproduced, each.scorable) for each in shares()}
    assert found == {
        "vllm": (80, 84),
        "ik_llama.cpp": (19, 19),
        "llama.cpp": (7, 7),
        "sglang": (7, 7),
        "vllm (fork)": (0, 0),
        "vllm-metal": (0, 0),
        "lmdeploy (turbomind)": (1, 1),
        "vllm-omni": (1, 1),
        "freetoken": (0, 0),
        "ggml example": (1, 1),
    }


def test_a_wrong_model_is_noticed() -> None:
    """The check can fail: another model's cache does not give these figures."""
    record = next(each for each in RECORDS if each.id == "planner-microsoft-phi-4-tp1pp1dp1-8192")
    wrong = Record(
        **{name: getattr(record, name) for name in record.__slots__}
        | {"plan": {**record.plan, "model": "llama-3.1-8b"}}
    )
    assert not any(each.reproduced for each in score(wrong))


def test_a_split_adds_up_to_the_share_of_the_card() -> None:
    """Weights, activations, other memory and cache make up the share that was asked for, as printed."""
    whole = [
        each
        for each in memory_splits()
        if None not in (each.total_gib, each.utilization, each.non_torch_gib) and each.version is not None
    ]
    assert len(memory_splits()) == 59
    assert len(whole) > 40
    for each in whole:
        parts = (each.weights_gib, each.activation_gib, each.non_torch_gib, each.available_kv_gib)
        assert each.total_gib is not None
        assert each.utilization is not None
        budget = each.total_gib * each.utilization
        assert abs(budget - sum(part for part in parts if part is not None)) < budget / 50, each.id


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the collection of logs is not beside the checkout")
def test_the_records_agree_with_their_collection() -> None:
    """Field by field: what the records leave out, they do not change."""
    original = {row["id"]: row for row in yaml.safe_load(ORIGINAL.read_text(encoding="utf-8"))}
    assert [each.id for each in RECORDS] == list(original)
    for record in RECORDS:
        row = original[record.id]
        theirs = {name: value for name, value in row.items() if name not in {*LEFT_OUT, "extra"}}
        assert {**record.facts, **record.printed} == {**theirs, **row.get("extra", {})}, record.id


def test_sizes_are_kept_as_printed() -> None:
    """A size is text, so that its decimals are known; a count is a number."""
    kinds: Counter[tuple[str, type[Any]]] = Counter(
        ("size" if name.endswith(("_gib", "_mib", "_gb", "_size")) else "count", type(value))
        for record in RECORDS
        for name, value in record.printed.items()
    )
    assert not kinds["size", int]
    assert not kinds["size", float]
