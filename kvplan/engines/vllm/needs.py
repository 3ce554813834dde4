"""
What vLLM keeps free beside weights and cache, by release.

The profile run is arithmetic (profiling.py). What lies outside torch, and most of what graphs take, is
known from real start-ups alone.
"""

from dataclasses import replace

from kvplan.engines.overheads import outside_torch, vllm_start_up
from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.vllm.capturing import estimated_bytes, runs_as_hopper
from kvplan.engines.vllm.encoding import Prompts, encoding
from kvplan.engines.vllm.exchange import exchange_bytes, places
from kvplan.engines.vllm.frames import Room
from kvplan.engines.vllm.media import limits, most_pixels, shares_images_out, text_alone
from kvplan.engines.vllm.mixing import mixed, tried
from kvplan.engines.vllm.models import eager_states, embeds_outside, keeps_workspaces
from kvplan.engines.vllm.profiling import (
    CUBLAS_BYTES,
    NO_IMAGES,
    Batch,
    Encoding,
    Widths,
    compiled_bytes,
    copied_bytes,
    forward_bytes,
    kept_bytes,
    peak_bytes,
    workspace_bytes,
)
from kvplan.engines.vllm.runners import takes_v2
from kvplan.engines.vllm.settings import SETTINGS
from kvplan.engines.vllm.versions import VllmRules
from kvplan.engines.vllm.work import usual
from kvplan.records import record
from kvplan.specs.vision import Vision
from kvplan.units import GIB, MIB, ceil_div

_ALONE_BYTES = 9 * GIB // 100
_TP_BYTES = 20 * GIB // 100
"""
What the driver, kernels and NCCL take off Hopper.

0.07 GiB on RTX 4070 Ti S (0.26, printed), 0.09 on L40S (0.26) and A100 (0.31), what is left of 1.65 on two
RTX PRO 6000 (0.27): the rest of start-ups whose other parts are derived.
"""

_FIRST_OF_OTHERS = (0, 18)

_BELOW_BYTES = 50 * GIB // 100
_ABOVE_BYTES = 40 * GIB // 100
_OTHERS_ABOVE_BYTES = 105 * GIB // 100
_NEAR_BYTES = 15 * GIB // 100
"""
How far the needs of real start-ups lie below and above the estimate: 56 of up to 0.19, and 25 newer ones.

Dense models on one card whose weights are plain, and whose towers are derived where they see, took 0.07 GiB
more at most (of 35); what others took above are images, layouts of quantised weights, workspaces of experts,
and communication. Where torch.compile may be cold or warm, the range reaches to both and further by
`_NEAR_BYTES`, or by `_BELOW_BYTES` for others, and as much less above. Of mixtures it reaches further by a
quarter of the graphs: DeepSeek-V4-Flash on two cards printed 1.58 GiB, of which 1.31 are derived.
"""


@record
class _Parts:
    """
    The parts of an estimate in bytes: `cold` is what a first torch.compile has beyond `peak`.

    Of the peak so much is `unsure`: less, if another kernel or another way to send tokens is taken.
    """

    peak: int
    cold: int
    kept: int
    graphs: int
    outside: int
    unsure: int = 0


def start_up(workload: ProfileRun, rules: VllmRules) -> Estimate:
    """
    Return what a release of vLLM keeps free for *workload*.

    A model whose MLPs are not known is estimated as kvplan does for engines that it cannot derive.
    """
    if workload.mlp is None or workload.hidden is None or workload.vocab is None:
        return vllm_start_up(
            workload,
            sampler=rules.sampler,
            outside=rules.outside,
            counts_graphs=rules.counts_graphs,
            most_tokens=rules.most_batched_tokens,
        )
    given = read_settings(SETTINGS, workload.settings)
    parts = _parts(workload, rules, given)
    compiled = given.name("compile_cache")
    cold = 0 if compiled == "warm" else parts.cold
    unsaid = parts.cold if compiled is None else 0
    overhead = parts.kept + parts.graphs + parts.outside + workload.rotations_bytes
    middle = parts.peak + cold + overhead
    plain = _is_plain(workload, rules, given)
    shared = _HOST_BYTES if workload.card.is_integrated else 0
    below = max(_BELOW_BYTES, unsaid + (_NEAR_BYTES if plain else _BELOW_BYTES))
    return Estimate(
        activation_bytes=parts.peak + cold,
        overhead_bytes=overhead,
        low_bytes=max(0, middle - parts.unsure - below),
        high_bytes=middle + _above(plain, unsaid) + workload.has_experts * parts.graphs // 4 + shared,
        evidence=f"derived from {rules.name}'s profile run; graphs and what is not torch's from start-ups",
    )


def _is_plain(workload: ProfileRun, rules: VllmRules, given: Settings) -> bool:
    """Return whether it is a dense model on one card, with plain weights and no tower that is not derived."""
    sees = _vision(workload, rules) is None and (_embeds_outside(workload) or workload.sees)
    sees = sees and not text_alone(given, workload.architecture)
    alone = workload.tp == workload.pp == 1 and workload.plain_weights
    return alone and not (sees or workload.has_experts or workload.has_states)


def _embeds_outside(workload: ProfileRun) -> bool:
    return embeds_outside(workload.architecture, sees=workload.sees)


_HOST_BYTES = 5 * GIB
"""
What a card whose memory is the host's may lose to processes beside, as MemorySnapshot in utils/mem_utils.py
takes what the host has left: 60.69 GiB with some 55 of weights, by 0.28 on GB10 (stored public file).
"""


def _above(plain: bool, unsaid: int) -> int:  # noqa: FBT001 - one of the two cases
    """Return how much more a start-up may take, *unsaid* of which the estimate has already."""
    if plain:
        return max(_NEAR_BYTES, _ABOVE_BYTES - unsaid)
    return _OTHERS_ABOVE_BYTES - min(unsaid, _BELOW_BYTES)


def _parts(workload: ProfileRun, rules: VllmRules, given: Settings) -> _Parts:
    """Return the parts on the rank that needs the most."""
    eager = given.flag("enforce_eager") is True
    batch = _batch(workload, rules, given)
    widths = _widths(workload, rules, given, batch)
    text = text_alone(given, workload.architecture)
    images = NO_IMAGES if text else _images(workload, rules, batch, given)
    peak = peak_bytes(batch, widths, rules.sampler, images)
    # A draft of its own embeds what it reads, also where the model that it drafts for does not: load_model in
    # v1/worker/gpu/spec_decode/speculator.py of 0.28, and v1/spec_decode/llm_base_proposer.py.
    compiles_embedding = not eager and (text or workload.drafted or not _embeds_outside(workload))
    whole = _Parts(
        peak=peak,
        cold=max(0, compiled_bytes(batch) - peak) if compiles_embedding else 0,
        kept=images.buffer_bytes + (kept_bytes(batch) + images.inputs_bytes if rules.counts_consumed else 0),
        graphs=estimated_bytes(workload, rules, given, batch, widths),
        outside=_outside(workload, rules) + _exchange_bytes(workload, rules, given, batch),
        unsure=workspace_bytes(batch, widths) // _DEEP_GEMM_LESS if workload.dealt.dp > 1 else 0,
    )
    if workload.pp == 1 or not rules.counts_consumed:
        return whole
    first = _first_stage(whole, batch, widths, images, compiles_embedding)
    return max(replace(whole, cold=0), first, key=lambda stage: stage.peak + stage.cold + stage.kept)


def _first_stage(
    whole: _Parts,
    batch: Batch,
    widths: Widths,
    images: Encoding,
    compiles_embedding: bool,  # noqa: FBT001
) -> _Parts:
    """
    Return the parts of the first of several stages, which alone has an embedding, and draws nothing.

    All that the device lost counts, and so its copy of the embedding counts twice: the allocator did not give
    it back in start-ups of 0.28 and 0.30, nor, as it seems, where 0.27.1 ran on two cards.
    """
    text = workspace_bytes(batch, widths) + images.encoded_bytes + forward_bytes(batch, widths)
    peak = CUBLAS_BYTES + max(images.peak_bytes, text)
    cold = max(0, compiled_bytes(batch) - peak) + copied_bytes(batch) if compiles_embedding else 0
    return replace(whole, peak=peak, cold=cold, kept=images.buffer_bytes)


def _images(workload: ProfileRun, rules: VllmRules, batch: Batch, given: Settings) -> Encoding:
    vision = _vision(workload, rules)
    if vision is None:
        return NO_IMAGES
    asked = given.flag("skip_mm_profiling") is not True
    shared = shares_images_out(given, workload.architecture, vision)
    prompts = Prompts(workload.context, most_pixels(given), limits(given), profiled=asked, shared_out=shared)
    total = workload.card.total_bytes
    room = Room(total, max(0, total - workload.weights_bytes // max(1, workload.ranks)))
    raw = vision.design in rules.raw_pixels
    return encoding(batch, vision, prompts, room, pixel_bytes=1 if raw else batch.element_bytes)


def _vision(workload: ProfileRun, rules: VllmRules) -> Vision | None:
    """Return the widths of a tower that is derived for a release."""
    known = workload.vision is not None and workload.vision.design not in rules.unread_towers
    return workload.vision if known else None


def _batch(workload: ProfileRun, rules: VllmRules, given: Settings) -> Batch:
    """Return the batch: no more tokens by default than the sequences may have (engine/arg_utils.py)."""
    usually, sequences = usual(workload.card, rules, given, exchanges=workload.dealt.over_replicas)
    sequences = workload.sequences or sequences
    together = sequences * workload.context
    tokens = workload.batched_tokens or min(usually, together or usually)
    return Batch(
        tokens=tokens,
        sequences=min(sequences, tokens),
        hidden=workload.hidden or 0,
        vocab=workload.vocab or 0,
        element_bytes=workload.element_bytes,
        tp=workload.tp,
        v2=takes_v2(
            rules.v2_runner,
            workload.architecture,
            has_experts=workload.has_experts,
            has_states=workload.has_states,
            asked=given.flag("use_v2_model_runner"),
            plain_weights=workload.plain_weights,
            card=workload.card,
        ),
        eager=given.flag("enforce_eager") is True,
        logit_bytes=rules.v2_logit_bytes,
        # A stage between others also holds the hidden states that it receives and sends.
        copies=3 if workload.pp > 1 else 1,
    )


_GATHERED_CONTEXTS = 40
_FIRST_WITH_GATHER, _FIRST_WITH_LOGITS = (0, 14), (0, 19)
_LOGITS_BYTES = 512 * MIB
"""
The keys for which sparse attention has room, in contexts: get_max_prefill_buffer_size in
v1/attention/backends/mla/indexer.py, alike in 0.14.1 to 0.32; of DeepSeek-V4 what is left when compressed.

And VLLM_SPARSE_INDEXER_MAX_LOGITS_MB in envs.py, since 0.19.
"""


_DEEP_GEMM_LESS = 4
"""
The part of the workspaces that DeepGEMM's experts do without: one of two is in fp8, by workspace_shapes in
model_executor/layers/fused_moe/experts/deep_gemm_moe.py of 0.33.
"""

_PIECE, _FIRST_IN_ONE_PIECE = 32 * 1024, (0, 19)
"""
The tokens that experts had at once at most: VLLM_FUSED_MOE_CHUNK_SIZE of older releases, gone from envs.py of
0.19.1. Qwen3-Coder-480B in fp8 with dp 8 left 48.66 GiB of an H20's cache by 0.10.1, as with so many.
"""


def _widths(workload: ProfileRun, rules: VllmRules, given: Settings, batch: Batch) -> Widths:
    mlp = workload.mlp
    if mlp is None:
        return Widths()
    major = (workload.card.capability or (None,))[0]
    key, tokens = workload.indexer or (0, 1)
    gathers = key and rules.version >= _FIRST_WITH_GATHER
    return Widths(
        gathered=workload.context * _GATHERED_CONTEXTS // tokens if gathers else 0,
        key=key,
        logits_bytes=_LOGITS_BYTES if key and rules.version >= _FIRST_WITH_LOGITS else 0,
        dense=ceil_div(mlp.intermediate or 0, workload.tp),
        expert=ceil_div(mlp.expert_intermediate or 0, workload.tp),
        experts_per_token=mlp.experts_per_token or 0,
        matrices=3 if mlp.gated else 2,
        mixed=max((mixed(kind, workload.tp, major) for kind in workload.kinds), default=0),
        tried_bytes=workload.element_bytes * _tried(workload, batch),
        states=eager_states(workload.architecture),
        workspaces=keeps_workspaces(workload.architecture),
        replicas=workload.dealt.dp,
        places=places(given, rules, workload.dealt, tokens=batch.tokens),
        piece=None if rules.version >= _FIRST_IN_ONE_PIECE else _PIECE,
    )


def _exchange_bytes(workload: ProfileRun, rules: VllmRules, given: Settings, batch: Batch) -> int:
    return exchange_bytes(given, rules, workload.dealt, tokens=batch.tokens, hidden=batch.hidden)


def _tried(workload: ProfileRun, batch: Batch) -> int:
    """Return the numbers of contexts for which MLA tries whether there is room, the most of any layer."""
    sizes = (
        tried(kind, workload.tp, context=workload.context, sequences=batch.sequences)
        for kind in workload.kinds
    )
    return max(sizes, default=0)


def _outside(workload: ProfileRun, rules: VllmRules) -> int:
    """Return what the CUDA context, kernels, NCCL and all-reduces take beside torch's memory."""
    card = workload.card
    if runs_as_hopper(card) or rules.version < _FIRST_OF_OTHERS:
        return outside_torch(workload, rules.outside)
    return _TP_BYTES if workload.tp > 1 else _ALONE_BYTES
