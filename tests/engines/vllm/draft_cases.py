"""
Jobs for vLLM's own planner with the layers of a draft beside those of a model.

    python -m tests.engines.vllm.draft_cases cases.json jobs.json
    (have a program with vLLM 0.33.0 answer jobs.json, as generate_jobs.py says)
    python -m tests.engines.vllm.generate_jobs --keep draft_jobs.json.gz cases.json answers.json

A case is that of cases.py with `draft`: the options of kvplan's Draft.
"""

import random
import sys
from typing import Any

from tests.engines.vllm.cases import SEED, random_cases
from tests.engines.vllm.entries import Case, Fields, entries_of
from tests.engines.vllm.generate_jobs import Job, oracle_job, write_json

SERVED = ("gqa", "mla", "sliding", "gated_delta_net", "mamba2")
"""Kinds beside which a draft is asked for; others would say nothing more about it."""

COUNT = 400


def draft_cases() -> list[Case]:
    """Return cases of random models with a random draft."""
    rng = random.Random(SEED + 2)  # noqa: S311 - repeatable, not secret
    cases = [case | {"draft": _draft(rng, case)} for case in random_cases(rng) if _takes_draft(case)]
    return cases[:COUNT]


def _takes_draft(case: Case) -> bool:
    """Return whether kvplan plans a draft beside the case: not beside states alone or packed rows."""
    kinds = {fields["kind"] for fields in _fields(case)}
    packed = case["kv_dtype"].endswith("_ds_mla")
    return kinds <= set(SERVED) and bool(kinds - {"mamba2"}) and case["dcp"] == 1 and not packed


def _draft(rng: random.Random, case: Case) -> dict[str, int]:
    draft = {"layers": rng.choice([1, 1, 2, 5])}
    whole = [fields for fields in _fields(case) if fields["kind"] in ("gqa", "mla")]
    if len(whole) == 1 and whole in _served(case) and rng.random() < 0.5:
        return draft
    heads = rng.choice(
        [heads for heads in (1, 2, 4, 8) if heads % case["tp"] == 0 or case["tp"] % heads == 0]
    )
    draft |= {"kv_heads": heads, "head_dim": rng.choice([64, 128, 256])}
    return draft | ({"window": rng.choice([512, 2048])} if rng.random() < 0.4 else {})


def _served(case: Case) -> list[list[Fields]]:
    return [case["attention"][name] for name in dict.fromkeys(case["layers"])]


def _fields(case: Case) -> list[Fields]:
    return [fields for kinds in case["attention"].values() for fields in kinds]


def draft_job(case: Case) -> Job:
    """Return the question to vLLM: the draft's layers are the last ones of the last worker."""
    job = oracle_job(case)
    job["workers"][-1] += [dict(entry) for entry in _entries(case)] * case["draft"]["layers"]
    return job


def _entries(case: Case) -> list[Fields]:
    draft = case["draft"]
    if "kv_heads" not in draft:
        (fields,) = (each for each in _fields(case) if each["kind"] in ("gqa", "mla"))
        return [entry | {"is_draft": True} for entry in entries_of(case, fields)]
    kind = "sliding" if "window" in draft else "gqa"
    fields = {"kind": kind, "heads": draft["kv_heads"], "groups": draft["kv_heads"]}
    fields |= {"head_dim": draft["head_dim"]} | ({"window": draft["window"]} if "window" in draft else {})
    return [entry | {"is_draft": True} for entry in entries_of(case, fields)]


def main(arguments: list[str]) -> None:
    """Write cases and jobs."""
    match arguments:
        case [cases, jobs]:
            made: list[Any] = draft_cases()
            write_json(cases, made)
            write_json(jobs, [draft_job(each) for each in made])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
