"""
How many blocks one request of vLLM's takes, page by page: when it decodes, and at its worst moment.

vLLM's planner charges every request with its worst moment, a whole prefill in flight behind each window,
and prints how often that fits. Its scheduler admits a request against the blocks that are free then, and
takes back what a window has passed, so that requests which decode hold less.
"""

from dataclasses import dataclass

from kvplan.engines.vllm.options import StateMode
from kvplan.engines.vllm.pages import PageSpec
from kvplan.units import ceil_div


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """
    What a request takes beside its own context; sources as of vLLM 0.33.

    `in_flight_tokens` may be scheduled before a window drops the tokens that it has passed, and
    `decode_tokens` while a request decodes: its next, one before it where batches are scheduled ahead,
    and the speculative ones of both;
    `encoder_tokens` is max_num_encoder_input_tokens, which config/scheduler.py sets to
    max_num_batched_tokens; `states` is mamba_cache_mode.
    """

    in_flight_tokens: int
    decode_tokens: int
    encoder_tokens: int
    dcp: int
    states: StateMode
    speculative_tokens: int

    def held(self, spec: PageSpec, context: int) -> int:
        """
        Return the most blocks of a request that decodes, of up to *context* tokens.

        A window's tokens and those in flight lie in one block more where they start within one; a
        chunk's stay until the tokens in flight are past it. Sources: remove_skipped_blocks and
        get_num_skipped_tokens in v1/core/single_type_kv_cache_manager.py.
        """
        match spec.paging:
            case "sliding" | "sliding mla" | "chunked":
                # The window of the first token in flight begins with that token: so many lie in a row.
                tokens = (spec.window or 0) - 1 + self.decode_tokens
                return min(ceil_div(context, spec.block_size), ceil_div(tokens - 1, spec.block_size) + 1)
            case "state":
                return (2 if self.states == "align" else 1) + self.speculative_tokens
            case _:
                return self.blocks(spec, context)

    def peak(self, spec: PageSpec, context: int) -> int:
        """Return the most blocks that a request of *context* tokens ever has, while it is prefilled too."""
        return max(self.held(spec, context), self.blocks(spec, context))

    def blocks(self, spec: PageSpec, context: int) -> int:
        """Return the blocks that vLLM's planner charges (v1/kv_cache_interface.py)."""
        match spec.paging:
            case "full" | "mla":
                return ceil_div(ceil_div(context, self.dcp), spec.block_size)
            case "sliding" | "sliding mla":
                # One more, because a window rarely starts where a block does.
                return ceil_div(self.window_tokens(spec, context), spec.block_size) + 1
            case "chunked":
                return ceil_div(self.window_tokens(spec, context), spec.block_size)
            case "cross":
                return ceil_div(self.encoder_tokens, spec.block_size)
            case "state":
                pages = 2 + spec.checkpoints if self.states == "align" else 1
                return pages + self.speculative_tokens

    def window_tokens(self, spec: PageSpec, context: int) -> int:
        """Return the tokens held at once: what the window still sees and what is in flight."""
        window = spec.window or 0
        seen = window - 1 if spec.windowed else window
        return min(seen + self.in_flight_tokens, context)
