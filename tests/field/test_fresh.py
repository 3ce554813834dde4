"""How near kvplan comes to start-ups that it had never seen: plainly, with every miss and its reason."""

from statistics import median
from typing import Any

import pytest

import kvplan
from kvplan.units import MIB
from tests.field.field_records import Record
from tests.field.fresh import apart, fresh, fresh_sglang, graphs, pools, rows, tokens_of
from tests.field.newer import newer
from tests.field.scores import score

SIZED = [row for row in rows() if "tokens" in row]


def by_id(row: dict[str, Any]) -> str:
    return str(row["id"])


def number(name: str) -> str:
    return name.partition("-")[0]


def test_the_score_of_whole_plans() -> None:
    """Of 16 start-ups the median is off by 2.5 %, nine are within 5 %, and eleven in the range."""
    errors = [abs(each.error) for each in fresh()]
    assert len(errors) == 16
    assert round(median(errors), 3) == 0.025
    assert sum(error <= 0.05 for error in errors) == 9
    assert sum(each.inside for each in fresh()) == 11


def test_those_that_are_further_off_are_known() -> None:
    """
    Seven of sixteen, for four reasons.

    f02 and f04 plan int4 without its scales: 15.1 GiB, of which 16.7 were consumed. f08 to f10 are one script
    of LLM() whose tokens and sequences are not told: 3.23 GiB beyond weights in each, 3.80 planned for a
    server's 8192 and 1024 by a warm start, 4.05 by a cold one. The GB10 of f14 shares its memory with the
    host. f19 is a table of a comment: 0.83 GiB beyond weights over eight GPUs, 2.55 planned.
    """
    far = {number(each.id) for each in fresh() if abs(each.error) > 0.05}
    assert far == {"f02", "f04", "f08", "f09", "f10", "f14", "f19"}


def test_those_outside_their_range_are_known() -> None:
    """
    f08 to f10 and f19 as above, the first three by 0.05 GiB.

    f12, by 0.06 GiB, is a card under WSL: as much more was consumed as the copy of its embedding takes.
    """
    assert {number(each.id) for each in fresh() if not each.inside} == {"f08", "f09", "f10", "f12", "f19"}


@pytest.mark.parametrize("row", SIZED, ids=by_id)
def test_the_printed_memory_becomes_the_printed_tokens(row: dict[str, Any]) -> None:
    assert tokens_of(row) == row["tokens"]


@pytest.mark.parametrize("record", pools(), ids=lambda record: record.id)
def test_a_pool_is_what_its_engine_made_of_its_memory(record: Record) -> None:
    """Tokens, blocks and buffers of vLLM, llama.cpp and TensorRT-LLM, to the last one; fp07 says why not."""
    figures = score(record)
    assert figures
    assert all(each.reproduced for each in figures) is record.expected


def test_whole_plans_of_sglang_are_within_four_percent_and_in_their_range() -> None:
    """fs02 is a spec's weights, 8.46 GiB of 8.62, and a card of which SGLang found 23.09 GiB free."""
    whole = {number(each.id): each for each in fresh_sglang() if each.open is None}
    assert {name: round(each.error, 3) for name, each in whole.items()} == {"fs01": -0.001, "fs02": -0.033}
    assert all(each.inside for each in whole.values())


def test_pools_of_sglang_are_within_a_tenth_of_a_percent() -> None:
    """Of what two decimals leave open; fs04's release splits states and tokens by another rule."""
    off = {number(each.id): abs(each.tokens_error) for each in fresh_sglang()}
    assert 0.01 < off.pop("fs04") < 0.012
    assert max(off.values()) < 0.001


@pytest.mark.parametrize("row", graphs(), ids=lambda row: row["source"])
def test_the_buffer_of_a_graph_is_as_listed(row: dict[str, Any]) -> None:
    """Two of llama-server for CUDA are equal, of builds that are planned; of others each has its reason."""
    asked = {
        name: value for name, value in row.items() if name not in {"source", "printed", "planned", "why"}
    }
    needs = kvplan.plan(**asked, engine="llamacpp", gpu="8TB", weights="4GiB").budget.needs
    assert round(needs.activation_bytes / MIB, 2) == row["planned"]
    assert (row["planned"] == row["printed"]) is ("why" not in row)


def test_no_start_up_is_counted_twice() -> None:
    names = [row["id"] for row in rows()] + [each.id for each in pools()] + [each.id for each in newer()]
    assert len(names) == len(set(names))


def test_start_ups_that_are_kept_apart_say_why() -> None:
    assert len(apart()) == 25
    assert all(set(row) == {"source", "what", "why"} for row in apart())
