"""Whole plans of SGLang against start-ups that printed their budget; nothing of a log is a hint."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import kvplan
from kvplan.engines.sglang.engine import TokenPools
from kvplan.units import GIB
from tests.field.printed import Printed

FILE = Path(__file__).parent / "sglang.yaml"
_OURS = ("id", "source", "release", "open", "free_gib", "weights_gib", "kv_gib", "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Printed):
    """
    A start-up of SGLang, and the tokens of its pools.

    `pool_tokens` are those that kvplan makes of the printed memory, and `tokens` those of the log, if it has
    them. `open` is what the log does not tell of its budget.
    """

    tokens: int | None
    pool_tokens: int
    open: str | None = None

    @property
    def tokens_error(self) -> float:
        """How far the pool's tokens are off, as a share of those of the log; 0 where it has none."""
        return 0.0 if self.tokens is None else self.pool_tokens / self.tokens - 1


@cache
def started(file: Path = FILE) -> tuple[Started, ...]:
    """Return a plan for each start-up of *file*."""
    return tuple(_planned(row) for row in yaml.safe_load(file.read_text(encoding="utf-8")))


def _planned(row: dict[str, Any]) -> Started:
    asked = {name: value for name, value in row.items() if name not in _OURS}
    answer = kvplan.fit(**asked, engine="sglang", advice=False)
    low, high = answer.kv_range or (answer.memory.kv_bytes,) * 2
    arrangement = answer.deployment.arrangement
    assert isinstance(arrangement, TokenPools)
    printed = int(Decimal(row["kv_gib"]) * GIB)
    pools = arrangement.pools([printed], row["context"])
    assert pools is not None
    return Started(
        id=row["id"],
        printed_bytes=printed,
        planned_bytes=answer.memory.kv_bytes,
        low_bytes=low,
        high_bytes=high,
        tokens=row.get("tokens"),
        pool_tokens=pools.tokens,
        open=row.get("open"),
    )
