"""
The batches that are captured, against what releases' own code lists.

Each row of captured_batches.jsonl is what VllmConfig._set_cudagraph_sizes of a release answered.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kvplan.engines.vllm.captures import MOST_ON_BLACKWELL, MOST_TOKENS, Asked, batches, captured

FILE = Path(__file__).with_name("captured_batches.jsonl")
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['release']}-{row['sequences']}-{row['tokens']}")
def test_batches_are_those_of_the_release(row: dict[str, Any]) -> None:
    major, minor = map(int, row["release"].split("."))
    # 1024 on data-centre Blackwell since 0.28.
    more = row["blackwell"] and minor >= 28
    asked = Asked(
        row["sequences"],
        row["tokens"],
        drafts=row["drafts"],
        most=row["most"],
        usual=MOST_ON_BLACKWELL if more else MOST_TOKENS,
        fine=row["fine"],
        version=(major, minor),
    )
    assert batches(asked) == row["batches"]


def test_every_rule_was_asked() -> None:
    for name in ("drafts", "most", "fine", "blackwell", "release"):
        assert len({row[name] for row in ROWS}) > 1, name


def test_the_second_runner_captures_whole_steps_alone() -> None:
    """By hand: 4 sequences with 2 drafts, so up to 12 tokens in steps of 3; batches of 1, 2, 4, 8, 16, 24."""
    older, newer = (Asked(4, 8192, drafts=2, version=(0, 29), rounds=rounds) for rounds in (False, True))
    # 4 and 8; 3, 6 and 9: 12 is no batch, as 8 and 16 are.
    assert captured(older)[2:] == (2, 8, 4)
    assert captured(newer)[2:] == (3, 9, 6)
    # Since 0.30 steps of 1, 2 and 4 sequences are batches: 3, 6, 9 and 12.
    assert captured(newer._replace(version=(0, 30)))[2:] == (4, 12, 9)
