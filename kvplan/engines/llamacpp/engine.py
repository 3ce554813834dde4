"""llama.cpp as the planner sees it: its caches, and no share of a card that it keeps to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial

from kvplan.engines.arrangement import Line, StartUp, Straight
from kvplan.engines.base import Engine, EngineOptions, Share, ToStore, always
from kvplan.engines.llamacpp.caches import Arranged, arrange
from kvplan.engines.llamacpp.cells import MAX_SEQUENCES
from kvplan.engines.llamacpp.errors import RefusedError
from kvplan.engines.llamacpp.needs import start_up
from kvplan.engines.llamacpp.options import SETTINGS, LlamaOptions, asked_of
from kvplan.engines.llamacpp.traits import honours_windows, require_architecture
from kvplan.engines.llamacpp.unified import UnifiedTally
from kvplan.engines.llamacpp.versions import LlamaRules, find_rules
from kvplan.engines.llamacpp.waterfall import waterfall
from kvplan.engines.settings import read_settings
from kvplan.engines.tally import BytesTally, Tally
from kvplan.errors import OptionsError, SplitError
from kvplan.gpus import Card
from kvplan.loads import Load, uniform
from kvplan.records import record
from kvplan.terms import Stage
from kvplan.units import largest_of

_OF_DRAFT = "what drafts tokens has a context of its own, with as many slots"


@record
class Cells:
    """
    A cache in llama.cpp's cells, all of them allocated at start.

    A `draft` has a context of its own, with the same slots: common_base_params_to_speculative in
    common/speculative.cpp.
    """

    arranged: Arranged
    draft: Arranged | None = None
    assumed: tuple[str, ...] = ()
    longest: int | None = None
    takes_arrays: bool = False
    never_falls: bool = False

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """Return the bytes of a slot for each sequence on one device."""
        return sum(each.reserved_bytes(rank=rank, load=load) for each in self._contexts)

    @property
    def _contexts(self) -> tuple[Arranged, ...]:
        return (self.arranged,) if self.draft is None else (self.arranged, self.draft)

    def by_sequence(self, context: int) -> tuple[Straight, ...] | None:
        """Return the bytes of a slot; None in a unified cache, which is padded as a whole."""
        arranged = self.arranged
        if arranged.options.kv_unified:
            return None
        one = uniform(context, 1)
        sizes = [self.reserved_bytes(rank=rank, load=one) for rank in range(arranged.ranks)]
        return tuple(Straight(size, size) for size in sizes)

    def tally(self, lengths: int) -> Tally:
        """Return the tokens that share a unified cache; else the bytes of a slot for the longest sequence."""
        if self.arranged.options.kv_unified:
            return UnifiedTally(arranged=self.arranged)
        ranks, one = range(self.arranged.ranks), uniform(largest_of(lengths), 1)
        sizes = tuple(self.arranged.reserved_bytes(rank=rank, load=one) for rank in ranks)
        return BytesTally(of=lambda _: sizes)

    def token_bytes(self, rank: int) -> Fraction:
        """Return the cells of one token in the caches that keep all of them."""
        return sum((each.token_bytes(rank) for each in self._contexts), Fraction(0))

    def fixed_bytes(self, rank: int) -> int:
        """Return the cells of a slot that no context changes."""
        return sum(each.fixed_bytes(rank) for each in self._contexts)

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return why these are not the formula's bytes."""
        lines = waterfall(self.arranged, rank=rank, load=load)
        if self.draft is None:
            return lines
        size = self.draft.reserved_bytes(rank=rank, load=load)
        return (*lines, Line(name="draft layers", size_bytes=size, reason=_OF_DRAFT))

    def most_bytes(self, rank: int) -> int | None:
        """Return None: the slots are all that is asked for."""

    def most_sequences(self, context: int) -> int | None:  # noqa: ARG002 - for any context
        """Return LLAMA_MAX_SEQ, the slots that it has at most."""
        return MAX_SEQUENCES

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """Return None: its slots are allocated, or fail."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:  # noqa: ARG002 - prints none
        """Return None: llama.cpp prints the sizes of its buffers, not a capacity."""
        return None


def llamacpp(version: str | None) -> Engine:
    """Return llama.cpp by the rules of a build, `b10107`, the newest known if none is named."""
    rules = find_rules(version)
    # llama.cpp allocates what it is asked for, or fails: it has no share of a card.
    return Engine(
        name=rules.name,
        arrange=partial(_arrange, rules=rules),
        kv_dtype=kv_dtype_name,
        share=Share(of="card", default=always("1")),
        needs=partial(start_up, rules=rules),
        takes=frozenset({"max_num_batched_tokens", "max_num_seqs"}),
        settings=SETTINGS,
        extra="with head",
        proportions=proportions,
        embedding_on_gpu=False,
        # By layers, as LLAMA_SPLIT_MODE_LAYER is the default of --split-mode (common/common.h).
        spread="pp",
        several_nodes=False,
        drafts="spread",
        narrow_kv="q8_0",
        needs_by_context=True,
    )


def proportions(settings: Mapping[str, str], cards: Sequence[Card]) -> Sequence[int | Fraction]:
    """
    Return in which proportions layers go to GPUs: as asked, else by the memory that is free on each.

    A card is taken to be free as a whole. Source: load_tensors in src/llama-model.cpp.
    """
    asked = read_settings(SETTINGS, settings).ratios("tensor_split") if "tensor_split" in settings else None
    return asked or [card.total_bytes for card in cards]


def kv_dtype_name(asked: str | None, rows: ToStore) -> str:
    """
    Return the cache format asked for; float16 for every model, bfloat16 ones too, if none is.

    Raises RefusedError where one tensor, of latents or entries, is asked for in two types.
    Source: llama_context_default_params and llama_init_from_model in llama-context.cpp.
    """
    if asked is None or asked == "auto":
        return "fp16"
    if "," in asked and rows.roles & {"latent", "entry"}:
        raise RefusedError(f"llama.cpp keeps K and V of this model in one type, not in {asked[:40]!r}")
    return asked


def _arrange(stages: Sequence[Stage], options: EngineOptions, rules: LlamaRules) -> Cells:
    _refuse_options(options)
    require_architecture(options.architecture)
    asked = asked_of(options.settings, options.max_num_batched_tokens)
    windows = honours_windows(options.architecture)
    copies = _copies(options, asked, rules)
    arranged = arrange(stages, asked, rules=rules, windows=windows, copies=copies)
    if options.draft is None:
        return Cells(arranged=arranged)
    require_architecture(options.draft.architecture)
    windows = honours_windows(options.draft.architecture)
    drafts = [_of_draft(stage) for stage in stages]
    return Cells(arranged=arranged, draft=arrange(drafts, asked, rules=rules, windows=windows))


_VERIFIED = frozenset({"eagle3", "dflash"})
"""Drafts beside a model's own module whose tokens it may have to forget: need_n_rs_seq in common/common.h."""


def _copies(options: EngineOptions, asked: LlamaOptions, rules: LlamaRules) -> int:
    """
    Return how many states there are beside each, to go back to from drafted tokens.

    Raises OptionsError for a number of them without a draft.
    """
    if options.draft is None:
        if "spec_draft_n_max" in options.settings:
            raise OptionsError("spec_draft_n_max goes with a draft: give --draft too")
        return 0
    verified = options.draft.predicts is not None or options.draft.architecture in _VERIFIED
    computed = options.architecture or options.computed_as
    return asked.spec_draft_n_max if verified and computed in rules.rolls_back else 0


def _of_draft(stage: Stage) -> Stage:
    """Return a stage of a draft's layers alone."""
    counts = tuple(Counter(stage.drafts).items())
    types = tuple(str(number) for number, (_, count) in enumerate(counts) for _ in range(count))
    return Stage(types=types, counts=counts)


def _refuse_options(options: EngineOptions) -> None:
    if (options.max_num_seqs or 0) > MAX_SEQUENCES:
        raise OptionsError(f"llama.cpp has at most {MAX_SEQUENCES} slots, not {options.max_num_seqs}")
    if options.tp > 1:
        raise SplitError(
            f"tp={options.tp}: llama.cpp splits a model by layers, and how it splits rows or tensors of the "
            f"cache is not known: use pp={options.tp}"
        )
