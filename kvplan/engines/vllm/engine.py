"""vLLM as the planner sees it: its layout, its start-up figures and its share of the card."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import chain

from kvplan.dtypes import FP8_SCALED_128, SPARSE_MLA_ROLES, dtype_by_name
from kvplan.engines.base import Engine, EngineOptions, Line, Share, StartUp, always
from kvplan.engines.cards import WRITTEN, require_vendor
from kvplan.engines.overheads import at_once, vllm_start_up
from kvplan.engines.settings import Setting, Settings, read_settings
from kvplan.engines.vllm.backends import (
    BACKENDS,
    major_of,
    require_backend,
    require_head_size,
    require_shares,
)
from kvplan.engines.vllm.blocks import may_see_ahead
from kvplan.engines.vllm.declared import declared_kv
from kvplan.engines.vllm.drafts import Draft
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.formats import kv_dtype_name, model_dtype, state_dtypes
from kvplan.engines.vllm.layout import Layout, plan_layout
from kvplan.engines.vllm.models import may_keep_every_state, require_served
from kvplan.engines.vllm.options import VllmOptions
from kvplan.engines.vllm.pool import most_sequences, plan_pool
from kvplan.engines.vllm.prefills import exports, has_delta_net
from kvplan.engines.vllm.skipping import read_skipped
from kvplan.engines.vllm.versions import NEWEST, VllmRules, find_rules
from kvplan.engines.vllm.waterfall import waterfall
from kvplan.engines.weight_blocks import Cutting, require_whole_blocks
from kvplan.loads import Load
from kvplan.terms import Growing, Layer, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedCache:
    """
    A cache in vLLM's pool of blocks.

    `usual_sequences` is max_num_seqs unless it is told, and `longest` the context above which it refuses to
    start, None where it does not or that is not known.
    """

    layout: Layout
    usual_sequences: int
    longest: int | None = None
    assumed: tuple[str, ...] = ()

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """Return the bytes of the requests' blocks and of the null block."""
        return self.layout.reserved_bytes(rank=rank, load=load)

    def by_sequence(self, context: int) -> tuple[tuple[int, int], ...] | None:
        """Return the bytes of a request at its worst beside the null block, and of one that decodes."""
        options = self.layout.options
        if options.watermark or options.prompt is not None:
            return None
        first, more = 1 + self.layout.peak_blocks(context), self.layout.held_blocks(context)
        return tuple((first * size, more * size) for size in self.layout.bytes_per_block)

    def token_bytes(self, rank: int) -> Fraction:
        """Return a token's share of the blocks that hold all tokens."""
        return self.layout.token_bytes(rank)

    def fixed_bytes(self, rank: int) -> int:
        """Return the bytes of the blocks of states and of an encoder's tokens."""
        return self.layout.fixed_bytes(rank)

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return why these are not the formula's bytes."""
        return waterfall(self.layout, rank=rank, load=load)

    def most_bytes(self, rank: int) -> int | None:
        """Return the bytes of num_gpu_blocks_override; None if it is not set."""
        blocks = self.layout.options.blocks
        return None if blocks is None else blocks * self.layout.bytes_per_block[rank]

    def most_sequences(self, context: int) -> int | None:
        """Return None: max_num_seqs is an option of the plan."""

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """Return what vLLM says of a context, or of so many sequences, that it refuses in these pools."""
        return self._too_long(context) or self._too_many(pools)

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:
        """Return what vLLM prints; None for a model that caches nothing."""
        pool = plan_pool(self.layout, available_bytes, context)
        if pool.kv_tokens is None:
            return None
        asked, most = self.layout.options.max_num_seqs, most_sequences(self.layout, available_bytes)
        return StartUp(
            num_blocks=pool.num_blocks,
            block_size=pool.block_size,
            kv_tokens=pool.kv_tokens,
            max_concurrency=pool.max_concurrency,
            max_num_seqs=most if asked is None and most is not None and self.usual_sequences > most else None,
        )

    def _too_long(self, context: int) -> str | None:
        """Return what vLLM says of a longer context than the model's (_get_and_verify_max_len)."""
        if self.longest is None or context <= self.longest:
            return None
        return (
            f"{self.layout.rules.name} refuses a context of {context:,} tokens, as the model was made for "
            f"{self.longest:,}: shorten it, or set allow_long_max_model_len (VLLM_ALLOW_LONG_MAX_MODEL_LEN)"
        )

    def _too_many(self, pools: Sequence[int]) -> str | None:
        """Return what vLLM says of more sequences than blocks for their states, if so many were asked for."""
        asked = self.layout.options.max_num_seqs
        most = None if asked is None else most_sequences(self.layout, pools)
        if asked is None or most is None or asked <= most:
            return None
        return (
            f"max_num_seqs={asked} is more than the {most} blocks, and {self.layout.rules.name} starts only "
            f"with a block for the states of each sequence: lower --max-num-seqs to {most} or less"
        )


_STATE_DTYPES = ("auto", "float32", "float16", "bfloat16")

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
        help="on holds experts whole, so that tp cuts no block of their weights",
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
    Setting(name="num_speculative_tokens", kind="count", help="states are kept for each"),
    Setting(
        name="draft_layers",
        kind="count",
        help="attention layers of MTP, EAGLE or a draft model; like the model's own over all tokens",
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


def vllm(version: str | None) -> Engine:
    """Return vLLM by the rules of a release, the newest known if none is named."""
    rules = find_rules(version)
    return Engine(
        name=f"vllm@{rules.release}",
        arrange=partial(_arrange, rules=rules),
        kv_dtype=partial(kv_dtype_name, rules=rules),
        share=Share(of="card", default=always(rules.utilization)),
        needs=partial(
            vllm_start_up,
            sampler=rules.sampler,
            outside=rules.outside,
            counts_graphs=rules.counts_graphs,
            most_tokens=rules.most_batched_tokens,
        ),
        declared_kv=partial(declared_kv, rules=rules),
        takes=frozenset(
            {"block_size", "max_num_batched_tokens", "max_num_seqs", "prefix_caching", "dcp", "prompt"}
        ),
        settings=SETTINGS,
        model_dtype=model_dtype,
        # get_torch_dtype in transformers_utils/model_arch_config_convertor.py.
        unsaid_dtype="float32",
    )


def _arrange(stages: Sequence[Stage], options: EngineOptions, rules: VllmRules) -> PagedCache:
    given = read_settings(SETTINGS, options.settings)
    layers = [stage.layers for stage in stages]
    every = tuple(chain.from_iterable(layers))
    require_vendor("vLLM", options.card, ("nvidia", "amd", "intel"))
    require_served(options.architecture, every, rules)
    require_whole_blocks(options.weight_blocks, _cutting(options, given, rules))
    backend = given.name("attention_backend")
    require_backend(every, rules, backend, options.card)
    require_head_size(every, rules, options.card)
    asked = _with_exports(_asked(options, given, rules), every, _gdn_backend(options, given), given, rules)
    layout = plan_layout(layers, tp=options.tp, rules=rules, options=asked)
    if options.dcp > 1:
        require_shares(every, rules, backend, options.card)
    return PagedCache(
        layout=layout,
        usual_sequences=_usual(options, rules)[1],
        longest=_longest(options, given, every),
        assumed=tuple(_assumed(layout, options, given, every)),
    )


def _cutting(options: EngineOptions, given: Settings, rules: VllmRules) -> Cutting:
    whole = given.flag("enable_expert_parallel")
    return Cutting(
        engine=rules.name,
        tp=options.tp,
        expert_tp=1 if whole else options.tp,
        refines=rules.refines_experts,
    )


def _longest(options: EngineOptions, given: Settings, layers: Sequence[Layer]) -> int | None:
    """
    Return the model's own context, above which vLLM refuses to start.

    A model of states alone names no context in its config: the one in a spec is that of its training
    (_get_and_verify_max_len in config/model.py).
    """
    if given.flag("allow_long_max_model_len"):
        return None
    keeps_tokens = any(isinstance(term.rows, Growing) for layer in layers for term in layer)
    return options.model_context if keeps_tokens else None


def _assumed(
    layout: Layout, options: EngineOptions, given: Settings, layers: Sequence[Layer]
) -> Iterator[str]:
    """Yield what a card would decide of this layout, where none is named and nothing says it."""
    windowed = any(group.spec.window is not None or group.spec.paging == "cross" for group in layout.groups)
    if windowed and options.card is None and options.max_num_batched_tokens is None:
        tokens = layout.options.max_num_batched_tokens
        yield f"no card is named: {tokens:,} tokens are batched, as on an H100; --gpu names a card"
    unsaid = given.name("attention_backend") is None
    if unsaid and may_see_ahead(layers, layout.rules, options.architecture, options.card):
        yield (
            "images are taken not to see ahead: where they do, as in Gemma 4 26B and 31B, vLLM has blocks of "
            "64 on this card; --set attention_backend=TRITON_FLASHINFER"
        )
    yield from _assumed_of_kernels(options, given, layers)
    named = options.card is not None and options.card.vendor is not None
    aligned = layout.charge.states == "align" and layout.rules.align_checkpoints
    if not named and aligned and given.name("gdn_prefill_backend") is None and has_delta_net(layers):
        yield "no card is named: Gated DeltaNet's prefill is Triton's, as off Hopper; --gpu names a card"


def _assumed_of_kernels(options: EngineOptions, given: Settings, layers: Sequence[Layer]) -> Iterator[str]:
    """Yield which kernel's rows and blocks were taken, where neither a card nor a setting says it."""
    if given.name("attention_backend") is not None:
        return
    vendor = options.card.vendor if options.card is not None else None
    rows = {term.dtype.name for layer in layers for term in layer if term.role == "latent"}
    if vendor is None and options.roles >= SPARSE_MLA_ROLES and FP8_SCALED_128.name in rows:
        yield "no card is named: sparse MLA in fp8 has FlashMLA's rows, as on an H100; --gpu names a card"
    if vendor in ("amd", "intel") and options.block_size is None:
        yield (
            f"which kernels vLLM takes on {WRITTEN[vendor]}'s cards is not known to kvplan: blocks are as on "
            "NVIDIA's; --block-size gives others"
        )


def _batched_tokens(options: EngineOptions, rules: VllmRules) -> int:
    """Return the tokens that are batched: as asked, or the default."""
    if options.max_num_batched_tokens is not None:
        return options.max_num_batched_tokens
    return _usual(options, rules)[0]


def _usual(options: EngineOptions, rules: VllmRules) -> tuple[int, int]:
    """Return the tokens and the sequences that run at once unless told: by the card, or an H100's."""
    return at_once(options.card, most_tokens=rules.most_batched_tokens)


def _gdn_backend(options: EngineOptions, given: Settings) -> str | None:
    """
    Return the prefill kernel of Gated DeltaNet: as asked, or FlashInfer's on Hopper.

    On Blackwell it depends on CUDA, too, and is left to who asks. Source: _resolve_gdn_prefill_backend
    in model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py of vLLM 0.33.
    """
    hopper = options.card is not None and options.card.is_hopper
    return given.name("gdn_prefill_backend") or ("flashinfer" if hopper else None)


def _asked(options: EngineOptions, given: Settings, rules: VllmRules) -> VllmOptions:
    """Return vLLM's own options; a dtype that is asked for holds where the release fixes none."""
    conv, state = state_dtypes(dtype_by_name(_dtype(given, "mamba_cache_dtype") or options.dtype), None)
    asked = _dtype(given, "mamba_ssm_cache_dtype")
    kept = None if options.states_fixed else state
    mode = given.name("mamba_cache_mode")
    skipped = given.name("kv_cache_dtype_skip_layers")
    return VllmOptions(
        block_size=options.block_size,
        attention_backend=given.name("attention_backend"),
        major=major_of(options.card),
        max_num_batched_tokens=_batched_tokens(options, rules),
        dcp=options.dcp,
        pcp=given.count("prefill_context_parallel_size") or 1,
        prefix_caching=options.prefix_caching,
        conv_dtype=conv,
        state_dtype=dtype_by_name(asked) if asked else kept,
        async_scheduling=_flag(given, "async_scheduling"),
        hybrid_manager=_flag(given, "hybrid_manager"),
        may_keep_every_state=may_keep_every_state(options.architecture),
        state_mode="align" if mode == "align" else "none" if mode == "none" else None,
        speculative_tokens=given.count("num_speculative_tokens") or 0,
        draft=_draft(given),
        skipped=None if skipped is None else read_skipped(skipped, dtype_by_name(options.dtype)),
        blocks=given.count("num_gpu_blocks_override"),
        watermark=_watermark(given, rules),
        max_num_seqs=options.max_num_seqs,
        prompt=options.prompt,
    )


def _watermark(given: Settings, rules: VllmRules) -> float:
    """Return the share of blocks that admission keeps free, a float as vLLM has it; 0 unless asked for."""
    asked = given.ratio("watermark")
    if asked is not None and not rules.watermark:
        raise RefusedError(f"watermark is not known of {rules.name}: kvplan knows it in {NEWEST.name}")
    return float(asked or 0)


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


def _with_exports(
    options: VllmOptions, layers: Sequence[Layer], gdn: str | None, given: Settings, rules: VllmRules
) -> VllmOptions:
    """Return the options with what the chosen prefill kernels add to states."""
    found = exports(layers, rules, gdn=gdn, kda=given.name("kda_prefill_backend"))
    if found is None:
        return options
    return replace(options, checkpoint_blocks=found.blocks, checkpoint_alignment=found.alignment)


def _flag(given: Settings, name: str) -> bool:
    """Return a flag that is on unless it is turned off."""
    return given.flag(name) is not False


def _dtype(given: Settings, name: str) -> str | None:
    """Return a dtype that is asked for; `auto` leaves it to vLLM."""
    value = given.name(name)
    return None if value == "auto" else value
