"""SGLang as the planner sees it: its pools, its start-up figures and its share of the card."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache, partial

from kvplan.engines.arrangement import Line, StartUp, Straight
from kvplan.engines.base import Engine, EngineOptions, Share
from kvplan.engines.cards import require_vendor
from kvplan.engines.offloading import offloaded_bytes
from kvplan.engines.settings import read_settings
from kvplan.engines.sglang.adapters import adapter_bytes, require_adapters
from kvplan.engines.sglang.additions import added
from kvplan.engines.sglang.cells import lay_out
from kvplan.engines.sglang.errors import RefusedError
from kvplan.engines.sglang.formats import declared_kv, kv_dtype_name, model_dtype
from kvplan.engines.sglang.graphs import kept_back
from kvplan.engines.sglang.images import has_images, is_guessed, seen
from kvplan.engines.sglang.needs import before_weights
from kvplan.engines.sglang.options import SETTINGS, read_options
from kvplan.engines.sglang.pools import Pools, Sizing
from kvplan.engines.sglang.shares import shares
from kvplan.engines.sglang.sizing import choose_sizing
from kvplan.engines.sglang.speculation import CHOSEN
from kvplan.engines.sglang.tally import TokenTally
from kvplan.engines.sglang.traits import require_read
from kvplan.engines.sglang.versions import SglangRules, find_rules
from kvplan.engines.sglang.waterfall import waterfall
from kvplan.engines.weight_blocks import Cutting, require_whole_blocks
from kvplan.loads import Load, uniform
from kvplan.records import record
from kvplan.terms import Stage
from kvplan.units import format_gib


@record(eq=False)
class TokenPools:
    """A cache in SGLang's pools."""

    stages: tuple[Stage, ...]
    sizing: Sizing
    assumed: tuple[str, ...] = ()
    longest: int | None = None
    takes_arrays: bool = False
    never_falls: bool = False

    def reserved_bytes(self, *, rank: int, load: Load) -> int:  # noqa: ARG002 - the same on all
        """
        Return the least memory with which every rank holds the requests at once, and more holds them, too.

        SGLang gives every rank what the tightest has, and the tokens that the fullest can hold.
        """
        return self._reserved_bytes(load)

    @lru_cache(maxsize=64)  # noqa: B019 - as deployments are kept
    def _reserved_bytes(self, load: Load) -> int:
        """Return the same, reckoned once for all ranks."""
        return self.sizing.least_bytes(self.sizing.demand(load))

    def by_sequence(self, context: int) -> tuple[Straight, ...] | None:
        """
        Return the bytes of a request where no pool stands beside that of tokens.

        Else None: pools are kept in a ratio, and the first requests are in the reserve of the rest.
        """
        if self.sizing.cells.window is not None or self.sizing.cells.slot_bytes:
            return None
        each = self.reserved_bytes(rank=0, load=uniform(context, 1))
        return (Straight(each, each),) * len(self.stages)

    def tally(self, lengths: int) -> TokenTally:  # noqa: ARG002 - the same for all
        """Return requests by their tokens, and by those of them in windows."""
        return TokenTally(sizing=self.sizing)

    def token_bytes(self, rank: int) -> Fraction:  # noqa: ARG002 - the same on all
        """Return SGLang's cell size: a token's rows on the fullest rank, its share of windows included."""
        return max(map(self.sizing.cell, self.sizing.cells.ranks))

    def fixed_bytes(self, rank: int) -> int:  # noqa: ARG002 - the same on all
        """Return the slots that a running request holds of the pool of states."""
        return self.sizing.slots_per_request * self.sizing.cells.slot_bytes

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return why these are not the formula's bytes."""
        return waterfall(self.sizing, self.stages[rank], rank=rank, load=load)

    def most_bytes(self, rank: int) -> int | None:  # noqa: ARG002 - the same on all
        """Return the memory that max_total_tokens tokens take; None if they are not bounded alone."""
        return self.sizing.most_bytes()

    def most_sequences(self, context: int) -> int | None:
        """Return how many sequences of a context the options let run at all; None if memory alone does."""
        return self.sizing.most_requests(context)

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """Return None: SGLang lowers what does not fit."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:
        """Return what SGLang prints; None for a model that caches nothing."""
        pools = self.pools(available_bytes, context)
        if pools is None:
            return None
        return StartUp(
            num_blocks=pools.tokens // self.sizing.page,
            block_size=self.sizing.page,
            kv_tokens=pools.tokens,
            max_concurrency=None,
            runs=pools.requests if self.sizing.options.max_running_requests is None else None,
            table_bytes=self.sizing.table_bytes(pools.requests, context),
        )

    def pools(self, available_bytes: Sequence[int], context: int) -> Pools | None:
        """Return all of SGLang's pools with the memory of each rank; None if the model caches nothing."""
        cells = self.sizing.cells
        if not cells.has_tokens and not cells.slot_bytes:
            return None
        return self.sizing.pools(min(available_bytes), context)


def sglang(version: str | None) -> Engine:
    """Return SGLang by the rules of a release, the newest known if none is named."""
    rules = find_rules(version)
    return Engine(
        name=rules.engine_name,
        arrange=partial(arrange, rules=rules),
        kv_dtype=kv_dtype_name,
        share=Share(of="after start", default=_share),
        needs=before_weights,
        declared_kv=declared_kv,
        # Its decode context parallelism is not known to kvplan.
        takes=frozenset({"block_size", "max_num_batched_tokens", "max_num_seqs", "prefix_caching", "ep"}),
        shares=shares,
        adapters=adapter_bytes,
        added=added,
        offloaded=offloaded_bytes,
        settings=SETTINGS,
        model_dtype=model_dtype,
        # _get_and_verify_dtype in configs/model_config.py.
        unsaid_dtype="float32",
        # get_quant_method in srt/layers/quantization/fp8.py of 0.5.23: linear layers and experts alone.
        plain_ends=True,
        extra="last",
        drafts="last",
    )


_STATES_OF_DRAFTS = (
    "SGLang keeps states for each drafted token of a running request: {} of them, its own choice, unless "
    "given with --set speculative_num_draft_tokens=N"
)


_UNKNOWN_TOWER = (
    "the widths of the model's tower are not known: SGLang's share of the card is taken as for one as large "
    "as ViT-L/14, unless --utilization says it"
)


def arrange(stages: Sequence[Stage], options: EngineOptions, rules: SglangRules) -> TokenPools:
    """Return the pools of a model; raise a KvplanError for what SGLang or kvplan cannot arrange."""
    require_vendor("SGLang", options.card, ("nvidia", "amd", "intel"))
    require_read(options.architecture, rules)
    require_adapters(read_settings(SETTINGS, options.settings))
    if options.draft is not None and len(stages) > 1:
        raise RefusedError(f"how {rules.name} sizes a draft beside pipeline stages is not known: use pp=1")
    asked = read_options(options, rules)
    # validate_block_quant_shapes and create_fp8_moe_weight_ in layers/quantization/fp8.py.
    cutting = Cutting(engine="SGLang", tp=options.tp, expert_tp=shares(options).expert, refines=False)
    require_whole_blocks(options.weight_blocks, cutting)
    sizing = choose_sizing(lay_out(stages, asked, rules), asked, rules)
    chunk = f"{asked.chunked_prefill_size:,}"
    note = f"no card is named: prefills are cut into chunks of {chunk} tokens; --gpu names a card"
    unsaid = asked.chunked and options.card is None and options.max_num_batched_tokens is None
    assumed: tuple[str, ...] = (note,) if sizing.cells.window is not None and unsaid else ()
    if options.card is not None and is_guessed(options):
        assumed += (_UNKNOWN_TOWER,)
    unasked = asked.speculation is not None and not any(name in options.settings for name in CHOSEN)
    if unasked and sizing.cells.slot_bytes:
        assumed += (_STATES_OF_DRAFTS.format(asked.drafted_tokens),)
    return TokenPools(stages=tuple(stages), sizing=sizing, assumed=assumed)


def _share(gpu_bytes: int, options: EngineOptions) -> str:
    card = options.card
    sees = has_images(options.architecture, sees=options.sees)
    share = kept_back(options).share((card and card.smi_bytes) or gpu_bytes)
    if float(share) <= 0:
        raise RefusedError(
            f"SGLang keeps back more than the {format_gib(gpu_bytes)} of this card for activations and "
            "graphs: give its mem_fraction_static, as in --utilization 0.8"
        )
    return seen(share, options) if sees else share
