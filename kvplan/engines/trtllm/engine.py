"""TensorRT-LLM as the planner sees it: its pools of blocks, and its share of what is left."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial

from kvplan.engines.arrangement import Line, StartUp, Straight
from kvplan.engines.base import Engine, EngineOptions, Share, always
from kvplan.engines.cards import require_vendor
from kvplan.engines.exact import Sum
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.tally import BytesTally
from kvplan.engines.trtllm.errors import NoRoomError, RefusedError
from kvplan.engines.trtllm.formats import declared_kv, kv_dtype_name
from kvplan.engines.trtllm.needs import start_up
from kvplan.engines.trtllm.options import SETTINGS
from kvplan.engines.trtllm.pools import Pools, plan_pools
from kvplan.engines.trtllm.shares import DRAFT_PROJECTIONS, shares
from kvplan.engines.trtllm.versions import TrtllmRules, find_rules
from kvplan.engines.trtllm.waterfall import pool_bytes, sequence_bytes, waterfall
from kvplan.errors import OptionsError
from kvplan.loads import Load
from kvplan.records import record
from kvplan.terms import Stage
from kvplan.units import MAX_COUNT, counted, format_gib, largest_of

_DRAFTED, _DRAFTED_BY_EAGLE, _ONE_MODEL = "num_nextn_predict_layers", "max_draft_len", "eagle3_one_model"
_EAGLE, _UNKNOWN = "eagle3", ("eagle", "dflash")
_ONE_LAYER = (
    "the pool is counted with an EAGLE-3 draft's own layers; TensorRT-LLM has one for each token that it "
    f"drafts: give --set {_DRAFTED_BY_EAGLE}=N"
)
_BEYOND = (
    "tokens that are drafted beyond a sequence's end are not counted: each may take as many more as are "
    "drafted at once"
)


@record
class PooledCache:
    """A cache in TensorRT-LLM's pools of blocks. Block reuse keeps old blocks there, and adds none."""

    pools: Pools
    assumed: tuple[str, ...] = ()
    longest: int | None = None
    takes_arrays: bool = False
    never_falls: bool = False

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """Return the memory in which the pools of a rank hold the sequences."""
        return sum(batch * sequence_bytes(self.pools, rank, context) for context, batch in load)

    def by_sequence(self, context: int) -> tuple[Straight, ...]:
        """Return the same for the first and the others."""
        sizes = [sequence_bytes(self.pools, rank, context) for rank in range(len(self.pools.groups))]
        return tuple(Straight(size, size) for size in sizes)

    def tally(self, lengths: int) -> BytesTally:
        """
        Return the bytes of the blocks that are set aside for a sequence up to its end, in each pool.

        So does the default policy, GUARANTEED_NO_EVICT; pools of two windows are equal parts of the memory.
        Which blocks it sets aside twice for two sequences of one prefix is not known.
        """
        pools, ranks, longest = self.pools, range(len(self.pools.groups)), largest_of(lengths)
        groups = [(rank, group) for rank in ranks for group in pools.at(rank, longest)]
        return BytesTally(
            of=lambda context: tuple(pool_bytes(pools, group, context) for _, group in groups),
            claim="end",
            parts=len(pools.at(0, longest)),
        )

    def token_bytes(self, rank: int) -> Fraction:
        """Return what the manager counts for a token in the layers that keep all of them."""
        groups = [group for group in self.pools.groups[rank] if group.window is None]
        return Fraction(sum(map(self.pools.token_bytes, groups)))

    def fixed_bytes(self, rank: int) -> int:  # noqa: ARG002 - states are refused
        """Return 0: every row is a token's."""
        return 0

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return why these are not the formula's bytes."""
        return waterfall(self.pools, rank=rank, load=load)

    def most_bytes(self, rank: int) -> int | None:
        """Return the bytes of `max_tokens` in whole blocks; None if it is not set."""
        pools = self.pools
        if pools.max_tokens is None:
            return None
        tokens = pools.max_tokens // pools.block_size * pools.block_size
        return tokens * sum(pools.token_bytes(group) for group in pools.groups[rank])

    def most_sequences(self, context: int) -> int | None:
        """Return None: max_batch_size is an option of the plan."""

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """Return None: TensorRT-LLM lowers what does not fit."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:
        """
        Return the blocks in so much memory: the fewest, and the least of all ranks and windows.

        A context that is longer than the pool is no refusal: TensorRT-LLM lowers max_seq_len to what
        fits, and starts. Raises NoRoomError if not one block fits, or windows would be shortened.
        """
        pools = self.pools
        if len(available_bytes) != len(pools.groups):
            raise RefusedError(
                f"{len(available_bytes)} memories are not one for each of {len(pools.groups)} pipeline ranks"
            )
        ranks = range(len(pools.groups))
        num_blocks = min(_blocks(pools, rank, available_bytes[rank], context) for rank in ranks)
        if num_blocks < 1:
            least = format_gib(min(available_bytes))
            raise NoRoomError(f"{pools.rules.name} cannot fit any sequence in {least} of KV cache")
        # Pools of two windows hold two numbers of tokens.
        single = len(pools.at(0, context)) == 1
        return StartUp(
            num_blocks=num_blocks,
            block_size=pools.block_size,
            kv_tokens=num_blocks * pools.block_size if single else None,
            max_concurrency=None,
        )

    def token_range(self, available_bytes: Sequence[int]) -> tuple[int, int]:
        """
        Return the fewest and the most tokens in so much memory, where all layers share one pool.

        The most are those of the estimate, which takes fractions of a KV head. The manager then looks
        at the free memory again and divides it by what it really stores: with no activations in it
        that is more than *available_bytes*, how much more is not known.
        """
        pools = self.pools
        fewest = most = MAX_COUNT if pools.max_tokens is None else pools.max_tokens
        for rank, available in enumerate(available_bytes):
            by_manager = available // sum(pools.token_bytes(group) for group in pools.groups[rank])
            fewest = min(fewest, by_manager)
            most = min(most, max(by_manager, available // pools.estimated_token_bytes(rank)))
        return fewest, most


def trtllm(version: str | None) -> Engine:
    """Return TensorRT-LLM by the rules of a release, the only known ones if none is named."""
    rules = find_rules(version)
    return Engine(
        name=f"trtllm@{rules.dotted}",
        arrange=partial(_arrange, rules=rules),
        kv_dtype=kv_dtype_name,
        declared_kv=declared_kv,
        share=Share(of="rest", default=always(rules.utilization)),
        needs=partial(start_up, rules=rules),
        # Its estimate of the cache knows no context parallelism.
        takes=frozenset({"block_size", "max_num_batched_tokens", "max_num_seqs", "prefix_caching", "ep"}),
        shares=shares,
        settings=SETTINGS,
        # LMHead and Embedding in _torch/modules/embedding.py take no quant_config.
        plain_ends=True,
        drafts="last",
        draft_projections=DRAFT_PROJECTIONS,
        # ModelConfig.torch_dtype in _torch/model_config.py.
        unsaid_dtype="bfloat16",
        extra="first",
    )


def _blocks(pools: Pools, rank: int, available: int, context: int) -> int:
    """Return the blocks of the smallest pool on one rank (calculate_max_num_blocks and ..._for_vswa)."""
    groups = pools.at(rank, context)
    sizes = [pools.token_bytes(group) for group in groups]
    if len(groups) == 1:
        tokens = available // sizes[0]
        return (tokens if pools.max_tokens is None else min(tokens, pools.max_tokens)) // pools.block_size
    needed = sum(group.tokens(context) * size for group, size in zip(groups, sizes, strict=True))
    if needed >= available:
        raise NoRoomError(
            f"{pools.rules.name} would shorten the windows: one sequence of {counted(context, 'token')} "
            f"needs {format_gib(needed)}, and there is {format_gib(available)}"
        )
    return min(available // len(groups) // (size * pools.block_size) for size in sizes)


def _arrange(stages: Sequence[Stage], options: EngineOptions, rules: TrtllmRules) -> PooledCache | Sum:
    require_vendor("TensorRT-LLM", options.card, ("nvidia",))
    given = read_settings(SETTINGS, options.settings)
    windows, max_tokens = given.counts("max_attention_window"), given.count("max_tokens")
    if max_tokens is not None and windows is not None and len(set(windows)) > 1:
        raise OptionsError(f"{rules.name} ignores max_tokens beside windows of two lengths: leave one out")
    pools = plan_pools(
        stages,
        rules=rules,
        tp=options.tp,
        block_size=_block_size(options, rules),
        max_num_tokens=options.max_num_batched_tokens or rules.max_num_tokens,
        max_tokens=max_tokens,
        windows=windows,
        drafted=_drafted(options, given),
        apart=_apart(options, given),
    )
    if pools is None:  # The formula of a model that caches nothing is 0, too.
        return Sum(stages=tuple(stages), tp=options.tp)
    return PooledCache(pools=pools, assumed=tuple(_assumed(options, given)))


def _assumed(options: EngineOptions, given: Settings) -> Iterator[str]:
    """Yield what a plan takes for granted of a draft."""
    if options.draft is None:
        return
    yield _BEYOND
    if _is_eagle(options) and given.count(_DRAFTED_BY_EAGLE) is None and not _apart(options, given):
        yield _ONE_LAYER


def _is_eagle(options: EngineOptions) -> bool:
    return options.draft is not None and options.draft.architecture == _EAGLE


def _apart(options: EngineOptions, given: Settings) -> bool:
    """
    Return whether a draft has a model engine and a pool of its own: a whole model, and EAGLE-3 by two models.

    Source: the spec_dec_mode of DraftTargetDecodingConfig and EagleDecodingConfig in llmapi/llm_args.py.
    Later candidates run both as one model.
    """
    draft = options.draft
    if given.flag(_ONE_MODEL) is not None and not _is_eagle(options):
        raise OptionsError(f"{_ONE_MODEL} goes with an EAGLE-3 draft: give --draft MODEL, or leave it out")
    if draft is None or draft.predicts is not None:
        return False
    if draft.architecture in _UNKNOWN:
        raise RefusedError(
            f"where TensorRT-LLM keeps the cache of a draft of the kind {draft.architecture!r} is not known "
            "to kvplan: leave --draft out"
        )
    return given.flag(_ONE_MODEL) is False if _is_eagle(options) else True


def _drafted(options: EngineOptions, given: Settings) -> int | None:
    """
    Return how many layers the pool has for a draft within the model, which drafts one token after another.

    As many as tokens are drafted, be the draft one layer alone: get_num_spec_layers in speculative/utils.py,
    and validate_eagle_config in llmapi/llm_args.py, which sets num_eagle_layers to max_draft_len.
    """
    of_module, of_eagle = given.count(_DRAFTED), given.count(_DRAFTED_BY_EAGLE)
    if of_module is not None and (options.draft is None or options.draft.predicts is None):
        raise OptionsError(
            f"{_DRAFTED} goes with a draft of the model's own: give --draft mtp, or leave it out"
        )
    if of_eagle is not None and not _is_eagle(options):
        raise OptionsError(
            f"{_DRAFTED_BY_EAGLE} goes with an EAGLE-3 draft: give --draft MODEL, or leave it out"
        )
    return of_module or of_eagle


def _block_size(options: EngineOptions, rules: TrtllmRules) -> int:
    """
    Return tokens_per_block, a power of two above 1 (docs/source/features/kvcache.md).

    FlashMLA, for DeepSeek on Hopper, takes 64 whatever is asked, and must be asked for here: the card
    is not known (_torch/pyexecutor/py_executor_creator.py).
    """
    size = rules.block_size if options.block_size is None else options.block_size
    if size < 2 or size & (size - 1):  # noqa: PLR2004 - the least power of two above 1
        block = f"a block of {counted(size, 'token')}"
        raise OptionsError(f"{block} is not a power of two above 1, as {rules.name} needs")
    return size
