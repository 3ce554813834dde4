"""The order of a model's layers: patterns of their types, each repeated."""

from functools import lru_cache
from typing import Annotated

from pydantic import Field

from kvplan.attention.base import Count, Facts

MAX_LAYERS = 10_000


class LayerRun(Facts):
    """A pattern of layer types, repeated: `{repeat: 10, pattern: [local, local, global]}`."""

    repeat: Count
    pattern: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]


@lru_cache(maxsize=512)
def unrolled(runs: tuple[LayerRun, ...]) -> tuple[str, ...]:
    """Return the name of each layer's type; kept, as every plan asks again."""
    return tuple(name for run in runs for name in run.pattern * run.repeat)
