"""Unequal requests in SGLang's pools: their tokens, and those in windows, add up apart."""

from bisect import bisect_right
from collections.abc import Sequence

from kvplan.engines.sglang.pools import Demand, Sizing
from kvplan.engines.tally import Arrival, Bound, Claim
from kvplan.records import record
from kvplan.units import MAX_COUNT, minimum

_NONE = (Bound(-1), Bound(-1))


@record
class TokenTally:
    """Requests by their tokens in whole pages, and by those of them that lie in a window at worst."""

    sizing: Sizing
    claim: Claim = "now"

    def amounts(self, context: int) -> tuple[int, ...]:
        """Return the tokens of a request in the pool of tokens, and in that of windows."""
        sizing = self.sizing
        paged = sizing.paged(context)
        if sizing.cells.window is None:
            return (paged,)
        return paged, minimum(paged, sizing.most_of_a_window(sizing.cells.window))

    def shared(self, prefix: int) -> tuple[int, ...] | None:
        """Return the whole pages of a prefix in the radix cache, if there is one: windows share none."""
        if not self.sizing.options.radix_cache:
            return None
        tokens = prefix // self.sizing.page * self.sizing.page
        return (tokens,) if self.sizing.cells.window is None else (tokens, 0)

    def arrival(self, prompt: int) -> Arrival:  # noqa: ARG002 - of any
        """Return no steps: the chunks in flight have room of their own."""
        return Arrival(0, (0,))

    def room(self, pools: Sequence[int], *, sequences: int, arriving: int) -> tuple[Bound, ...]:  # noqa: ARG002 - as above
        """Return the tokens beside which the states of so many requests have room, and those of windows."""
        tokens = bisect_right(range(1, MAX_COUNT), min(pools), key=lambda each: self._least(each, sequences))
        window = self.sizing.cells.window
        if window is None:
            return (Bound(tokens),) if self._least(0, sequences) <= min(pools) else _NONE[:1]
        if self.sizing.window_cap is not None:
            return Bound(tokens), Bound(MAX_COUNT)
        in_windows = self.sizing.window_room(tokens)
        if in_windows < window + self.sizing.page + 1:
            return _NONE
        return Bound(tokens), Bound(in_windows - self.sizing.chunk_tokens, unless=in_windows)

    def _least(self, tokens: int, sequences: int) -> int:
        """Return the memory that holds so many tokens beside the states of so many requests."""
        sizing = self.sizing
        logical = tokens if sizing.cells.has_tokens else 0
        slots = sequences * sizing.slots_per_request
        return sizing.least_bytes(Demand(logical_tokens=tokens, tokens=logical, window_tokens=0, slots=slots))
