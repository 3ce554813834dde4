"""What a user chooses when vLLM starts, as far as it concerns the cache."""

from dataclasses import field
from typing import Literal

from kvplan.dtypes import Dtype
from kvplan.engines.vllm.backends import HOPPER
from kvplan.engines.vllm.drafts import Draft, Known
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.skipping import Skipped
from kvplan.engines.vllm.versions import VllmRules
from kvplan.engines.vllm.windows import Windows
from kvplan.records import record

StateMode = Literal["none", "align"]


@record
class VllmOptions:
    """
    vLLM's own options, by its own names where it has one.

    What is None is vLLM's choice: `block_size` and `kernel_block` (the attention kernel's smallest)
    that of its usual backends on a card whose compute capability begins with `major` (None: it is not
    known), `prefix_caching` the release's default, `state_mode` what follows from it; models that
    `may_keep_every_state` do so in some releases, and the layers of a `hybrid_class` may be states alone.
    `conv_dtype` and `state_dtype` are vLLM's mamba_cache_dtype and mamba_ssm_cache_dtype; None keeps the
    spec's. A backend that exports states inside a prefill sets `checkpoint_blocks` to 1, and FlashInfer's
    Gated DeltaNet `checkpoint_alignment` to 64 tokens (prefills.py).
    `speculative_tokens` are num_speculative_tokens: states are kept for each, while the layers that
    draft them are the `draft`. `blocks` is num_gpu_blocks_override, `watermark` the share of blocks that
    stay free when a request is admitted beside others, and `max_num_seqs` None where the card decides it.
    At most `admitted` requests are let run at once, where that is said apart. A prompt is let in when its
    first chunk has room if it `admits_chunks`, whatever the release does by default.
    `eager` says that no whole CUDA graph is captured, by enforce_eager or cudagraph_mode.
    The model's class makes `windows` of those that its spec has.
    Requests come with `prompt` tokens; None if that is not known. Where the card's kernels are not known,
    `any_block` that is asked for is taken.
    """

    block_size: int | None = None
    kernel_block: int | None = None
    any_block: bool = False
    attention_backend: str | None = None
    major: int | None = HOPPER
    max_num_batched_tokens: int = 8192
    dcp: int = 1
    pcp: int = 1
    async_scheduling: bool = True
    v2_runner: bool = True
    hybrid_manager: bool = True
    prefix_caching: bool | None = None
    state_mode: StateMode | None = None
    hybrid_class: bool = False
    may_keep_every_state: bool = False
    checkpoint_alignment: int = 1
    checkpoint_blocks: int | None = None
    conv_dtype: Dtype | None = None
    state_dtype: Dtype | None = None
    speculative_tokens: int = 0
    draft: Draft | Known | None = None
    skipped: Skipped | None = None
    windows: Windows = field(default_factory=Windows)
    blocks: int | None = None
    watermark: float = 0.0
    max_num_seqs: int | None = None
    admitted: int | None = None
    admits_chunks: bool = False
    eager: bool = False
    prompt: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts below 1."""
        counts = {
            "block_size": self.block_size,
            "kernel_block": self.kernel_block,
            "max_num_batched_tokens": self.max_num_batched_tokens,
            "dcp": self.dcp,
            "prefill_context_parallel_size": self.pcp,
            "checkpoint_alignment": self.checkpoint_alignment,
            "num_gpu_blocks_override": self.blocks,
            "max_num_seqs": self.max_num_seqs,
            "max_num_active_seqs": self.admitted,
        }
        for name, count in counts.items():
            if count is not None and count < 1:
                raise RefusedError(f"{name}={count} is not at least 1")
        if not 0 <= self.watermark < 1:
            raise RefusedError(f"watermark={self.watermark} is not from 0 to less than 1")

    def states(self, rules: VllmRules, *, hybrid: bool) -> StateMode:
        """
        Return how states are kept; raise RefusedError where the release keeps one for each block.

        Classes without attention have no prefix caching unless asked for (config/model.py,
        is_prefix_caching_supported); *hybrid* models, and those of a class that is one, by the release's
        default.
        """
        if self.state_mode is not None:
            return self.state_mode
        default = rules.caching_by_default and (hybrid or self.hybrid_class)
        caching = default if self.prefix_caching is None else self.prefix_caching
        if not caching:
            return "none"
        if rules.keeps_every_state and self.may_keep_every_state:
            raise RefusedError(
                f"with prefix caching {rules.name} keeps a state for each block of this model, which kvplan "
                "does not know: turn prefix caching off, or choose the setting mamba_cache_mode"
            )
        return rules.cached_state_mode

    @property
    def lookahead_tokens(self) -> int:
        """Tokens that a draft with layers of its own writes behind the model's (num_lookahead_tokens)."""
        if self.draft is None:
            return 0
        return self.speculative_tokens + (isinstance(self.draft, Known) and self.draft.fills)

    def decode_tokens(self, rules: VllmRules, pp: int) -> int:
        """
        Return the tokens of a request that decodes whose blocks are there and whose windows have not moved.

        Each step schedules a token and the speculative ones; with asynchronous scheduling one step of a
        request is scheduled while another runs (v1/core/sched/async_scheduler.py), and with the older
        runner one in each pipeline stage. Releases that let go of what still runs keep only a state for
        drafts that may be rejected (MambaManager.remove_skipped_blocks up to 0.24).
        """
        step = 1 + self.speculative_tokens
        if rules.in_flight == "one batch":
            return step + self.speculative_tokens
        if not self.async_scheduling:
            return step
        return step * (2 if self.v2_runner else self.batches(rules, pp))

    def batches(self, rules: VllmRules, pp: int) -> int:
        """
        Return the batches over *pp* pipeline ranks that may run before what windows have passed is let go.

        Source: max_concurrent_batches in config/vllm.py; up to 0.24 blocks are let go by what is scheduled.
        """
        if rules.in_flight == "one batch":
            return 1
        if self.async_scheduling and self.v2_runner:
            return pp + 1
        return 2 if self.async_scheduling and pp == 1 else pp

    def in_flight_tokens(self, rules: VllmRules, pp: int) -> int:
        """
        Return the tokens that may be scheduled and not yet settled, over *pp* pipeline ranks.

        Source: max_in_flight_tokens in config/vllm.py.
        """
        return self.batches(rules, pp) * self.max_num_batched_tokens
