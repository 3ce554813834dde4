"""A prefix cache that drops what was used longest ago, one block after the other: it judges the replay."""

from collections import OrderedDict
from collections.abc import Sequence


def one_by_one(
    hashes: Sequence[Sequence[int]], prompts: Sequence[int], capacity: int, block: int
) -> tuple[int, int]:
    """Return the hits of a cache that is looked into, filled from a prompt's end on, and emptied."""
    cache: OrderedDict[int, None] = OrderedDict()
    blocks = tokens = 0
    for path, prompt in zip(hashes, prompts, strict=True):
        found = next((place for place, name in enumerate(path) if name not in cache), len(path))
        blocks, tokens = blocks + found, tokens + min(prompt, found * block)
        for name in reversed(path):
            cache[name] = None
            cache.move_to_end(name)
        while len(cache) > capacity:
            cache.popitem(last=False)
    return blocks, tokens
