"""The options that vLLM alone has, and how its planner sees what is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kvplan.dtypes import dtype_by_name
from kvplan.engines.base import Drafting, EngineOptions
from kvplan.engines.offloading import CPU_OFFLOAD
from kvplan.engines.settings import Setting, Settings, read_settings
from kvplan.engines.vllm.backends import BACKENDS, has_unknown_kernels, major_of
from kvplan.engines.vllm.captures import MODES, captures_whole
from kvplan.engines.vllm.drafts import FILLS_BLOCKS, MODULES, Draft, Known
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.exchange import EXCHANGES
from kvplan.engines.vllm.formats import state_dtypes
from kvplan.engines.vllm.media import SHARED_OUT, limits, text_alone
from kvplan.engines.vllm.models import is_hybrid_class, may_keep_every_state
from kvplan.engines.vllm.options import VllmOptions
from kvplan.engines.vllm.prefills import exports
from kvplan.engines.vllm.runners import takes_v2
from kvplan.engines.vllm.skipping import read_skipped
from kvplan.engines.vllm.versions import NEWEST, VllmRules
from kvplan.engines.vllm.windows import windows_of
from kvplan.terms import Layer

_FIRST_WITHOUT_TOWERS = (0, 17)
_STATE_DTYPES = ("auto", "float32", "float16", "bfloat16")

INTERACTIVITY, THROUGHPUT = "interactivity", "throughput"

SETTINGS = (
    Setting(name="hybrid_manager", kind="flag", help="off is --disable-hybrid-kv-cache-manager"),
    Setting(
        name="allow_long_max_model_len",
        kind="flag",
        help="on is VLLM_ALLOW_LONG_MAX_MODEL_LEN: contexts beyond the model's own",
    ),
    Setting(name="async_scheduling", kind="flag", help="off keeps fewer tokens in flight"),
    Setting(
        name="enable_expert_parallel",
        kind="flag",
        help="on deals whole experts out over all tp x dp GPUs, as --ep does",
    ),
    Setting(
        name="num_redundant_experts",
        kind="count",
        help="copies of experts in eplb_config, dealt out with them",
    ),
    Setting(
        name="all2all_backend",
        kind="name",
        help="how tokens reach whole experts on other replicas: DeepEP's has buffers on each GPU",
        choices=EXCHANGES,
    ),
    Setting(name="deepep_buffer_size_mb", kind="count", help="VLLM_DEEPEP_BUFFER_SIZE_MB, if it is set"),
    Setting(name="enable_eplb", kind="flag", help="on moves experts between ranks, and may keep copies"),
    Setting(name="enforce_eager", kind="flag", help="on sets nothing aside for CUDA graphs"),
    Setting(
        name="language_model_only",
        kind="flag",
        help="on loads no tower of images, audio or video; as limits of 0 in limit_mm_per_prompt do",
    ),
    Setting(
        name="limit_mm_per_prompt",
        kind="name",
        help='the most of each that a prompt brings: {"image": 0, "video": 0} loads no tower for them',
    ),
    Setting(
        name="mm_processor_kwargs",
        kind="name",
        help='what images are made into: {"max_pixels": 1003520} are the most that Qwen2.5-VL takes of one',
    ),
    Setting(
        name="mm_encoder_tp_mode",
        kind="name",
        help="data holds the tower of images whole on each GPU, and shares images out over them",
        choices=("weights", SHARED_OUT),
    ),
    Setting(
        name="skip_mm_profiling",
        kind="flag",
        help="on profiles no images: what a tower needs of the card must be left free by --utilization",
    ),
    Setting(name="max_cudagraph_capture_size", kind="count", help="the largest batch captured as a graph"),
    Setting(name="cudagraph_capture_sizes", kind="counts", help="all batches captured as graphs: 1,2,4,8"),
    Setting(
        name="cudagraph_mode", kind="name", help="whether graphs are of pieces, whole, or none", choices=MODES
    ),
    Setting(
        name="performance_mode",
        kind="name",
        help="throughput runs twice as many tokens and sequences, interactivity captures each small batch",
        choices=("balanced", INTERACTIVITY, THROUGHPUT),
    ),
    Setting(name="use_v2_model_runner", kind="flag", help="VLLM_USE_V2_MODEL_RUNNER, if it is set"),
    Setting(
        name="compile_cache",
        kind="name",
        help="cold where torch.compile runs for the first time: a copy of the embedding more",
        choices=("cold", "warm"),
    ),
    Setting(name="num_gpu_blocks_override", kind="count", help="blocks in place of those that fit"),
    Setting(name="attention_backend", kind="name", help="its kernel decides the block", choices=BACKENDS),
    Setting(
        name="kv_cache_dtype_skip_layers",
        kind="name",
        help="layers in the model's dtype, by number, or sliding_window: 0,1,sliding_window",
    ),
    Setting(
        name="watermark", kind="ratio", help="share of the blocks that stay free when a request is admitted"
    ),
    Setting(
        name="max_num_active_seqs", kind="count", help="requests let run at once, fewer than max_num_seqs"
    ),
    Setting(
        name="scheduler_reserve_full_isl",
        kind="flag",
        help="off lets a prompt in when its first chunk has room, and may preempt it later",
    ),
    Setting(name="num_speculative_tokens", kind="count", help="states are kept for each"),
    Setting(
        name="draft_layers",
        kind="count",
        help="attention layers of a draft that no --draft names; like the model's own over all tokens",
    ),
    Setting(name="draft_kv_heads", kind="count", help="if a draft layer has others than the model's"),
    Setting(name="draft_head_dim", kind="count", help="if a draft layer has another than the model's"),
    Setting(name="draft_window", kind="count", help="if a draft layer's attention slides"),
    Setting(name="mamba_cache_mode", kind="name", help="how states are kept", choices=("none", "align")),
    Setting(name="mamba_cache_dtype", kind="name", help="of convolutions and states", choices=_STATE_DTYPES),
    Setting(name="mamba_ssm_cache_dtype", kind="name", help="of states", choices=_STATE_DTYPES),
    Setting(
        name="gdn_prefill_backend",
        kind="name",
        help="flashinfer is the choice on Hopper, and vLLM's with CUDA 13 on Blackwell",
        choices=("triton", "flashinfer"),
    ),
    Setting(
        name="kda_prefill_backend",
        kind="name",
        help="flashkda is vLLM's own choice on Hopper and Blackwell if the model bounds its gate",
        choices=("triton", "flashkda", "flashinfer"),
    ),
    Setting(name="enable_lora", kind="flag", help="on keeps buffers for LoRA adapters beside the weights"),
    Setting(name="max_loras", kind="count", help="adapters in one batch, each with a slot of max_lora_rank"),
    Setting(name="max_lora_rank", kind="count", help="the largest rank of an adapter"),
    Setting(name="max_cpu_loras", kind="count", help="adapters in the host's memory"),
    Setting(name="fully_sharded_loras", kind="flag", help="on cuts both matrices of an adapter over tp"),
    Setting(name="lora_dtype", kind="name", help="of adapters", choices=("auto", "float16", "bfloat16")),
    CPU_OFFLOAD,
    Setting(
        name="prefill_context_parallel_size",
        kind="count",
        help="so many times the GPUs; only dcp shares tokens out over them",
    ),
)
"""
Options of vLLM that other engines do not have, by its names in config/*.py and engine/arg_utils.py.

Those of a draft's layers are kvplan's: vLLM reads them from the draft's own config.
"""


_DRAFT_SIZES = ("draft_layers", "draft_kv_heads", "draft_head_dim", "draft_window")


def own_options(  # noqa: PLR0913 - each is one choice of who asks
    options: EngineOptions,
    given: Settings,
    layers: Sequence[Layer],
    rules: VllmRules,
    drafts: Sequence[Layer] = (),
    *,
    usual: tuple[int, int],
) -> VllmOptions:
    """
    Return vLLM's own options, with what the chosen prefill kernels of *layers* add to states.

    As many tokens and sequences run at once as are *usual*, unless it is said.
    """
    windows = windows_of(layers, options.architecture, rules)
    asked = replace(_asked(options, given, rules, usual[0]), windows=windows)
    if options.draft is not None:
        asked = replace(asked, **_drafting(options.draft, given, drafts))
    asked = replace(asked, admitted=_admitted(asked, given, rules, usual[1]))
    found = exports(layers, rules, gdn=_gdn_backend(options, given), kda=given.name("kda_prefill_backend"))
    if found is None:
        return asked
    return replace(asked, checkpoint_blocks=found.blocks, checkpoint_alignment=found.alignment)


def _asked(options: EngineOptions, given: Settings, rules: VllmRules, usual_tokens: int) -> VllmOptions:
    """Return vLLM's own options; a dtype that is asked for holds where the release fixes none."""
    conv, state = state_dtypes(dtype_by_name(_dtype(given, "mamba_cache_dtype") or options.dtype), None)
    asked = _dtype(given, "mamba_ssm_cache_dtype")
    kept = None if options.states_fixed else state
    mode = given.name("mamba_cache_mode")
    skipped = given.name("kv_cache_dtype_skip_layers")
    return VllmOptions(
        block_size=options.block_size,
        attention_backend=given.name("attention_backend"),
        any_block=given.name("attention_backend") is None and has_unknown_kernels(options.card),
        major=major_of(options.card),
        max_num_batched_tokens=_or(options.max_num_batched_tokens, usual_tokens),
        dcp=options.dcp,
        pcp=given.count("prefill_context_parallel_size") or 1,
        prefix_caching=options.prefix_caching,
        conv_dtype=conv,
        state_dtype=dtype_by_name(asked) if asked else kept,
        async_scheduling=_flag(given, "async_scheduling"),
        v2_runner=takes_v2(
            rules.v2_runner,
            options.architecture,
            has_experts=options.has_experts,
            has_states=options.has_states,
            asked=given.flag("use_v2_model_runner"),
            card=options.card,
        ),
        hybrid_manager=_flag(given, "hybrid_manager"),
        hybrid_class=is_hybrid_class(options.architecture),
        may_keep_every_state=may_keep_every_state(options.architecture),
        state_mode="align" if mode == "align" else "none" if mode == "none" else None,
        speculative_tokens=given.count("num_speculative_tokens") or 0,
        draft=_draft(given),
        skipped=None if skipped is None else read_skipped(skipped, dtype_by_name(options.dtype)),
        blocks=given.count("num_gpu_blocks_override"),
        watermark=_watermark(given, rules),
        max_num_seqs=options.max_num_seqs,
        admits_chunks=_admits_chunks(given, rules),
        eager=given.flag("enforce_eager") is True or not captures_whole(given.name("cudagraph_mode")),
        prompt=options.prompt,
    )


def _or(asked: int | None, usual: int) -> int:
    return usual if asked is None else asked


def _gdn_backend(options: EngineOptions, given: Settings) -> str | None:
    """
    Return the prefill kernel of Gated DeltaNet: as asked, or FlashInfer's on Hopper.

    On Blackwell it depends on CUDA, too, and is left to who asks. Source: _resolve_gdn_prefill_backend
    in model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py of vLLM 0.33.
    """
    hopper = options.card is not None and options.card.is_hopper
    return given.name("gdn_prefill_backend") or ("flashinfer" if hopper else None)


def has_tower(options: EngineOptions, rules: VllmRules) -> bool:
    """
    Return whether a tower of images, audio or video is loaded.

    Without it language_model_only sets all limits of limit_mm_per_prompt to 0: _mark_tower_model in
    model_executor/models/interfaces.py of 0.17.1 to 0.32; 0.14.1 has neither.
    """
    given = read_settings(SETTINGS, options.settings)
    if rules.version >= _FIRST_WITHOUT_TOWERS:
        return not text_alone(given, options.architecture)
    if given.flag("language_model_only") is True:
        raise RefusedError(f"language_model_only is not known of {rules.name}: kvplan knows it from 0.17 on")
    limits(given)  # For its errors: a tower is loaded whatever they are.
    return True


def _watermark(given: Settings, rules: VllmRules) -> float:
    """Return the share of blocks that admission keeps free, a float as vLLM has it; 0 unless asked for."""
    asked = given.ratio("watermark")
    if asked is not None and not rules.watermark:
        raise RefusedError(f"watermark is not known of {rules.name}: kvplan knows it in {NEWEST.name}")
    return float(asked or 0)


def _admits_chunks(given: Settings, rules: VllmRules) -> bool:
    """Return whether a prompt is let in with its first chunk, where a release can be told so."""
    asked = given.flag("scheduler_reserve_full_isl")
    if asked is not None and rules.admission == "first chunk":
        raise RefusedError(f"{rules.name} has no scheduler_reserve_full_isl: it is of 0.19 and newer")
    return asked is False


_FIRST_WITH_ACTIVE, _FIRST_TO_BOUND_DRAFTS = (0, 31), (0, 33)


def _admitted(asked: VllmOptions, given: Settings, rules: VllmRules, usual_sequences: int) -> int | None:
    """
    Return how many requests are let run at once, where that is said, or fewer than are asked for.

    A draft that fills blocks has a batch for all of its tokens. Source: _set_max_num_scheduled_tokens in
    config/vllm.py of 0.33, not of 0.32, and max_num_active_seqs in config/scheduler.py since 0.31.
    """
    active, most = given.count("max_num_active_seqs"), asked.max_num_seqs or usual_sequences
    if active is not None and rules.version < _FIRST_WITH_ACTIVE:
        raise RefusedError(f"{rules.name} has no max_num_active_seqs: it is of 0.31 and newer")
    if active is not None and active > most:
        raise RefusedError(f"max_num_active_seqs={active} is more than max_num_seqs={most}")
    fills = isinstance(asked.draft, Known) and asked.draft.fills
    if not fills or rules.version < _FIRST_TO_BOUND_DRAFTS:
        return active
    drafted = asked.max_num_batched_tokens // asked.lookahead_tokens
    return min(active or most, drafted) if drafted < (active or most) else active


def _drafting(drafting: Drafting, given: Settings, drafts: Sequence[Layer]) -> dict[str, Any]:
    """
    Return the options of a draft with these layers: as many tokens as asked for, or as its config predicts.

    Source: __post_init__ of config/speculative.py, vLLM 0.33.
    """
    if beside := [name for name in _DRAFT_SIZES if given.count(name) is not None]:
        raise RefusedError(f"{beside[0]} and --draft both say what drafts tokens: keep one of them")
    if drafting.predicts is not None and drafting.architecture not in MODULES:
        raise RefusedError(
            f"vLLM has no class for the module for multi-token prediction of {drafting.architecture}: "
            "leave --draft mtp out"
        )
    tokens = given.count("num_speculative_tokens") or drafting.predicts
    if tokens is None:
        raise RefusedError(
            "vLLM must be told how many tokens a draft drafts: give --set num_speculative_tokens=3"
        )
    fills = drafting.architecture in FILLS_BLOCKS
    return {"speculative_tokens": tokens, "draft": Known(layers=tuple(drafts), fills=fills)}


def _draft(given: Settings) -> Draft | None:
    sizes = {
        name: given.count(f"draft_{name}")
        for name in ("kv_heads", "head_dim", "window")
        if given.count(f"draft_{name}") is not None
    }
    layers = given.count("draft_layers")
    if layers is None and sizes:
        raise RefusedError(f"draft_{next(iter(sizes))} is given without draft_layers, their number")
    return None if layers is None else Draft(layers=layers, **sizes)


def _flag(given: Settings, name: str) -> bool:
    """Return a flag that is on unless it is turned off."""
    return given.flag(name) is not False


def _dtype(given: Settings, name: str) -> str | None:
    """Return a dtype that is asked for; `auto` leaves it to vLLM."""
    value = given.name(name)
    return None if value == "auto" else value
