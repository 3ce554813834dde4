"""
What vLLM 0.33's own scheduler makes of requests while so many of them run (judge_traffic.py).

They are drawn from presets, or all of a trace in its order. Of each number that may run it says how many
moments there were, at how many of them fewer ran than might, for want of blocks, and how many requests were
preempted.
"""

import pytest

from tests.traffic.scheduled import Scheduled, scheduled


def name(each: Scheduled) -> str:
    """Whose requests they are."""
    return f"{each.case.model}-{each.case.traffic}-{'drawn' if each.case.requests else 'trace'}"


@pytest.mark.parametrize("kept", scheduled(), ids=name)
def test_the_scheduler_runs_as_many(kept: Scheduled) -> None:
    """Those that never preempt never lack a block, and at a risk of 1 % kvplan is within 3 %."""
    answer = kept.answer()
    assert answer.never is not None
    never = kept.counts[answer.never]
    assert never["short"] == never["preempted"] == 0
    assert answer.likely == pytest.approx(kept.at_risk(), rel=0.03)


@pytest.mark.parametrize("kept", [each for each in scheduled() if each.case.requests is None], ids=name)
def test_a_trace_is_met_whole_and_in_its_order(kept: Scheduled) -> None:
    answer = kept.answer()
    assert answer.method == "replay"
    assert answer.refused == 0
    assert answer.requests.requests == {"azure-code-2023": 8819, "azure-conv-2023": 19_366}[kept.case.traffic]
