"""
Ask vLLM's own scheduler what becomes of unequal requests while so many of them run.

    python -m tests.traffic.judge_traffic jobs.json > answers.jsonl

This runs where vLLM is installed; it needs neither a GPU nor kvplan. A job names the groups of a cache, the
blocks of its pool, the prompts and outputs of requests, and numbers of requests that may run at once
(max_num_seqs). All requests wait from the start, so that as many run as may, until the last has come. A
moment is short of memory if fewer run though others wait, and the step has tokens to spare.
"""

import json
import logging
import sys
from collections import deque
from pathlib import Path
from typing import Any

from vllm.sampling_params import SamplingParams
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request

from tests.engines.vllm.judge_held import config_of, scheduler_of


class Served:
    """A server that works requests off, as EngineCore.step_with_batch_queue does."""

    def __init__(self, job: dict[str, Any], running: int) -> None:
        config = config_of(job)
        config.scheduler_config.max_num_seqs = running
        self.running, self.depth = running, config.max_concurrent_batches
        self.scheduler, hasher = scheduler_of(job, config)
        self.in_flight: deque[tuple[Any, list[str]]] = deque()
        self.preempted: set[str] = set()
        self.moments = self.short = 0
        for number, (prompt, output) in enumerate(job["requests"]):
            self.scheduler.add_request(
                Request(
                    request_id=str(number),
                    prompt_token_ids=[number * 7 + 1] + [number + 2] * (prompt - 1),
                    pooling_params=None,
                    sampling_params=SamplingParams(max_tokens=output, ignore_eos=True),
                    block_hasher=hasher,
                )
            )

    def work(self) -> None:
        """Step until nobody waits any more."""
        full = False
        while self.scheduler.waiting:
            output = self.scheduler.schedule()
            self.preempted |= set(output.preempted_req_ids or ())
            requests = self.scheduler.requests
            sampled = [name for name in output.num_scheduled_tokens if not requests[name].is_prefill_chunk]
            self.in_flight.append((output, sampled))
            runs = len(self.scheduler.running)
            full |= runs == self.running
            if full and self.scheduler.waiting:
                self.moments += 1
                spare = output.total_num_scheduled_tokens < self.scheduler.max_num_scheduled_tokens
                self.short += runs < self.running and spare
            if len(self.in_flight) == self.depth:
                self._answer(*self.in_flight.popleft())

    def _answer(self, output: Any, sampled: list[str]) -> None:
        names = list(output.num_scheduled_tokens)
        runner = ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={name: index for index, name in enumerate(names)},
            sampled_token_ids=[[9] if name in sampled else [] for name in names],
        )
        self.scheduler.update_from_output(output, runner)


def judge(job: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return, for each number that may run, the moments, those short of memory, and who was preempted."""
    found = {}
    for running in job["running"]:
        served = Served(job, running)
        served.work()
        found[str(running)] = {
            "moments": served.moments,
            "short": served.short,
            "preempted": len(served.preempted),
        }
    return found


def main(arguments: list[str]) -> None:
    """Write an answer for each job, one a line."""
    logging.disable(logging.WARNING)
    (jobs,) = arguments
    for job in json.loads(Path(jobs).read_text(encoding="utf-8")):
        sys.stdout.write(json.dumps(judge(job)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
