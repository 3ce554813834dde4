"""
Jobs for vLLM's own scheduler: what becomes of a trace's requests while so many of them run at once.

    python -m tests.traffic.generate_traffic jobs.json
    python -m tests.traffic.judge_traffic jobs.json > answers.jsonl
    python -m tests.traffic.generate_traffic --keep scheduler.json answers.jsonl

A job has the groups and blocks that kvplan plans, which are held against vLLM's own in tests/engines/vllm.
Requests are drawn from a preset, and come in that order, or they are those of a trace in its own order.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import kvplan
from kvplan.engines.vllm.engine import PagedCache
from kvplan.traffic.arrays import Ints
from kvplan.traffic.held import Held
from kvplan.traffic.observed import Observed
from tests.engines.vllm.generate_held import group_of
from tests.engines.vllm.generate_jobs import write_json

AROUND = (0.97, 1, 1.03, 1.06, 1.1)
"""Numbers of requests that run, in parts of kvplan's at a risk of 1 %; kept are some, and some between."""

TRACES = Path(__file__).parent / "traces"


class Case(NamedTuple):
    """
    A model in a memory for its cache, a traffic, how many of its requests come, and the tokens of a step.

    The requests are drawn from a preset, or are all of a trace, None. So many tokens that prefills keep up:
    else blocks are free, and it is tokens that a moment is short of. Longer requests than `context` are
    refused: in the traces there are none.
    """

    model: str
    kv_memory: str
    traffic: str
    requests: int | None
    batched: int = 8192
    context: int = 9216

    @property
    def source(self) -> str:
        """The preset's name, or the trace's file."""
        return self.traffic if self.requests else str(TRACES / f"{self.traffic}.csv.gz")


CASES = (
    Case("qwen3-8b", "14GiB", "azure-code-2023", 16_000),
    Case("qwen3-8b", "14GiB", "azure-conv-2023", 3500),
    Case("gemma-3-27b", "40GiB", "azure-code-2023", 9000, 16_384),
    Case("gemma-3-27b", "40GiB", "azure-conv-2023", 3500),
    Case("qwen3-next-80b-a3b", "14GiB", "azure-code-2023", 8000, 32_768),
    Case("qwen3-next-80b-a3b", "14GiB", "azure-conv-2023", 2500, 32_768),
    Case("qwen3-8b", "14GiB", "azure-code-2023", None, 8192, 16_384),
    Case("qwen3-8b", "14GiB", "azure-conv-2023", None, 8192, 16_384),
    Case("gemma-3-27b", "40GiB", "azure-code-2023", None, 16_384, 16_384),
    Case("gemma-3-27b", "40GiB", "azure-conv-2023", None, 8192, 16_384),
    Case("qwen3-next-80b-a3b", "14GiB", "azure-code-2023", None, 32_768, 16_384),
    Case("qwen3-next-80b-a3b", "14GiB", "azure-conv-2023", None, 32_768, 16_384),
)
"""Plain attention, windows, and states that prefix caching hands on from block to block."""


def held(case: Case) -> Held:
    """Return what kvplan says of a case, by the rules of vLLM 0.33."""
    triton = {"gdn_prefill_backend": "triton"} if case.model.startswith("qwen3-next") else {}
    return kvplan.hold(
        case.model,
        engine="vllm@0.33",
        gpu="h100-80gb",
        kv_memory=case.kv_memory,
        traffic=case.source,
        context=case.context,
        max_num_batched_tokens=case.batched,
        max_num_seqs=1024,
        settings=triton,
    )


def job_of(case: Case) -> dict[str, Any]:
    """Return the question to judge_traffic.py."""
    answer = held(case)
    arrangement = answer.plan.deployment.arrangement
    assert isinstance(arrangement, PagedCache)
    layout, likely = arrangement.layout, answer.likely or 0
    caching = layout.charge.states == "align"
    block = layout.block_size if caching else case.context
    prompts, outputs = _requests(answer, case)
    return {
        "groups": [group_of(layout, each.spec, block) for each in layout.groups],
        "num_blocks": answer.plan.pools[0] // layout.bytes_per_block[0],
        "context": case.context,
        "prompt": 0,
        "max_num_batched_tokens": case.batched,
        "async_scheduling": True,
        "watermark": 0.0,
        "caching": caching,
        "pp": 1,
        "dcp": 1,
        "speculative": 0,
        "method": "ngram",
        "accepts_from": case.context,
        "requests": [list(each) for each in zip(prompts.tolist(), outputs.clip(min=1).tolist(), strict=True)],
        "running": sorted({answer.never, *(round(likely * part) for part in AROUND)}),
    }


def _requests(answer: Held, case: Case) -> tuple[Ints, Ints]:
    """Return prompts and outputs in the order in which they come."""
    if case.requests is not None:
        return answer.requests.draw(np.random.default_rng(5), case.requests)
    assert isinstance(answer.requests, Observed)
    return answer.requests.prompts, answer.requests.outputs


def main(arguments: list[str]) -> None:
    """Write jobs, or keep the answers beside their cases."""
    match arguments:
        case ["--keep", target, answers]:
            lines = [json.loads(line) for line in Path(answers).read_text(encoding="utf-8").splitlines()]
            kept = [[*case, said] for case, said in zip(CASES, lines, strict=False)]
            Path(target).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        case [jobs]:
            write_json(jobs, [job_of(each) for each in CASES])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
