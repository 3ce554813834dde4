"""Catalogue models as TensorRT-LLM arranges them."""

from typing import Any

from kvplan.engines.arrangement import Arrangement
from kvplan.engines.base import EngineOptions
from kvplan.engines.trtllm.engine import PooledCache, trtllm
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.size import as_spec


def arranged(model: str, *, kv_dtype: str | None = None, pp: int = 1, **options: Any) -> Arrangement:
    """Return the arrangement of a catalogue model; *options* are those of EngineOptions."""
    stages = deploy(as_spec(model), Choice(kv_dtype=kv_dtype, pp=pp)).stages
    return trtllm(None).arrange(stages, EngineOptions(**options))


def blocks_of(model: str, **options: Any) -> PooledCache:
    """Return the arrangement of a model that caches something."""
    arrangement = arranged(model, **options)
    assert isinstance(arrangement, PooledCache)
    return arrangement


def lines_of(blocks: PooledCache, *, context: int, batch: int = 1) -> dict[str, int]:
    """Return the lines of rank 0 by name."""
    return {line.name: line.size_bytes for line in blocks.lines(rank=0, load=uniform(context, batch))}
