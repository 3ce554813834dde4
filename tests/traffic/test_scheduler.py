"""
What vLLM 0.33's own scheduler makes of a trace while so many of its requests run (judge_traffic.py).

Of each number that may run it says how many moments there were, and at how many of them fewer ran than might,
for want of blocks. The number at which that is 1 % lies between those that were asked, on the line of
logarithms.
"""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.traffic.generate_traffic import Case, held

ANSWERS = json.loads((Path(__file__).parent / "scheduler.json").read_text(encoding="utf-8"))
RISK = 0.01


def at_risk(said: dict[str, dict[str, int]]) -> float:
    """The number that runs at which a hundredth of the moments is short of blocks."""
    shares = [
        (int(running), each["short"] / each["moments"]) for running, each in said.items() if each["short"]
    ]
    logs = [(running, math.log(share)) for running, share in sorted(shares)]
    (one, low), (other, high) = next(
        (pair for pair in pairwise(logs) if pair[1][1] >= math.log(RISK)), (logs[-2], logs[-1])
    )
    return one + (math.log(RISK) - low) * (other - one) / (high - low)


@pytest.mark.parametrize("kept", ANSWERS, ids=lambda kept: f"{kept[0]}-{kept[2]}")
def test_the_scheduler_runs_as_many(kept: list[Any]) -> None:
    """Those that never preempt never lack a block, and at a risk of 1 % kvplan is within 3 %."""
    *case, said = kept
    answer = held(Case(*case))
    assert said[str(answer.never)]["short"] == said[str(answer.never)]["preempted"] == 0
    assert answer.likely == pytest.approx(at_risk(said), rel=0.03)
