"""What vLLM 0.33's own scheduler made of the cases (judge_traffic.py), and what kvplan says of them."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from kvplan.traffic.held import Held
from tests.traffic.generate_traffic import Case, held

RISK = 0.01

Counts = dict[str, int]
"""The `moments` at which others waited, those `short` of blocks, and the requests `preempted`."""


class Scheduled(NamedTuple):
    """A case, and by the number of requests that may run what became of them."""

    case: Case
    counts: dict[int, Counts]

    def answer(self) -> Held:
        """Return kvplan's answer."""
        return held(self.case)

    def at_risk(self) -> float:
        """Return the number at which 1 % of the moments is short, on the line of logarithms between two."""
        logs = [
            (running, math.log(each["short"] / each["moments"]))
            for running, each in sorted(self.counts.items())
            if each["short"]
        ]
        limit = math.log(RISK)
        (one, low), (other, high) = next(
            (pair for pair in pairwise(logs) if pair[1][1] >= limit), (logs[-2], logs[-1])
        )
        return one + (limit - low) * (other - one) / (high - low)


def scheduled() -> list[Scheduled]:
    """Return all cases that are kept."""
    kept = json.loads((Path(__file__).parent / "scheduler.json").read_text(encoding="utf-8"))
    return [
        Scheduled(Case(*case), {int(running): each for running, each in said.items()}) for *case, said in kept
    ]
