"""
Ask vLLM's own scheduler how many requests of one length stand at full length together.

    python -m tests.engines.vllm.judge_held jobs.json > answers.jsonl

This runs where vLLM is installed; it needs neither a GPU nor kvplan. A job names the groups of a cache
and the blocks of its pool, the prompt's and all tokens of a request, and vLLM's options. Requests come one
by one, each when all before it have been scheduled to the end, until one is not admitted or one is preempted.
A model runner is played: each step that samples answers one token, and all drafts from a number of tokens
on. The last answer of a request is withheld, so that it keeps what it holds.
"""

import json
import logging
import sys
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from vllm.config.scheduler import SchedulerConfig
from vllm.config.vllm import VllmConfig
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1 import kv_cache_interface as interface
from vllm.v1.core import kv_cache_utils as caches
from vllm.v1.core.encoder_cache_manager import EncoderCacheManager
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.core.single_type_kv_cache_manager import register_all_kvcache_specs
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput
from vllm.v1.request import Request

NEVER = 1 << 60
ROW = {"num_kv_heads": 1, "head_size": 1, "dtype": torch.bfloat16}
KINDS = {
    "full": (interface.FullAttentionSpec, None),
    "mla": (interface.MLAAttentionSpec, None),
    "sliding": (interface.SlidingWindowSpec, "sliding_window"),
    "sliding mla": (interface.SlidingWindowMLASpec, "sliding_window"),
    "chunked": (interface.ChunkedLocalAttentionSpec, "attention_chunk_size"),
}
"""The specs of attention by kvplan's words, and the field that holds a window: only blocks matter here."""


def spec_of(group: dict[str, Any], job: dict[str, Any]) -> Any:
    """Return the KVCacheSpec of a group, whose rows are of no matter to the scheduler."""
    if group["paging"] != "state":
        kind, field = KINDS[group["paging"]]
        window = {} if field is None else {field: group["window"]}
        return kind(block_size=group["block_size"], **ROW, **window)
    return interface.MambaSpec(
        block_size=group["block_size"],
        shapes=((1,),),
        dtypes=(torch.bfloat16,),
        mamba_cache_mode="align" if job["caching"] else "none",
        num_speculative_blocks=job["speculative"],
        num_prefill_checkpoint_blocks=int(group["checkpoint_alignment"] is not None),
        prefill_checkpoint_alignment=group["checkpoint_alignment"],
    )


def speculation(job: dict[str, Any]) -> SimpleNamespace | None:
    """Return what the scheduler reads of SpeculativeConfig; a drafter without a method keeps no tokens."""
    if not job["speculative"]:
        return None
    drafts = job["method"] == "eagle"
    return SimpleNamespace(
        num_speculative_tokens=job["speculative"],
        num_speculative_tokens_per_batch_size=None,
        max_num_new_slots_for_drafting=0,
        disable_eagle_block_drop=False,
        disable_lookahead_block_hashes=False,
        use_dspark=lambda: False,
        use_dflash=lambda: False,
        use_multi_module_mtp=lambda: False,
        uses_draft_model=lambda: False,
        use_eagle=lambda: drafts,
        needs_eagle_block_drop=lambda: drafts,
        use_eagle_block_drop=lambda: drafts,
    )


def config_of(job: dict[str, Any]) -> SimpleNamespace:
    """Return a stand-in for VllmConfig, whose derived figures are VllmConfig's own."""
    config = SimpleNamespace(
        model_config=SimpleNamespace(
            max_model_len=job["context"],
            uses_mrope=False,
            is_encoder_decoder=False,
            runner_type="generate",
            is_diffusion=False,
            supports_multimodal_inputs=False,
            return_sampling_mask=False,
        ),
        cache_config=SimpleNamespace(
            enable_prefix_caching=job["caching"],
            mamba_cache_mode="align" if job["caching"] else "none",
            num_gpu_blocks=job["num_blocks"],
            block_size=min(group["block_size"] for group in job["groups"]),
            prefix_match_unit=None,
            enable_mamba_shared_prefix_checkpoint=False,
        ),
        parallel_config=SimpleNamespace(
            pipeline_parallel_size=job.get("pp", 1),
            decode_context_parallel_size=job.get("dcp", 1),
            prefill_context_parallel_size=1,
            data_parallel_index=0,
            data_parallel_size=1,
        ),
        scheduler_config=SchedulerConfig(
            max_num_batched_tokens=job["max_num_batched_tokens"],
            max_num_seqs=min(1024, job["max_num_batched_tokens"]),
            max_model_len=job["context"],
            is_encoder_decoder=False,
            enable_chunked_prefill=True,
            async_scheduling=job["async_scheduling"],
            watermark=job["watermark"],
        ),
        speculative_config=speculation(job),
        diffusion_config=None,
        use_v2_model_runner=True,
        lora_config=None,
        kv_events_config=None,
        kv_transfer_config=None,
        ec_transfer_config=None,
        is_mm_encoder_only=False,
        observability_config=SimpleNamespace(
            per_request_spec_decode_metrics=None,
            kv_cache_metrics=False,
            kv_cache_metrics_sample=0.0,
            enable_mfu_metrics=False,
            enable_logging_iteration_details=False,
        ),
        ec_manager_config=SimpleNamespace(get_encoder_cache_manager_obj=lambda: EncoderCacheManager),
        aux_output_config=SimpleNamespace(enabled=False),
    )
    for name in (
        "max_concurrent_batches",
        "max_in_flight_tokens",
        "num_speculative_tokens",
        "num_lookahead_tokens",
        "num_prefill_lookahead_tokens",
        "num_hash_lookahead_tokens",
    ):
        setattr(config, name, getattr(VllmConfig, name).fget(config))
    return config


def scheduler_of(job: dict[str, Any], config: SimpleNamespace) -> tuple[Any, Any]:
    """Return vLLM's scheduler for a job, and what hashes the blocks of a request; None without caching."""
    register_all_kvcache_specs(config)
    groups = [
        interface.KVCacheGroupSpec(layer_names=[f"layer.{index}"], kv_cache_spec=spec_of(group, job))
        for index, group in enumerate(job["groups"])
    ]
    cache = interface.KVCacheConfig(
        num_blocks=job["num_blocks"],
        kv_cache_tensors=[],
        kv_cache_groups=groups,
        prefix_cache_retention_interval=0,
    )
    block, hashed = caches.resolve_kv_cache_block_sizes(cache, config)
    cache.hash_block_size = hashed
    cache.cache_hit_alignment_tokens = caches.resolve_cache_hit_alignment_tokens(cache, config, block, hashed)
    grammar = SimpleNamespace(
        accept_tokens=lambda *_: True,
        should_advance=lambda *_: False,
        validate_tokens=lambda _, tokens: tokens,
    )
    kind = AsyncScheduler if job["async_scheduling"] else Scheduler
    made = kind(
        vllm_config=config,
        kv_cache_config=cache,
        structured_output_manager=grammar,
        block_size=block,
        hash_block_size=hashed,
        log_stats=False,
    )
    if not job["caching"]:
        return made, None
    caches.init_none_hash(sha256)
    return made, caches.get_request_block_hasher(hashed, sha256, config.num_hash_lookahead_tokens)


class Server:
    """EngineCore.step and step_with_batch_queue around the real scheduler, with a runner that is played."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, config = job, config_of(job)
        self.scheduler, self.hasher = scheduler_of(job, config)
        self.depth = config.max_concurrent_batches
        self.in_flight: deque[tuple[Any, list[str]]] = deque()
        self.sampling: Counter[str] = Counter()
        self.ended: set[str] = set()
        self.preempted = False

    def add(self, number: int) -> None:
        """Let a request come that shares no prefix with any other."""
        prompt = [number * 7 + 1] + [number + 2] * (self.job["prompt"] - 1)
        output = SamplingParams(max_tokens=self.job["context"] - self.job["prompt"], ignore_eos=True)
        self.scheduler.add_request(
            Request(
                request_id=str(number),
                prompt_token_ids=prompt,
                pooling_params=None,
                sampling_params=output,
                block_hasher=self.hasher,
            )
        )

    def blocks(self, request: str) -> int:
        """Return the blocks that a request holds."""
        groups = self.scheduler.kv_cache_manager.get_blocks(request).blocks
        return sum(not block.is_null for blocks in groups for block in blocks)

    def settle(self) -> Iterator[None]:
        """Schedule and answer, step by step, until nobody has had a turn for as long as any waits for one."""
        idle = 0
        while idle < 3 * self.depth and not self.preempted:
            # As step_with_batch_queue does: a batch without requests takes its place in the queue, too.
            idle = 0 if self._schedule() else idle + 1
            if len(self.in_flight) == self.depth:
                self._answer(*self.in_flight.popleft())
            yield

    def _schedule(self) -> bool:
        output = self.scheduler.schedule()
        self.preempted |= bool(output.preempted_req_ids)
        requests = self.scheduler.requests
        sampled = [name for name in output.num_scheduled_tokens if not requests[name].is_prefill_chunk]
        self.sampling.update(sampled)
        for name in sampled:
            if requests[name].num_tokens + self.sampling[name] >= self.job["context"]:
                self._end(name)
        self.in_flight.append((output, sampled))
        return bool(output.total_num_scheduled_tokens)

    def _answer(self, output: Any, sampled: list[str]) -> None:
        names = list(output.num_scheduled_tokens)
        self.sampling.subtract(sampled)
        tokens = {name: self._tokens(name, output) for name in sampled}
        runner = ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={name: index for index, name in enumerate(names)},
            sampled_token_ids=[tokens.get(name, []) for name in names],
        )
        self.scheduler.update_from_output(output, runner)
        if self.job["speculative"] and not self.job["async_scheduling"]:
            drafts = [[8] * output.num_spec_tokens_to_schedule for _ in sampled]
            self.scheduler.update_draft_token_ids(DraftTokenIds(sampled, drafts))

    def _tokens(self, name: str, output: Any) -> list[int]:
        """Return the tokens that a step answers; none where they are the last of the request."""
        drafts = len(output.scheduled_spec_decode_tokens.get(name, ()))
        tokens = self.scheduler.requests[name].num_tokens
        accepted = drafts if tokens >= self.job["accepts_from"] else 0
        left = self.job["context"] - 1 - tokens
        if accepted < left:
            return [9] * (1 + accepted)
        self._end(name)
        return []

    def _end(self, name: str) -> None:
        self.ended.add(name)
        self.scheduler.requests[name].next_decode_eligible_step = NEVER


def judge(job: dict[str, Any]) -> dict[str, Any]:
    """Return how many requests stood, what one that stands has, and the most that the first one had."""
    server, stood, steady, peak = Server(job), 0, 0, 0
    while stood < job["num_blocks"]:
        server.add(stood)
        for _ in server.settle():
            peak = peak if stood else max(peak, server.blocks("0"))
        if server.preempted or len(server.ended) != stood + 1:
            break
        stood += 1
        steady = server.blocks("0")
    return {"num_blocks": job["num_blocks"], "held": stood, "steady": steady, "peak": peak}


def main(arguments: list[str]) -> None:
    """Write an answer for each job, one a line."""
    logging.disable(logging.WARNING)
    (jobs,) = arguments
    for job in json.loads(Path(jobs).read_text(encoding="utf-8")):
        sys.stdout.write(json.dumps(judge(job)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
