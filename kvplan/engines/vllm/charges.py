"""
How many blocks one request of vLLM's takes, page by page: when it decodes, and at its worst moment.

vLLM's planner charges every request with its worst moment, a whole prefill in flight behind each window,
and prints how often that fits. Its scheduler admits a request against the blocks that are free then, and
takes back what a window has passed, so that requests which decode hold less.
"""

from kvplan.engines.vllm.options import StateMode
from kvplan.engines.vllm.pages import PageSpec
from kvplan.engines.vllm.versions import Admission
from kvplan.records import record
from kvplan.units import ceil_div, maximum, minimum


@record
class Charge:
    """
    What a request takes beside its own context; sources as of vLLM 0.33.

    `batched_tokens` are computed in a step, and `in_flight_tokens` may be scheduled before a window drops
    the tokens that it has passed, in so many `batches`. While a request decodes these are `decode_tokens`:
    its next, one before it where batches are scheduled ahead, and the speculative ones of both. Behind them
    drafts write `lookahead_tokens`. `encoder_tokens` is max_num_encoder_input_tokens, which
    config/scheduler.py sets to max_num_batched_tokens; `states` is mamba_cache_mode: one is kept at the end
    of every `state_block`, and a prefill can export one at multiples of `checkpoint_alignment`. `admission`
    says what of a prompt must find room before a request runs.
    """

    batched_tokens: int
    in_flight_tokens: int
    batches: int
    decode_tokens: int
    lookahead_tokens: int
    encoder_tokens: int
    dcp: int
    states: StateMode
    state_block: int
    checkpoint_alignment: int
    admission: Admission
    speculative_tokens: int

    def held(self, spec: PageSpec, context: int) -> int:
        """
        Return the blocks of a request that decodes and has *context* tokens.

        Of windows it is the most at any length up to it: a window's tokens and those in flight lie in one
        block more where they start within one; a chunk's stay until the tokens in flight are past it.
        Sources: remove_skipped_blocks and get_num_skipped_tokens in v1/core/single_type_kv_cache_manager.py.
        """
        match spec.paging:
            case "sliding" | "sliding mla" | "chunked":
                # The window of the first token in flight begins with that token: so many lie in a row.
                tokens = (spec.window or 0) - 1 + self.decode_tokens + self.lookahead_tokens
                return minimum(ceil_div(context, spec.block_size), ceil_div(tokens - 1, spec.block_size) + 1)
            case "state":
                return 1 + self.hands_on(context) + self.speculative_tokens
            case _:
                return self.blocks(spec, context)

    def hands_on(self, context: int) -> bool:
        """
        Return whether a state is handed on to the next block: both are held until the last token is settled.

        So it is for the few tokens in flight behind the end of each block, and no longer.
        """
        fed = context - 2  # The last token is not fed back, and positions count from 0.
        return self.states == "align" and fed % self.state_block < minimum(self.decode_tokens, fed)

    def peak(self, spec: PageSpec, context: int) -> int:
        """Return the most blocks that a request of *context* tokens ever has, while it is prefilled too."""
        most = self.held(spec, context)
        match spec.paging:
            case "sliding" | "sliding mla" | "chunked":
                tokens = self.window_tokens(spec, context) + self.lookahead_tokens
                spread = ceil_div(tokens - 1, spec.block_size) + 1
                whole = ceil_div(context, spec.block_size)
                return maximum(most, whole if self.admission == "whole prompt" else minimum(whole, spread))
            case "state" if self.states == "align":
                kept = minimum(self._states(spec, context), ceil_div(context, self.state_block))
                return maximum(most, kept + self.speculative_tokens)
            case _:
                return most

    def _states(self, spec: PageSpec, context: int) -> int:
        """
        Return the most states of a request whose prompt is below *context*, one for each block of tokens.

        They are of each batch in flight and the one before them, and what the last chunk exports. A short
        prompt has no more chunks: they end at multiples of the blocks that a batch computes, at the last
        block of the prompt (or not, where a state is exported), and at its end; tokens that are decoded
        behind it may begin a block, beside an exported state only while the last chunk still runs.
        """
        block, running = self.state_block, 1 + self.batches
        in_batch = self.batched_tokens // block * block
        if not in_batch:
            return running + spec.checkpoints
        prompt, begun = context - 1, ceil_div(self.decode_tokens, block)
        plain = ceil_div((prompt - 1) // block * block, in_batch) + 1
        most = minimum(running, plain + begun)
        if not spec.checkpoints:
            return most
        exporting = ceil_div(maximum(0, prompt - self.batched_tokens), in_batch) + 1
        beside = exporting + (begun if self.batches > 1 else 0)
        return maximum(most, spec.checkpoints + minimum(running, beside))

    def chunks(self, prompt: int) -> int:
        """
        Return the chunks of a prompt of known length.

        Where states are kept at the ends of blocks, what is behind the last of them is a chunk of its own
        (_mamba_block_aligned_split in v1/core/sched/scheduler.py).
        """
        whole = ceil_div(prompt, self.batched_tokens)
        if self.states != "align":
            return whole
        return whole + ((prompt > self.state_block) & (prompt % self.state_block > 0))

    def arriving(self, spec: PageSpec, prompt: int) -> int:
        """Return the most states of a request that is prefilled, of a prompt of known length."""
        if self.states != "align":
            return 1 + self.speculative_tokens
        begun = ceil_div(prompt + self.decode_tokens, self.state_block) - ceil_div(prompt, self.state_block)
        kept = minimum(self.chunks(prompt) + begun, 1 + self.batches)
        return spec.checkpoints + kept + self.speculative_tokens

    def admitted(self, spec: PageSpec, context: int) -> int:
        """
        Return the most blocks that must be free before a request of *context* tokens runs.

        Of states these are its first one and what its first chunk exports, if that is longer than a block.
        """
        if spec.paging == "state" and self.states == "align":
            exports = spec.checkpoints > 0 and context - 1 > self.state_block
            return 1 + exports + self.speculative_tokens
        return self.peak(spec, context)

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
        return minimum(seen + self.in_flight_tokens, context)
