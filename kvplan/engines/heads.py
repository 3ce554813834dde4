"""What engines ask of a model's heads, whose caches alone do not tell it."""

from typing import NamedTuple


class Heads(NamedTuple):
    """
    The heads of a model, as far as its spec tells them.

    `sharing` is the most query heads that share a KV head; `latents` are what latents without a sparse
    indexer are expanded to (d_nope, d_rope, v_head_dim), and `filled` says whether heads are hidden / heads
    wide.
    """

    sharing: int = 1
    latents: frozenset[tuple[int, int, int]] = frozenset()
    filled: bool = True


NO_HEADS = Heads()
"""Those of which nothing is known."""
