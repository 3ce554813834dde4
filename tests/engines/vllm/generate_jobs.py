"""
Jobs for vLLM's own planner: random models and all hybrid families of the catalogue.

    python -m tests.engines.vllm.generate_jobs cases.json jobs.json
    (have a program with vLLM 0.33.0 build the KVCacheSpec objects of jobs.json and plan with them)
    python -m tests.engines.vllm.generate_jobs --boundaries cases.json answers.json cases2.json jobs2.json
    (the same with jobs2.json)
    python -m tests.engines.vllm.generate_jobs --keep oracle_jobs.json.gz cases.json answers.json ...

A case is what kvplan is asked: the attention and layers of a spec, and vLLM's options. A job says
the same in the fields of vLLM's specs (v1/kv_cache_interface.py). An answer holds `ok`, and either
`error` or what vLLM planned.
"""

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

from tests.engines.vllm.cases import SEED, boundary_cases, catalogue_cases, random_cases
from tests.engines.vllm.entries import DTYPES, Case, Fields, entries_of

Job = dict[str, Any]


def stages(count: int, pp: int) -> list[int]:
    """Return the layers of each pipeline rank: what is left over goes to the ranks before the last."""
    sizes = [count // pp] * pp
    for extra in range(count % pp):
        sizes[-2 - extra] += 1
    return sizes


def oracle_job(case: Case) -> Job:
    """Return the question to vLLM that asks the same as *case*."""
    by_name = {
        name: [entry for fields in kinds for entry in entries_of(case, fields)]
        for name, kinds in case["attention"].items()
    }
    names, workers = list(case["layers"]), []
    for size in stages(len(names), case["pp"]):
        workers.append([dict(entry) for name in names[:size] for entry in by_name[name]])
        names = names[size:]
    everything = [entry for worker in workers for entry in worker]
    states = [entry for entry in everything if entry["kind"] == "mamba"]
    for entry in states:
        entry["block_size"] = case["block_size"] if case["state_mode"] == "align" else case["context"]
    job: Job = {
        "workers": workers,
        "available_bytes": case["available_bytes"],
        "block_size": case["block_size"],
        "max_model_len": case["context"],
        "max_num_batched_tokens": case["max_num_batched_tokens"],
        "async_scheduling": case["async_scheduling"],
        "use_v2_model_runner": case["v2_runner"],
        "pipeline_parallel_size": case["pp"],
        "tensor_parallel_size": case["tp"],
        "decode_context_parallel_size": case["dcp"],
        "mamba_cache_mode": case["state_mode"],
        "num_speculative_tokens": case["speculative_tokens"],
        "disable_hybrid_kv_cache_manager": not case["hybrid_manager"],
        "num_gpu_blocks_override": case["blocks"],
        "auto_fit": case["auto_fit"],
    }
    if any(kinds[0]["kind"] == "compressed" for kinds in case["attention"].values()):
        job["kv_cache_layout"] = "BLHNC"
    attention = [e for e in everything if e["kind"] != "mamba" and e.get("cache_role") != "indexer"]
    if states and attention:
        job |= {"apply_alignment": True, "align_hybrid": _alignment(case, states, attention[0])}
    return job


def _alignment(case: Case, states: list[Fields], attention: Fields) -> Fields:
    shapes = {json.dumps(entry, sort_keys=True): entry for entry in states}
    dtype = case["kv_dtype"]
    return {
        "block_size": case["block_size"],
        "kernel_block_sizes": [case["kernel_block"]],
        "use_mla": attention["kind"] == "mla",
        "num_kv_heads": attention["num_kv_heads"],
        "head_size": attention["head_size"],
        "cache_dtype": "auto" if dtype in DTYPES.values() else dtype,
        "model_dtype": dtype if dtype in DTYPES.values() else "bfloat16",
        "customize": attention.get("customize"),
        "mamba_cache_mode": case["state_mode"],
        "checkpoint_alignment": case["checkpoint_alignment"],
        "mamba": [
            {key: value for key, value in entry.items() if key not in ("kind", "block_size")}
            for entry in shapes.values()
        ],
    }


_KEPT = (
    "num_blocks",
    "blocks_per_request",
    "kv_cache_size_tokens",
    "max_concurrency_logged",
    "max_model_len",
)


def kept_answer(answer: Fields) -> Fields:
    """Return the part of an answer that the tests compare."""
    if not answer["ok"]:
        return {"refused": answer["error"][:60]}
    kept = {key: answer[key] for key in _KEPT if key in answer}
    kept["bytes_per_block"] = answer["bytes_per_block"]
    kept["groups"] = [group["num_layers"] for group in answer["groups"]]
    if "align_hybrid" in answer:
        kept["block_size"] = answer["align_hybrid"]["block_size"]
    return kept


def write_json(path: str, value: object) -> None:
    """Write a value as JSON."""
    Path(path).write_text(json.dumps(value), encoding="utf-8")


def _read(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _keep(target: str, files: list[str]) -> None:
    kept = [
        [case, kept_answer(answer)]
        for cases, answers in zip(files[::2], files[1::2], strict=True)
        for case, answer in zip(_read(cases), _read(answers), strict=True)
    ]
    text = json.dumps(kept, separators=(",", ":")).encode()
    Path(target).write_bytes(gzip.compress(text, compresslevel=9, mtime=0))


def main(arguments: list[str]) -> None:
    """Write cases and jobs, or keep the answers."""
    match arguments:
        case ["--keep", target, *files]:
            _keep(target, files)
        case ["--boundaries", cases, answers, more_cases, more_jobs]:
            more = list(boundary_cases(_read(cases), _read(answers)))
            write_json(more_cases, more)
            write_json(more_jobs, [oracle_job(case) for case in more])
        case [cases, jobs]:
            rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
            made = [*random_cases(rng), *catalogue_cases(rng)]
            write_json(cases, made)
            write_json(jobs, [oracle_job(case) for case in made])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
