"""
The rules of each vLLM release that was read, as values.

Every field was compared in the release's own wheel: 0.11.0, 0.12.0, 0.14.1, 0.17.1, 0.18.0, 0.19.1,
0.20.0, 0.20.1, 0.24.0, 0.26.0, 0.28.0, 0.30.0, 0.32.0 and 0.33.0; 0.20.2 and 0.21.0 have the rules of
0.20.1. Of 0.22.0, 0.22.1, 0.23.0, 0.27.1 and 0.29.0 only what decides a start-up's memory was read
(config/vllm.py, v1/worker and utils/mem_utils.py). A release in between is planned with the nearest
older one.
"""

import re
from dataclasses import replace
from typing import Literal

from kvplan.engines.overheads import (
    DRAWS,
    MOST_BATCHED_TOKENS,
    OLD_OUTSIDE,
    OUTSIDE,
    SELECTS,
    SORTS,
    OutsideTorch,
    Sampler,
)
from kvplan.engines.vllm.runners import (
    ALL,
    ALL_BUT_ON_ROCM,
    DENSE,
    DENSE_AND_V4,
    NAMED,
    NO_MODEL,
    PLAIN,
    PLAIN_QWEN3,
    SecondRunner,
)
from kvplan.errors import UnknownNameError
from kvplan.records import record

Admission = Literal["first chunk", "whole prompt", "capped"]


@record
class VllmRules:
    """
    What one release of vLLM does where releases differ: a `version`, or one `patch` of it and later.

    `utilization`: the default share of the card (config/cache.py). `in_flight`: whether a window's
    reserve counts one batch of tokens or all concurrent ones (v1/kv_cache_interface.py,
    config/vllm.py). `merge_below`: a ratio; bucket sizes closer than it are padded to the larger
    (v1/core/kv_cache_utils.py). `unify`: what makes pages of unequal size equal: nothing, larger
    blocks where they divide, or padding too. `pads_states`: whether a state page is padded then.
    `promotes_beside_mla`: whether windows beside an MLA whose page does not divide become full
    attention. `check`: whether the start-up check adds up layers, or blocks of the first group alone
    as often as a group has layers, or blocks of all groups.
    `null_block_checked`: whether it sets the null block aside first. `size_line`: what "GPU KV
    cache size" means. `state_per_sequence`: whether a model with states is refused where max_num_seqs
    is more than the blocks, as decode graphs are captured with a state for each (vllm-project/vllm
    pull request 38270, after 0.19.0). `caching_by_default`: prefix caching of hybrid models without being
    asked (engine/arg_utils.py). `cached_state_mode`: how states are kept under prefix caching
    (MambaModelConfig in model_executor/models/config.py), and `keeps_every_state`: whether classes that
    support it keep one for each block instead.
    `checkpoints`: state blocks beside the two of mode align, for Mamba-2 (mamba_mixer2.py).
    `speculative_states`: whether a state block per speculative token is known to be kept.
    `align_from_block`: hybrid blocks are multiples of the asked block, not only of the kernel's;
    `align_mla` of at least so many tokens with MLA (platforms/interface.py; up to 0.19
    model_executor/models/config.py); `align_checkpoints` of the checkpoint alignment too.
    `sampler`: what the profile run draws tokens with (v1/sample/sampler.py and
    v1/sample/ops/topk_topp_sampler.py, read in 0.11, 0.12, 0.15, 0.17 and 0.19).
    `outside`: what start-ups printed for memory that is not torch's.
    `counts_graphs`: whether CUDA graphs are set aside before the cache (v1/worker/gpu_worker.py).
    `v2_runner`: which models Model Runner V2 runs (config/vllm.py), and `v2_counts_graphs` whether it
    estimates graphs, too (profile_cudagraph_memory in v1/worker/gpu/model_runner.py), and
    `v2_logit_bytes` what its profile run has beside each logit: a copy in float32 up to 0.24, all that any
    request may ask for since 0.33 (_dummy_sampler_run there, and v1/worker/gpu/sample/sampler.py).
    `raw_pixels`: the towers whose images come to the card as they were, a byte for each number
    (supports_mm_device_do_normalize in their classes).
    `unread_towers`: those that are not derived for the release, as they run a class of transformers.
    `counts_consumed`: whether all that the device lost counts, not torch's peak alone
    (memory_profiling in utils/mem_utils.py).
    `mla_block`: the block of a latent in 16 bits on Hopper, FlashMLA's up to 0.17.1, then that of
    FlashAttention's MLA (update_block_size_for_backend in platforms/interface.py).
    `flashinfer_mla_block`: that of FlashInfer's MLA, 64 while platforms/cuda.py set it, then the
    kernel's smallest.
    `blackwell_mla_block`: that of a latent on Blackwell, CUTLASS's up to 0.14.1, then FlashInfer's
    (_get_backend_priorities in platforms/cuda.py).
    `sparse_fp8`: how sparse MLA stores fp8 on Blackwell: in FlashMLA's packed rows, in FlashInfer's plain
    ones, or by the heads of a rank (the same; supported_kv_cache_dtypes of flashinfer_mla_sparse.py).
    `wide_keys_in_64`: whether keys of 512 elements in fp8 have blocks of 64 on Hopper
    (_get_sm90_fa4_fp8_kv_block_size in v1/attention/backends/flash_attn.py).
    `same_floats`: whether a KV dtype of 16 bits must be the model's (_reject_mismatched_float_kv_cache in
    config/vllm.py).
    `skipped_layers`: whether kv_cache_dtype_skip_layers is there, and aligns blocks (attention.py and
    _align_heterogeneous_kv_block_size in platforms/interface.py).
    `pcp`: whether the memory of prefill context parallelism is known.
    `most_batched_tokens`: what is batched by default on cards from 160 GiB on (engine/arg_utils.py).
    `offloads_once`: whether the host's memory can hold once what all ranks hold alike (replicated_layout in
    kv_connector/v1/offloading/config.py).
    `admission`: whether a prompt is let in if its first chunk has room, or all of it, or all that its
    windows ever hold of it (scheduler_reserve_full_isl in config/scheduler.py since 0.19, and
    max_admission_blocks_per_request in v1/core/single_type_kv_cache_manager.py since 0.20).
    `watermark`: whether admission can keep a share of the blocks free (config/scheduler.py since 0.24).
    `declared_kv`: the methods of a checkpoint whose KV cache dtype counts as asked for where none is.
    `refines_experts`: whether blocks of experts' weights that a TP degree cuts are not refused, but their
    scales repeated for smaller blocks (refine_fp8_moe_block_shape in fused_moe/oracle/fp8.py; all releases
    refuse to cut the inputs of other matrices: validate_fp8_block_shape in quantization/utils/fp8_utils.py).
    `keeps_mxfp4_scales`: whether experts in MXFP4 on Hopper keep the scales that were loaded beside those in
    their kernel's order (mxfp4.py).
    `compressed`: how the unlike pages of DeepSeek-V4 lie in a block, if that is known (packing.py).
    `selectors`: whether the pages of MiniMax-M3's selector are known.
    `sends`: of which pages the NIXL connector moves a prompt: of full attention alone, of windows too since
    0.18, and of states by their parts since 0.20 (v1/nixl_connector.py and v1/nixl of kv_transfer).
    `sends_kv_apart`: whether K and V of a block are two descriptors, as long as they lay apart.
    """

    version: tuple[int, int]
    patch: int | None = None
    utilization: str
    in_flight: Literal["one batch", "concurrent batches"]
    merge_below: tuple[int, int] | None
    unify: Literal["never", "divide", "pad"]
    pads_states: bool
    promotes_beside_mla: bool
    check: Literal["layers", "first group", "groups"]
    null_block_checked: bool
    size_line: Literal["blocks", "concurrency"]
    state_per_sequence: bool
    caching_by_default: bool
    cached_state_mode: Literal["none", "align"]
    keeps_every_state: bool
    checkpoints: int
    speculative_states: bool
    align_from_block: bool
    align_mla: int
    align_checkpoints: bool
    sampler: Sampler
    outside: OutsideTorch
    counts_graphs: bool
    v2_runner: SecondRunner
    v2_counts_graphs: bool
    v2_logit_bytes: int
    raw_pixels: frozenset[str]
    unread_towers: frozenset[str]
    counts_consumed: bool
    most_batched_tokens: int
    offloads_once: bool
    compressed: Literal["unknown", "by page size", "by group"]
    selectors: bool
    admission: Admission
    watermark: bool
    mla_block: int
    flashinfer_mla_block: int
    blackwell_mla_block: int
    sparse_fp8: Literal["packed", "by heads", "plain"]
    wide_keys_in_64: bool
    same_floats: bool
    skipped_layers: Literal["no", "unaligned", "aligned"]
    pcp: bool
    declared_kv: frozenset[str]
    refines_experts: bool
    keeps_mxfp4_scales: bool
    sends: Literal["full attention", "windows", "states"]
    sends_kv_apart: bool

    @property
    def name(self) -> str:
        """The release as people write it: `vLLM 0.33`."""
        return f"vLLM {self.release}"

    @property
    def release(self) -> str:
        """The version by which these rules are found: `0.33`, `0.20.1`."""
        return _dotted(self.version if self.patch is None else (*self.version, self.patch))


_0_11 = VllmRules(
    version=(0, 11),
    utilization="0.9",
    in_flight="one batch",
    merge_below=None,
    unify="never",
    pads_states=False,
    promotes_beside_mla=False,
    check="layers",
    null_block_checked=False,
    size_line="blocks",
    state_per_sequence=False,
    caching_by_default=False,
    cached_state_mode="none",
    keeps_every_state=False,
    checkpoints=0,
    speculative_states=False,
    align_from_block=False,
    align_mla=64,
    align_checkpoints=False,
    sampler=DRAWS,
    outside=OLD_OUTSIDE,
    counts_graphs=False,
    v2_runner=NO_MODEL,
    v2_counts_graphs=False,
    v2_logit_bytes=0,
    raw_pixels=frozenset(),
    unread_towers=frozenset({"gemma4"}),
    counts_consumed=False,
    most_batched_tokens=8192,
    offloads_once=False,
    compressed="unknown",
    selectors=False,
    admission="first chunk",
    watermark=False,
    mla_block=64,
    flashinfer_mla_block=64,
    blackwell_mla_block=128,
    sparse_fp8="packed",
    wide_keys_in_64=False,
    same_floats=False,
    skipped_layers="no",
    pcp=False,
    declared_kv=frozenset(),
    refines_experts=False,
    keeps_mxfp4_scales=True,
    sends="full attention",
    sends_kv_apart=True,
)
_0_12 = replace(
    _0_11,
    version=(0, 12),
    merge_below=(5, 4),
    unify="divide",
    keeps_every_state=True,
    sampler=SORTS,
)
_0_14 = replace(_0_12, version=(0, 14), check="first group", declared_kv=frozenset({"modelopt"}))
_0_17 = replace(
    _0_14,
    version=(0, 17),
    speculative_states=True,
    cached_state_mode="align",
    sampler=SELECTS,
    blackwell_mla_block=64,
    declared_kv=frozenset({"modelopt", "compressed-tensors"}),
)
_0_18 = replace(
    _0_17,
    version=(0, 18),
    outside=OUTSIDE,
    mla_block=16,
    flashinfer_mla_block=32,
    blackwell_mla_block=32,
    sparse_fp8="by heads",
    merge_below=(3, 2),
    sends="windows",
)
_0_19 = replace(
    _0_18,
    version=(0, 19),
    check="groups",
    skipped_layers="unaligned",
    sparse_fp8="plain",
    admission="whole prompt",
)
_0_20_0 = replace(
    _0_19,
    version=(0, 20),
    patch=0,
    utilization="0.92",
    align_from_block=True,
    counts_graphs=True,
    state_per_sequence=True,
    admission="capped",
    sends="states",
)
_0_20_1 = replace(_0_20_0, patch=1, size_line="concurrency")
_0_22 = replace(_0_20_1, version=(0, 22), patch=None, v2_runner=PLAIN_QWEN3, v2_logit_bytes=4)
_0_23 = replace(_0_22, version=(0, 23), v2_runner=PLAIN)
_0_24 = replace(
    _0_23,
    version=(0, 24),
    unify="pad",
    compressed="by page size",
    watermark=True,
    v2_runner=NAMED,
)
_0_26 = replace(
    _0_24,
    version=(0, 26),
    in_flight="concurrent batches",
    pads_states=True,
    skipped_layers="aligned",
    v2_runner=DENSE,
    v2_logit_bytes=0,
    keeps_mxfp4_scales=False,
    sends_kv_apart=False,
)
_0_27 = replace(_0_26, version=(0, 27), counts_consumed=True)
_0_28 = replace(
    _0_27,
    version=(0, 28),
    raw_pixels=frozenset({"qwen2_vl", "qwen2_5_vl"}),
    compressed="by group",
    promotes_beside_mla=True,
    caching_by_default=True,
    keeps_every_state=False,
    align_mla=128,
    most_batched_tokens=MOST_BATCHED_TOKENS,
    v2_runner=DENSE_AND_V4,
    offloads_once=True,
)
_0_29 = replace(_0_28, version=(0, 29), v2_runner=ALL, v2_counts_graphs=True)
_0_30 = replace(
    _0_29, version=(0, 30), null_block_checked=True, refines_experts=True, v2_runner=ALL_BUT_ON_ROCM
)
_0_32 = replace(
    _0_30,
    version=(0, 32),
    checkpoints=1,
    wide_keys_in_64=True,
    v2_runner=ALL,
    raw_pixels=_0_28.raw_pixels | {"kimi_k25", "pixtral", "qwen3_vl"},
)
_0_33 = replace(
    _0_32,
    version=(0, 33),
    align_checkpoints=True,
    selectors=True,
    pcp=True,
    same_floats=True,
    v2_logit_bytes=12,
    unread_towers=frozenset(),
)

RELEASES = (
    _0_11,
    _0_12,
    _0_14,
    _0_17,
    _0_18,
    _0_19,
    _0_20_0,
    _0_20_1,
    _0_22,
    _0_23,
    _0_24,
    _0_26,
    _0_27,
    _0_28,
    _0_29,
    _0_30,
    _0_32,
    _0_33,
)
"""The known rules, from the oldest to the newest."""

NEWEST = RELEASES[-1]


def find_rules(version: str | None = None) -> VllmRules:
    """
    Return the rules of `0.19`, `0.19.1` or `v0.29.1rc1`: those of the nearest older known release.

    Without a version the newest. A build before a patch (`0.20.1rc1.dev16`) has the rules of the patch
    before it. Raises UnknownNameError for what is no version, and for releases older or newer than the
    known ones.
    """
    if version is None:
        return NEWEST
    match = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?![0-9])\.?(rc|dev)?", version.strip())
    if match is None:
        raise UnknownNameError(f"{version!r} is not a version of vLLM; write {_dotted(NEWEST.version)}")
    asked = int(match[1]), int(match[2])
    if not RELEASES[0].version <= asked <= NEWEST.version:
        raise UnknownNameError(
            f"vLLM {_dotted(asked)} is not known: kvplan knows the rules of "
            f"{_dotted(RELEASES[0].version)} to {_dotted(NEWEST.version)}"
        )
    # Without a patch the last one of the release.
    patch = int(match[3]) if match[3] else 9999
    if match[4] and patch:
        patch -= 1
    return [rules for rules in RELEASES if (rules.version, rules.patch or 0) <= (asked, patch)][-1]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
