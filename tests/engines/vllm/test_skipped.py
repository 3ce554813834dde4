"""Layers that are not quantised, against vLLM 0.33.0's own alignment and planner."""

from collections import Counter

from tests.engines.vllm.replay import recorded
from tests.engines.vllm.skipped_cases import answer

UNKNOWN = "in which blocks FlashInfer reads windows"
"""What kvplan refuses and vLLM does not: it depends on the GPU (flashinfer.py)."""


def test_every_recorded_answer_is_reproduced() -> None:
    """A refusal is one in both, but for the blocks of nvfp4's windows."""
    different = []
    for number, (case, said) in enumerate(recorded("skipped_jobs")):
        found = answer(case)
        if "error" in found and ("error" in said or found["error"].startswith(UNKNOWN)):
            continue
        if found != said:
            different.append(f"job {number}: kvplan {found}, vLLM {said}")
    assert different == []


def test_the_recorded_jobs_cover_what_they_must() -> None:
    answered = [case for case, said in recorded("skipped_jobs") if "error" not in said]
    assert len(answered) > 600
    unknown = sum(answer(case).get("error", "").startswith(UNKNOWN) for case in answered)
    assert unknown < len(answered) / 20
    kinds = Counter(frozenset(case["layers"]) for case in answered)
    assert all(count > 40 for count in kinds.values()), kinds
    assert {case["kv_dtype"] for case in answered} >= {"fp8", "nvfp4", "int8_per_token_head"}
    assert sum("sliding_window" in case["skip"] for case in answered) > 200
