"""The share of a card that SGLang takes for weights and caches unless it is told: mem_fraction_static."""

from fractions import Fraction
from typing import Literal

from kvplan.records import record
from kvplan.units import GIB, MIB, ceil_div

PrefillGraphs = Literal["attention", "latent", "none"]


@record
class Scale:
    """What SGLang takes on a card below `below_bytes`: tokens of prefill, and requests in graphs by tp."""

    below_bytes: int
    chunked_prefill_size: int
    few_ranks: int
    many_ranks: int


# handle_gpu_memory_settings in arg_groups/memory_hook.py of SGLang 0.5.23; many ranks are 4 and more.
_SCALES = (
    Scale(below_bytes=20 * GIB, chunked_prefill_size=2048, few_ranks=8, many_ranks=8),
    Scale(below_bytes=35 * GIB, chunked_prefill_size=4096, few_ranks=48, many_ranks=160),
    Scale(below_bytes=60 * GIB, chunked_prefill_size=4096, few_ranks=32, many_ranks=160),
    Scale(below_bytes=160 * GIB, chunked_prefill_size=8192, few_ranks=256, many_ranks=512),
)
_LARGEST = Scale(below_bytes=0, chunked_prefill_size=16384, few_ranks=512, many_ranks=512)
_MANY_REQUESTS = 300
_MANY_RANKS = 4
_MOST_GROWN = 512

_Sizes = tuple[tuple[int, int | None, int], ...]
"""The sizes of graphs: first, last and step, None for as far as they go."""

# generate_prefill_cuda_graph_batch_sizes in arg_groups/cuda_graph_hook.py, in tokens, and
# generate_decode_cuda_graph_batch_sizes there, in requests.
_PREFILL_GRAPHS: _Sizes = (
    *((4, 32, 4), (48, 256, 16), (288, 512, 32), (576, 1024, 64), (1280, 4096, 256)),
    (4608, None, 512),
)
_DECODE_GRAPHS: _Sizes = ((1, 2, 1), (4, 12, 4), (16, 256, 8), (272, 511, 16), (512, None, 32))

_LEAST_PREFILL = 2048
MAX_PREFILL_TOKENS = 16_384
"""Those of a prefill that is not cut into chunks (arg_groups/fields/schedule.py)."""
_LATENT_PREFILL_MIB, _LATENT_MOST_TOKENS = 1536, 8192
# What sends tokens to experts, beside what is kept back, and what graphs of prefill make of it
# (reserve_for_deepep_a2a_mb and reserve_for_graph_mb in memory_hook.py); the longest prefill in a graph then.
_DEEPEP_MIB, _DEEPEP_PREFILL_MIB = 2048, 1024
_DEEPEP_MOST_TOKENS = 2048
_FLOOR_FROM_BYTES = 60 * GIB
_FLOOR_MIB = 10 * 1024


def scale_of(gpu_bytes: int) -> Scale:
    """Return what SGLang takes on a card of this size."""
    return next((scale for scale in _SCALES if gpu_bytes < scale.below_bytes), _LARGEST)


@record
class KeptBack:
    """
    What decides how much SGLang keeps back for activations and graphs, of a text model on CUDA.

    It is so with or without speculation, on `tp` ranks in all, of which `groups` attend each for sequences
    of their own. `graphs` says which graphs of prefill are captured: those of latent attention take more,
    and Kimi Delta Attention and most multimodal models have none; `decodes` whether those of decoding are.
    `most_decoding` and `longest_prefill` are the largest of both as asked for, `prefills` all of the latter,
    where they are listed; graphs of decoding that `grows` marks are for up to 512 `max_running_requests`,
    those of all groups, and those of prefill for no more than `max_total_tokens`. Unless prefill is
    `chunked`, `max_prefill_tokens` stand for the chunk. `deepep` sends tokens to experts. Source:
    handle_gpu_memory_settings and reserve_for_graph_mb in arg_groups/memory_hook.py of SGLang 0.5.23.
    """

    tp: int
    pp: int = 1
    graphs: PrefillGraphs = "attention"
    decodes: bool = True
    chunked: bool = True
    chunked_prefill_size: int | None = None
    max_prefill_tokens: int = MAX_PREFILL_TOKENS
    max_total_tokens: int | None = None
    max_running_requests: int | None = None
    grows: bool = False
    most_decoding: int | None = None
    longest_prefill: int | None = None
    prefills: tuple[int, ...] | None = None
    groups: int = 1
    deepep: bool = False

    def share(self, gpu_bytes: int) -> str:
        """
        Return the share, three decimals as text, that SGLang takes of a card with *gpu_bytes*.

        The card counts as nvidia-smi prints it, a little more than torch has. A share at or below 0 says that
        SGLang would not start.
        """
        gpu_mib = Fraction(gpu_bytes, MIB)
        return f"{float(round((gpu_mib - self.mib(gpu_bytes)) / gpu_mib, 3)):.3f}"

    def mib(self, gpu_bytes: int) -> Fraction:
        """Return the MiB that SGLang keeps back of a card."""
        tokens = self._chunk(gpu_bytes) if self.chunked else self.max_prefill_tokens
        requests = self._requests(gpu_bytes)
        kept = 512 + Fraction(3, 2) * max(tokens, _LEAST_PREFILL) + Fraction(self.tp * self.pp * 1024, 8)
        kept += 2 * requests if self.decodes else 0
        if self.groups > 1:  # reserve_for_graph_mb: attention data parallelism pads some operations.
            kept += requests * self.groups * (3 + (Fraction(3, 2) if requests > _MANY_REQUESTS else 0))
        kept += self._prefill_mib(gpu_bytes)
        kept = max(kept, Fraction(_FLOOR_MIB)) if gpu_bytes > _FLOOR_FROM_BYTES else kept
        return kept + (_DEEPEP_MIB if self.deepep and self.decodes else 0)

    def prefilled_tokens(self, gpu_bytes: int) -> int:
        """
        Return the tokens that a rank prefills at once.

        Groups that attend for sequences of their own share a chunk out, once the share of the card is chosen:
        handle_data_parallelism in arg_groups/parallel_hook.py.
        """
        return self._chunk(gpu_bytes) // self.groups if self.chunked else self.max_prefill_tokens

    def decoded(self, gpu_bytes: int) -> int:
        """Return the requests in the largest graph of decoding: no more than run, and 0 without graphs."""
        if not self.decodes:
            return 0
        most = self._requests(gpu_bytes)
        return min(most, max(1, (self.max_running_requests or most * self.groups) // self.groups))

    def captured(self, gpu_bytes: int) -> tuple[int, ...]:
        """Return the lengths of prefill that are captured, no longer than a rank's chunk unless asked for."""
        if not self._has_prefills:
            return ()
        lengths, most = self._lengths(gpu_bytes), self.prefilled_tokens(gpu_bytes)
        asked = self.prefills is not None or self.longest_prefill is not None
        if self.groups == 1 or asked or not self.chunked or max(lengths, default=0) <= most:
            return lengths
        return tuple(sorted(_up_to(_PREFILL_GRAPHS, most)))

    def _chunk(self, gpu_bytes: int) -> int:
        return self.chunked_prefill_size or scale_of(gpu_bytes).chunked_prefill_size

    def _requests(self, gpu_bytes: int) -> int:
        """Return the requests in the largest graph of decoding, as far as the share is concerned."""
        if self.most_decoding is not None:
            return self.most_decoding
        scale, running = scale_of(gpu_bytes), self.max_running_requests
        requests = scale.few_ranks if self.tp < _MANY_RANKS else scale.many_ranks
        # expand_multimodal_decode_graph_to_running_limit in arg_groups/model_overrides/qwen3_vl.py.
        grown = self.grows and running is not None and running <= _MOST_GROWN
        return running if grown and running is not None else min(requests, running or requests)

    @property
    def _has_prefills(self) -> bool:
        """Whether graphs of prefill are captured: not with stages (apply_cuda_graph_compatibility)."""
        return self.graphs != "none" and self.pp == 1

    def _prefill_mib(self, gpu_bytes: int) -> int:
        """Return what graphs of prefill take: so much for each of attention's, or for all of latents'."""
        if not self._has_prefills:
            return 0
        latent = self.graphs == "latent"
        kept = _LATENT_PREFILL_MIB if latent else 8 * len(self._lengths(gpu_bytes))
        return kept + (_DEEPEP_PREFILL_MIB if self.deepep else 0)

    def _lengths(self, gpu_bytes: int) -> tuple[int, ...]:
        """Return the lengths of prefill that are to be captured; none of whole prompts, whose chunk is -1."""
        if self.prefills is not None:
            return self.prefills
        if self.deepep:
            return tuple(sorted(_deepep_sizes(self.longest_prefill or _DEEPEP_MOST_TOKENS)))
        longest = self.longest_prefill
        if longest is None:
            longest = self._chunk(gpu_bytes) if self.chunked else 0
            longest = min(longest, _LATENT_MOST_TOKENS) if self.graphs == "latent" else longest
            longest = min(longest, self.max_total_tokens or longest)
        return tuple(sorted(_up_to(_PREFILL_GRAPHS, longest)))


def decode_graphs(most_requests: int) -> int:
    """Return how many sizes of decoding are captured up to *most_requests*, which is one of them, or none."""
    return most_requests and len(_up_to(_DECODE_GRAPHS, most_requests) | {most_requests})


def _up_to(sizes: _Sizes, most: int) -> set[int]:
    return {
        size
        for first, last, step in sizes
        for size in range(first, min(most if last is None else last, most) + 1, step)
    }


def _deepep_sizes(most_tokens: int) -> set[int]:
    """Return those with DeepEP, multiples of 8: apply_deepep_adjustments in arg_groups/cuda_graph_hook.py."""
    return {8 * ceil_div(size, 8) for size in _up_to(_PREFILL_GRAPHS, most_tokens)}
