"""The order of a model's layers: patterns of their types, each repeated."""

from collections.abc import Iterator, Sequence
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


def runs_of(layer_types: Sequence[str]) -> tuple[LayerRun, ...]:
    """Return layers as runs, each of the pattern that makes up most of what is left."""
    types, found = tuple(layer_types), []
    while types:
        pattern, repeat = max(_repeats(types), key=lambda run: (len(run[0]) * run[1], -len(run[0])))
        found.append(LayerRun(repeat=repeat, pattern=pattern))
        types = types[repeat * len(pattern) :]
    return tuple(found)


def _repeats(types: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield each pattern that repeats where *types* begin, and how often; one layer alone if none does."""
    yield types[:1], 1
    for length in range(1, len(types) // 2 + 1):
        pattern, repeat = types[:length], 1
        while types[repeat * length : (repeat + 1) * length] == pattern:
            repeat += 1
        if repeat > 1:
            yield pattern, repeat
