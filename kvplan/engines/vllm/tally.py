"""Unequal requests in vLLM's pool: their blocks add up, beside those of one that is prefilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from kvplan.engines.tally import Bound, Claim
from kvplan.engines.vllm.layout import Layout
from kvplan.units import largest_of, maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTally:
    """Requests of up to `longest` tokens by the blocks with which they decode."""

    layout: Layout
    longest: int
    claim: Claim = "now"

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

    def room(self, pools: Sequence[int], *, sequences: int, longest_of: int) -> tuple[Bound, ...]:
        """
        Return the blocks beside the null block and those of one request at its worst moment.

        That is admitted against the watermark, too, unless it is alone. vLLM starts with room for one of the
        longest at all.
        """
        layout = self.layout
        if not layout.groups:
            return (Bound(0),)
        blocks = min(pool // size for pool, size in zip(pools, layout.bytes_per_block, strict=True))
        if layout.blocks_per_request(self.longest) >= blocks:
            return (Bound(-1),)
        kept_free = int(layout.options.watermark * blocks) if sequences > 1 else 0
        admitted = layout.admitted_blocks(longest_of) + kept_free
        beside = maximum(layout.peak_blocks(longest_of), admitted) - layout.held_blocks(longest_of)
        return (Bound(blocks - 1 - largest_of(beside)),)
