"""Unequal requests in vLLM's pool: their blocks add up, beside those of one that is prefilled."""

from collections.abc import Sequence
from math import lcm

from kvplan.engines.tally import Arrival, Bound, Claim
from kvplan.engines.vllm.layout import Layout
from kvplan.records import record
from kvplan.units import largest_of


@record
class BlockTally:
    """
    Requests by the blocks with which they decode.

    vLLM starts with room for `least` blocks. Beyond those with which it decodes, one of the requests has
    `in_flight` blocks at its worst moment, and must find `admitted` free when it comes.
    """

    layout: Layout
    least: int
    in_flight: int
    admitted: int
    claim: Claim = "now"

    @classmethod
    def of(cls, layout: Layout, lengths: int) -> "BlockTally":
        """Return the tally of requests that grow to *lengths*, an int or an int64 array."""
        held = layout.held_blocks(lengths)
        return cls(
            layout=layout,
            least=1 + layout.blocks_per_request(largest_of(lengths)),
            in_flight=largest_of(layout.peak_blocks(lengths) - held),
            admitted=largest_of(layout.admitted_blocks(lengths) - held),
        )

    def amounts(self, context: int) -> tuple[int, ...]:
        """Return the blocks of a request that has *context* tokens."""
        return (self.layout.held_blocks(context),)

    def shared(self, prefix: int) -> tuple[int, ...] | None:
        """
        Return the blocks of a prefix that requests share; None without prefix caching.

        A hit ends where blocks of all groups do (resolve_cache_hit_alignment_tokens in
        v1/core/kv_cache_utils.py). Windows soon leave a prefix behind, and states are a request's own.
        """
        if self.layout.options.prefix_caching is False or (
            self.layout.has_states and self.layout.charge.states != "align"
        ):
            return None
        dcp = self.layout.charge.dcp
        sizes = [spec.block_size * dcp for spec, _ in self.layout.kinds if spec.block_size]
        hit = prefix // lcm(*sizes) * lcm(*sizes)
        kept = [(spec, count) for spec, count in self.layout.kinds if spec.paging in ("full", "mla")]
        return (sum(count * (hit // (spec.block_size * dcp)) for spec, count in kept),)

    def arrival(self, prompt: int) -> Arrival:
        """
        Return the blocks of a request in its prefill, and for how many steps it has them.

        It takes a step for each chunk, and keeps what windows and states have passed until the batches behind
        it are settled.
        """
        charge, layout = self.layout.charge, self.layout
        chunks = charge.chunks(prompt)
        blocks = sum(
            count * charge.arriving(spec, prompt)
            if spec.paging == "state"
            else count * charge.peak(spec, prompt + 1)
            for spec, count in layout.kinds
        )
        return Arrival(chunks + charge.batches - 1, (blocks,))

    def room(self, pools: Sequence[int], *, sequences: int, arriving: int) -> tuple[Bound, ...]:
        """
        Return the blocks beside the null block and the watermark: all requests but the first heed it.

        What a request that arrives needs beyond the blocks with which it decodes is not among them.
        """
        if not self.layout.groups:
            return (Bound(0),)
        sizes = self.layout.bytes_per_block
        blocks = min(pool // size for pool, size in zip(pools, sizes, strict=True))
        if self.least > blocks:
            return (Bound(-1),)
        kept_free = int(self.layout.options.watermark * blocks) if sequences > 1 else 0
        beyond = max(self.in_flight, self.admitted + kept_free) if arriving else kept_free
        return (Bound(blocks - 1 - beyond),)
