"""
Jobs for vLLM's own scheduler: how many requests of one length stand at full length together.

    python -m tests.engines.vllm.generate_held cases.json jobs.json
    (have a program with vLLM 0.33.0 build its scheduler for jobs.json and add requests one by one, each
    when all before it stand at their full length, until one is not admitted or one is preempted)
    python -m tests.engines.vllm.generate_held --keep held_jobs.json.gz cases.json answers.jsonl

A job is that of generate_jobs.py, with the prompt's and the output's tokens, prefix caching and the
watermark. An answer holds `ok`, `num_blocks` and `late`, the requests that stood.

    python -m tests.engines.vllm.generate_held --spread cases.json jobs.json
    python -m tests.engines.vllm.judge_held jobs.json > answers.jsonl
    python -m tests.engines.vllm.generate_held --keep spread_jobs.json.gz cases.json answers.jsonl

These are of speculative tokens, pipelines and context parallelism, and of states that a prefill exports.
Their jobs name the groups that kvplan forms, which are held against vLLM's own in test_oracle.py.
"""

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

import yaml

from kvplan.engines.vllm import Layout
from kvplan.engines.vllm.pages import PageSpec
from kvplan.specs.catalogue import spec_files
from tests.engines.vllm.cases import SEED, layer_types
from tests.engines.vllm.entries import Case
from tests.engines.vllm.generate_jobs import oracle_job, write_json
from tests.engines.vllm.replay import layout_of, planned

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


SPECULATING = (
    "llama-3.1-8b",
    "mistral-7b-v0.1",
    "gemma-2-9b",
    "gemma-3-27b",
    "gpt-oss-20b",
    "mimo-v2-flash",
    "llama-4-scout-17b-16e",
    "deepseek-v3",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "qwen3.5-4b",
    "qwen3-next-80b-a3b",
    "nemotron-3-nano-30b-a3b",
    "jamba-v0.1",
    "lfm2-1.2b",
    "mamba2-2.7b",
)
"""One or more of each way to keep tokens."""


def spread_cases(rng: random.Random) -> list[Case]:
    """Return cases with speculative tokens, over pipeline stages and over context-parallel ranks."""
    known = {path.stem: path for path in spec_files()}
    made = []
    for name in SPECULATING:
        attention, layers = layer_types(yaml.safe_load(known[name].read_text(encoding="utf-8")))
        made += [
            _spread(rng, name, attention, layers) | {"accepts": accepts}
            for accepts in ("last", "last", "last", "last", "last", "none", "all")
        ]
    return [_with_room(rng, case) for case in made]


def _spread(rng: random.Random, name: str, attention: Any, layers: list[str]) -> Case:
    context = rng.choice([1024, 2048, 3000, 4097, 8192, 8200])
    kinds = {fields["kind"] for kinds in attention.values() for fields in kinds}
    plain = kinds <= {"gqa", "mla"}
    case = _case(rng, name, attention, layers, context, 50, rng.choice([512, 2048, 8192]))
    case |= {
        "prompt": max(1, context - rng.choice([100, 250, 400, 800])),
        "speculative_tokens": rng.choice([0, 1, 1, 2, 3, 4, 5, 7]),
        "pp": rng.choice([1, 1, 1, 2, 3]),
        "dcp": rng.choice([1, 1, 2]) if kinds == {"mla"} else 1,
    }
    if case["dcp"] > 1:
        case |= {"tp": 2, "prompt": min(case["prompt"], context - 100)}
    drafts = bool(kinds & {"gqa", "mla"}) and case["dcp"] == 1 and rng.random() < 0.7
    if drafts and case["speculative_tokens"]:
        case["draft"] = {"layers": 1} if plain else {"layers": 1, "kv_heads": 8, "head_dim": 128}
    return case


def _with_room(rng: random.Random, case: Case) -> Case:
    """Return a case with memory for a few requests."""
    layout = layout_of(case)
    requests = rng.uniform(2.5, 9)
    context = case["context"]
    blocks = int(layout.peak_blocks(context) + requests * layout.held_blocks(context) + rng.randint(0, 50))
    blocks = int(blocks / (1 - case["watermark"]))
    return case | {"available_bytes": [blocks * size for size in layout.bytes_per_block]}


def judged_job(case: Case) -> dict[str, Any]:
    """Return the question to judge_held.py: drafts are accepted from a number of tokens on."""
    pool = planned(case)
    layout, context, caching = pool.layout, case["context"], case["state_mode"] == "align"
    return {
        "groups": [
            group_of(layout, each.spec, layout.block_size if caching else context) for each in layout.groups
        ],
        "num_blocks": pool.num_blocks,
        "context": context,
        "prompt": case["prompt"],
        "max_num_batched_tokens": case["max_num_batched_tokens"],
        "async_scheduling": case["async_scheduling"],
        "watermark": case["watermark"],
        "caching": caching,
        "pp": case["pp"],
        "dcp": case["dcp"],
        "speculative": case["speculative_tokens"],
        "method": "eagle" if "draft" in case else "ngram",
        "accepts_from": {
            # The last steps: these drafts take the request to its end while most is held.
            "last": context - layout.charge.decode_tokens,
            "none": context,
            "all": 0,
        }[case["accepts"]],
    }


def group_of(layout: Layout, spec: PageSpec, state_block: int) -> dict[str, Any]:
    """Return a group of a cache as judge_held.py reads it."""
    exports = layout.charge.states == "align" and spec.checkpoints
    return {
        "paging": spec.paging,
        "block_size": spec.block_size or state_block,
        "window": spec.window,
        "checkpoint_alignment": layout.options.checkpoint_alignment if exports else None,
    }


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


def kept_answer(said: dict[str, Any]) -> dict[str, int]:
    """Return the part of an answer that the tests compare."""
    names = {"num_blocks": "num_blocks", "late": "held", "held": "held", "steady": "steady", "peak": "peak"}
    return {kept: said[name] for name, kept in names.items() if name in said}


def main(arguments: list[str]) -> None:
    """Write cases and jobs, or keep the answers."""
    match arguments:
        case ["--keep", target, asked, answers]:
            lines = [json.loads(line) for line in Path(answers).read_text(encoding="utf-8").splitlines()]
            pairs = zip(json.loads(Path(asked).read_text(encoding="utf-8")), lines, strict=True)
            kept = [[made, kept_answer(said)] for made, said in pairs if said.get("ok", True)]
            text = json.dumps(kept, separators=(",", ":")).encode()
            Path(target).write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
        case ["--spread", asked, jobs]:
            made = spread_cases(random.Random(SEED))  # noqa: S311 - repeatable, not secret
            write_json(asked, made)
            write_json(jobs, [judged_job(each) for each in made])
        case [asked, jobs]:
            made = cases(random.Random(SEED))  # noqa: S311 - repeatable, not secret
            write_json(asked, made)
            write_json(jobs, [scheduler_job(each) for each in made])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
