"""vLLM as the planner sees it: its layout, its start-up figures and its share of the card."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain

from kvplan.dtypes import FP8_SCALED_128, SPARSE_MLA_ROLES
from kvplan.engines.arrangement import Line, StartUp, Straight
from kvplan.engines.base import Engine, EngineOptions, Share, always
from kvplan.engines.cards import WRITTEN, require_vendor
from kvplan.engines.handover import Handover, Pulled
from kvplan.engines.offloading import offloaded_bytes
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.vllm.adapters import adapter_bytes, require_adapters
from kvplan.engines.vllm.additions import ENDS_EVERYWHERE, added, divided
from kvplan.engines.vllm.backends import (
    has_unknown_kernels,
    require_backend,
    require_head_size,
    require_shares,
)
from kvplan.engines.vllm.blocks import may_see_ahead
from kvplan.engines.vllm.declared import declared_kv
from kvplan.engines.vllm.drafts import DRAFT_PROJECTIONS
from kvplan.engines.vllm.encoding import is_sized
from kvplan.engines.vllm.formats import kv_dtype_name, model_dtype
from kvplan.engines.vllm.latents import require_prefill
from kvplan.engines.vllm.layout import Layout, plan_layout
from kvplan.engines.vllm.media import (
    SHARED_OUT,
    gives_sizes,
    most_pixels,
    only_some_are_left_out,
    shares_images_out,
    text_alone,
)
from kvplan.engines.vllm.models import require_divided, require_own_shape, require_served
from kvplan.engines.vllm.needs import start_up
from kvplan.engines.vllm.parallel import require_vocabulary
from kvplan.engines.vllm.pool import most_sequences, plan_pool
from kvplan.engines.vllm.prefills import has_delta_net
from kvplan.engines.vllm.settings import SETTINGS, has_tower, own_options
from kvplan.engines.vllm.shares import context_ranks, shares
from kvplan.engines.vllm.tally import BlockTally
from kvplan.engines.vllm.transfer import pulled
from kvplan.engines.vllm.versions import NEWEST, VllmRules, find_rules
from kvplan.engines.vllm.waterfall import waterfall
from kvplan.engines.vllm.work import usual_work
from kvplan.engines.weight_blocks import Cutting, require_whole_blocks
from kvplan.loads import Load
from kvplan.records import record
from kvplan.terms import Growing, Layer, Stage, distinct


@record
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

    @property
    def takes_arrays(self) -> bool:
        """Whether no prompt is known, which is followed step by step."""
        return self.layout.options.prompt is None

    @property
    def never_falls(self) -> bool:
        """Whether no state is handed on from block to block, with both held for a few tokens."""
        return self.layout.charge.states != "align"

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """Return the bytes of the requests' blocks and of the null block."""
        return self.layout.reserved_bytes(rank=rank, load=load)

    def by_sequence(self, context: int) -> tuple[Straight, ...] | None:
        """Return the bytes of a request at its worst beside the null block, and of one that decodes."""
        layout = self.layout
        if layout.options.watermark:
            return None
        first, more = 1 + layout.peak_blocks(context), layout.held_blocks(context)
        least = 1 + layout.blocks_per_request(context)
        return tuple(Straight(first * size, more * size, least * size) for size in layout.bytes_per_block)

    def tally(self, lengths: int) -> BlockTally:
        """Return requests by their blocks."""
        return BlockTally.of(self.layout, lengths)

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

    def most_sequences(self, context: int) -> int | None:  # noqa: ARG002 - for any context
        """Return how many the scheduler lets run at once, where that is not max_num_seqs."""
        return self.layout.options.admitted

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
            runs=self.usual_sequences if asked is None else None,
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


def vllm(version: str | None) -> Engine:
    """Return vLLM by the rules of a release, the newest known if none is named."""
    rules = find_rules(version)
    return Engine(
        name=f"vllm@{rules.release}",
        arrange=partial(_arrange, rules=rules),
        kv_dtype=partial(kv_dtype_name, rules=rules),
        share=Share(of="card", default=always(rules.utilization)),
        needs=partial(start_up, rules=rules),
        declared_kv=partial(declared_kv, rules=rules),
        takes=frozenset(
            {"block_size", "max_num_batched_tokens", "max_num_seqs", "prefix_caching", "dcp", "ep", "prompt"}
        ),
        settings=SETTINGS,
        shares=partial(shares, rules=rules),
        added=partial(added, rules=rules),
        ends_everywhere=ENDS_EVERYWHERE,
        # get_quant_method in model_executor/layers/quantization/fp8.py: linear layers and experts alone.
        plain_ends=True,
        has_tower=partial(has_tower, rules=rules),
        adapters=adapter_bytes,
        offloaded=offloaded_bytes,
        once_on_host=partial(_once_on_host, rules=rules),
        context_ranks=context_ranks,
        model_dtype=model_dtype,
        # get_torch_dtype in transformers_utils/model_arch_config_convertor.py.
        unsaid_dtype="float32",
        pulled=_pulled,
        connector="NIXL",
        drafts="last",
        draft_projections=DRAFT_PROJECTIONS,
        # maybe_share_target_embed in v1/worker/gpu/spec_decode/eagle/utils.py.
        draft_embeds=True,
    )


def _pulled(cache: PagedCache, handover: Handover) -> tuple[Pulled, ...]:
    return tuple(pulled(cache.layout, rank, handover) for rank in range(cache.layout.pp))


def _arrange(stages: Sequence[Stage], options: EngineOptions, rules: VllmRules) -> PagedCache:
    given = read_settings(SETTINGS, options.settings)
    layers = [stage.layers for stage in stages]
    every = distinct(chain.from_iterable(layers))
    require_vendor("vLLM", options.card, ("nvidia", "amd", "intel"))
    require_served(options.architecture, every, rules)
    require_divided(options.architecture, options.tp, rules)
    require_vocabulary(options.vocab, options.tp, rules)
    require_own_shape(options, every, rules)
    require_adapters(given)
    blocks = divided(options.weight_blocks, options.architecture)
    require_whole_blocks(blocks, _cutting(options, rules))
    backend = given.name("attention_backend")
    require_backend(every, rules, backend, options.card)
    require_head_size(every, rules, options.card)
    require_prefill(options, rules)
    usual = usual_work(options, rules)
    layout = plan_layout(
        layers,
        tp=options.tp,
        rules=rules,
        options=own_options(options, given, every, rules, stages[-1].drafts, usual=usual),
    )
    if options.dcp > 1:
        require_shares(every, rules, backend, options.card)
    return PagedCache(
        layout=layout,
        usual_sequences=usual[1],
        longest=_longest(options, given, every, rules),
        assumed=tuple(_assumed(layout, options, given, every)),
    )


def _once_on_host(options: EngineOptions, rules: VllmRules) -> bool:
    """
    Return whether the OffloadingConnector has one region for the latents of all ranks.

    It does for tp alone, within a node: replicated_layout of kv_connector/v1/offloading/config.py in vLLM
    0.33, and of 0.28, which is the first that has it.
    """
    alone = options.pp == options.dcp == context_ranks(options) == 1
    return rules.offloads_once and alone and options.tp <= (options.node_gpus or _NODE_GPUS)


_NODE_GPUS = 8
"""The GPUs of a node, where nobody says how many: eight on NVIDIA's HGX boards of H100, H200 and B200."""


def _cutting(options: EngineOptions, rules: VllmRules) -> Cutting:
    return Cutting(
        engine=rules.name,
        tp=options.tp,
        expert_tp=shares(options, rules).expert,
        refines=rules.refines_experts,
    )


_YARN_IS_STRETCHED: tuple[int, int] = (0, 30)
"""The release from which a config with YaRN names the stretched context (_get_and_verify_max_len)."""


def _longest(
    options: EngineOptions, given: Settings, layers: Sequence[Layer], rules: VllmRules
) -> int | None:
    """
    Return the model's own context, above which vLLM refuses to start.

    A model of states alone names no context in its config: the one in a spec is that of its training
    (_get_and_verify_max_len in config/model.py, read in 0.19.1, 0.24.0, 0.28.0, 0.30.0 and 0.33.0).
    """
    if given.flag("allow_long_max_model_len"):
        return None
    keeps_tokens = any(isinstance(term.rows, Growing) for layer in layers for term in layer)
    if options.yarn_context is not None and rules.version < _YARN_IS_STRETCHED:
        return options.yarn_context if keeps_tokens else None
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
    if text_alone(given, options.architecture) and not options.has_parts:
        yield "the spec does not tell a tower of images apart: if the model has one, its weights are counted"
    if only_some_are_left_out(given, options.architecture):
        yield (
            "limit_mm_per_prompt: a tower is counted as loaded, as images, video or audio that the model may "
            'take have no limit of 0: {"image": 0, "video": 0, "audio": 0} leaves all out'
        )
    if gives_sizes(given) and not text_alone(given, options.architecture):
        yield "limit_mm_per_prompt: images are counted at their largest, and vLLM profiles the given sizes"
    cuts = options.tp > 1 and options.sees and not text_alone(given, options.architecture)
    shared = options.has_parts and shares_images_out(given, options.architecture, options.vision)
    if cuts and not shared and given.name("mm_encoder_tp_mode") == SHARED_OUT:
        yield (
            "mm_encoder_tp_mode: the tower is counted as cut over ranks: kvplan knows of no class for this "
            "model that holds it whole, or its size"
        )
    sized = is_sized(options.vision) and most_pixels(given) is not None
    if given.name("mm_processor_kwargs") is not None and options.sees and not sized:
        yield (
            "mm_processor_kwargs: images are counted at their largest: kvplan takes max_pixels of Qwen2-VL "
            "and Qwen2.5-VL alone"
        )
    if given.flag("enable_lora") and layout.rules != NEWEST:
        here = layout.rules.name
        yield f"adapters' buffers are counted as {NEWEST.name} has them: those of {here} are not read"
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
    if vendor is not None and has_unknown_kernels(options.card) and options.block_size is None:
        yield (
            f"which kernels vLLM takes on {WRITTEN[vendor]}'s cards is not known to kvplan: blocks are as on "
            "NVIDIA's; --block-size gives others"
        )
