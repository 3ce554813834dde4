"""
Jobs for vLLM's own scheduler: how many requests of one length stand at full length together.

    python -m tests.engines.vllm.generate_held cases.json jobs.json
    (have a program with vLLM 0.33.0 build its scheduler for jobs.json and add requests one by one, each
    when all before it stand at their full length, until one is not admitted or one is preempted)
    python -m tests.engines.vllm.generate_held --keep held_jobs.json.gz cases.json answers.jsonl

A job is that of generate_jobs.py, with the prompt's and the output's tokens, prefix caching and the
watermark. An answer holds `ok`, `num_blocks` and `late`, the requests that stood.
"""

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

import yaml

from kvplan.specs.catalogue import spec_files
from tests.engines.vllm.cases import SEED, layer_types
from tests.engines.vllm.entries import Case
from tests.engines.vllm.generate_jobs import oracle_job, write_json
from tests.engines.vllm.replay import layout_of

MODELS = (
    "llama-3.1-8b",
    "mistral-7b-v0.1",
    "phi-3-mini-128k",
    "gemma-2-9b",
    "gemma-3-27b",
    "gemma-4-26b-a4b",
    "gpt-oss-20b",
    "mimo-v2-flash",
    "llama-4-scout-17b-16e",
    "deepseek-v2-lite",
    "deepseek-v3",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "qwen3.5-4b",
    "qwen3-next-80b-a3b",
    "nemotron-3-nano-30b-a3b",
    "bamba-9b",
    "falcon-h1-7b",
    "jamba-v0.1",
    "granite-4.0-h-micro",
    "lfm2-1.2b",
    "mamba2-2.7b",
    "command-r7b",
    "minimax-m2",
    "gemma-2-2b",
    "qwen3-8b",
)
"""Plain attention, windows, chunks, latents, compressed entries, and states alone or beside attention."""

SHORT, LONG = (2048, 8192), (2048, 8192, 8200, 32_768, 131_072)
"""Contexts of which a tenth or half is the prompt, and of which nine tenths are."""

STEPS = 8_000
"""About so many tokens are generated in a job: the scheduler takes a step for each."""


def cases(rng: random.Random) -> list[Case]:
    """Return cases of all models, every one with and without what concerns it."""
    known = {path.stem: path for path in spec_files()}
    made = []
    for number, name in enumerate(MODELS):
        if name not in known:
            sys.exit(f"{name} is not in the catalogue")
        attention, layers = layer_types(yaml.safe_load(known[name].read_text(encoding="utf-8")))
        asked = [(context, 10, batched) for context, batched in zip(SHORT, (2048, 8192), strict=True)]
        longest = LONG if number % 3 == 0 else LONG[:-1]
        asked += [(context, 90, batched) for context in longest for batched in (2048, 8192)]
        asked += [(context, 50, 8192) for context in SHORT]
        made += [_case(rng, name, attention, layers, *each) for each in asked]
    return made


def _case(  # noqa: PLR0913, PLR0917 - what a case is made of
    rng: random.Random, name: str, attention: Any, layers: list[str], context: int, share: int, batched: int
) -> Case:
    kinds = {fields["kind"] for kinds in attention.values() for fields in kinds}
    compressed = "compressed" in kinds
    latent = bool(kinds & {"mla", "compressed"})
    block = 256 if compressed else 64 if latent else 16
    case: Case = {
        "name": name,
        "attention": attention,
        "layers": layers,
        "tp": 1,
        "pp": 1,
        "dcp": 1,
        "kv_dtype": "fp8_ds_mla" if compressed else "bfloat16",
        "block_size": block,
        "kernel_block": min(64, block),
        "context": context,
        "max_num_batched_tokens": batched,
        "async_scheduling": rng.random() < 0.8,
        "v2_runner": True,
        "hybrid_manager": True,
        "state_mode": rng.choice(["none", "align"]),
        "checkpoint_alignment": 1,
        "available_bytes": [0],
        "blocks": None,
        "auto_fit": False,
        "speculative_tokens": 0,
        "watermark": rng.choice([0.0, 0.0, 0.0, 0.01, 0.1]),
        "prompt": context * share // 100,
    }
    layout = layout_of(case)
    requests = max(2, min(40, STEPS // (context - case["prompt"]))) * rng.uniform(0.6, 1.2)
    blocks = layout.peak_blocks(context) + requests * layout.held_blocks(context) + rng.randint(0, 50)
    return case | {"available_bytes": [int(blocks * layout.bytes_per_block[0] / (1 - case["watermark"]))]}


def scheduler_job(case: Case) -> dict[str, Any]:
    """Return the question to vLLM's scheduler."""
    job = oracle_job(case)
    (layers,) = job.pop("workers")
    (available,) = case["available_bytes"]
    return job | {
        "layers": layers,
        "available_bytes": available,
        "prompt_tokens": case["prompt"],
        "output_tokens": case["context"] - case["prompt"],
        "max_num_seqs": min(1024, case["max_num_batched_tokens"]),
        "prefix_caching": case["state_mode"] == "align",
        "watermark": case["watermark"],
        "measure": ["late"],
    }


def main(arguments: list[str]) -> None:
    """Write cases and jobs, or keep the answers."""
    match arguments:
        case ["--keep", target, asked, answers]:
            lines = [json.loads(line) for line in Path(answers).read_text(encoding="utf-8").splitlines()]
            pairs = zip(json.loads(Path(asked).read_text(encoding="utf-8")), lines, strict=True)
            kept = [
                [made, {"num_blocks": said["num_blocks"], "held": said["late"]}]
                for made, said in pairs
                if said["ok"]
            ]
            text = json.dumps(kept, separators=(",", ":")).encode()
            Path(target).write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
        case [asked, jobs]:
            made = cases(random.Random(SEED))  # noqa: S311 - repeatable, not secret
            write_json(asked, made)
            write_json(jobs, [scheduler_job(each) for each in made])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
