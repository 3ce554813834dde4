"""Unequal sequences in llama.cpp's unified cache: they share its cells, however long each is."""

from bisect import bisect_right
from collections.abc import Sequence

from kvplan.engines.llamacpp.caches import Arranged
from kvplan.engines.tally import Arrival, Bound, Claim
from kvplan.records import record
from kvplan.units import MAX_COUNT


@record
class UnifiedTally:
    """Sequences by their tokens, in a cache whose n_ctx is the tokens of all of them."""

    arranged: Arranged
    claim: Claim = "now"

    def amounts(self, context: int) -> tuple[int, ...]:
        """Return the tokens of a sequence."""
        return (context,)

    def shared(self, prefix: int) -> tuple[int, ...] | None:
        """Return None: a slot has cells of its own for every token."""

    def arrival(self, prompt: int) -> Arrival:  # noqa: ARG002 - of any
        """Return no steps: the cells of a batch are there from the start."""
        return Arrival(0, (0,))

    def room(self, pools: Sequence[int], *, sequences: int, arriving: int) -> tuple[Bound, ...]:  # noqa: ARG002 - as above
        """Return the tokens for which *pools* hold a cache with a slot for each sequence."""
        return (Bound(min(self._most(rank, pool, sequences) for rank, pool in enumerate(pools))),)

    def _most(self, rank: int, pool: int, sequences: int) -> int:
        """Return the most tokens of so many sequences in a device's pool; fewer than one each if none."""

        def reserved(tokens: int) -> int:
            load = ((1, sequences - 1), (tokens - sequences + 1, 1))
            return self.arranged.reserved_bytes(rank=rank, load=load)

        asked = range(sequences, MAX_COUNT)
        return sequences - 1 + bisect_right(asked, pool, key=reserved)
