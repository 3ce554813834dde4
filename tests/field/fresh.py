"""
The out-of-sample word on whole plans: start-ups that were written down before kvplan was asked for them.

No rule and no constant of kvplan was changed to fit one of them; what a row showed to be wrong was mended
where an engine's own source says otherwise.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

import kvplan
from kvplan.units import GIB
from tests.field.field_records import Record, read_records
from tests.field.figures import sizes
from tests.field.newer import asked_of, planned
from tests.field.printed import Printed
from tests.field.sglang_starts import Started, started
from tests.field.vllm_figures import STEP, least_of

FOLDER = Path(__file__).parent


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """Return the start-ups of vLLM whose options are known."""
    return tuple(yaml.safe_load((FOLDER / "fresh.yaml").read_text(encoding="utf-8")))


@cache
def fresh() -> tuple[Printed, ...]:
    """Return a plan for each start-up of vLLM whose options are known."""
    return tuple(map(planned, rows()))


def pools() -> tuple[Record, ...]:
    """Return the start-ups that are held to what their engine made of the memory that it printed."""
    return read_records(FOLDER / "fresh_pools.yaml")


def fresh_sglang() -> tuple[Started, ...]:
    """Return a plan for each start-up of SGLang."""
    return started(FOLDER / "fresh_sglang.yaml")


@cache
def graphs() -> tuple[dict[str, Any], ...]:
    """Return the start-ups of llama.cpp that printed the buffer of their graph."""
    return tuple(yaml.safe_load((FOLDER / "fresh_graphs.yaml").read_text(encoding="utf-8")))


@cache
def apart() -> tuple[dict[str, str], ...]:
    """Return the start-ups for which nothing can be planned, each with what is missing."""
    return tuple(yaml.safe_load((FOLDER / "fresh_apart.yaml").read_text(encoding="utf-8")))


def tokens_of(row: dict[str, Any]) -> int | None:
    """Return the tokens of the least memory that rounds to the printed one and holds the printed tokens."""
    unsized = {
        name: value for name, value in asked_of(row).items() if name not in {"utilization", "weight_dtype"}
    }

    def tokens(memory: int) -> int | None:
        return kvplan.fit(**unsized, kv_memory=memory, advice=False).kv_tokens

    least = least_of(*sizes(row["kv_gib"], STEP, GIB), lambda memory: (tokens(memory) or 0) >= row["tokens"])
    return tokens(least)
