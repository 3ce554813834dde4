"""What a model's cache looks like in vLLM before any memory is known: groups and their blocks."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import field, replace
from fractions import Fraction
from itertools import chain
from math import gcd

from kvplan.engines.vllm.alignment import Alignment, align, align_skipped
from kvplan.engines.vllm.blocks import choose_blocks
from kvplan.engines.vllm.charges import Charge
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.grouping import Cache, Group, Groups, Slots, group, is_uniform, promoted
from kvplan.engines.vllm.lowering import Lowering, allocations
from kvplan.engines.vllm.options import VllmOptions
from kvplan.engines.vllm.packing import pack
from kvplan.engines.vllm.pages import Paging
from kvplan.engines.vllm.parallel import require_cp
from kvplan.engines.vllm.scheduler import Held, Kinds, needs
from kvplan.engines.vllm.versions import VllmRules
from kvplan.loads import Load, longest_in, sequences_in
from kvplan.records import record
from kvplan.terms import Layer, distinct
from kvplan.units import ceil_div, counted

_MOST = 2**50
"""More blocks than any memory has."""


@record
class Layout:
    """
    The groups of a model, over all pipeline ranks, and the size of their blocks on each.

    `block_size` is that of attention. No memory decides any of it.
    """

    rules: VllmRules
    options: VllmOptions
    tp: int
    block_size: int
    groups: tuple[Group, ...]
    padding_layers: int
    slots: Slots | None
    bytes_per_block: tuple[int, ...]
    charge: Charge
    warnings: tuple[str, ...]
    kinds: Kinds = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Groups whose pages are alike need as many blocks: each kind is asked once.
        object.__setattr__(self, "kinds", tuple(Counter(each.spec for each in self.groups).items()))

    @property
    def pp(self) -> int:
        """The number of pipeline ranks."""
        return len(self.bytes_per_block)

    @property
    def has_states(self) -> bool:
        """Whether some blocks hold states."""
        return any(spec.paging == "state" for spec, _ in self.kinds)

    def blocks_per_request(self, context: int) -> int:
        """Return the blocks that one request of *context* tokens is charged with when vLLM starts."""
        return sum(count * self.charge.blocks(spec, context) for spec, count in self.kinds)

    def printed_blocks(self, context: int) -> int:
        """Return the blocks of a request by which vLLM divides for the figures that it prints."""
        if self.slots is None:
            return self.blocks_per_request(context)
        charged = sum(self.charge.blocks(each.spec, context) * each.bytes_on(0) for each in self.groups)
        return ceil_div(charged, self.slots.first_bytes)

    def held_blocks(self, context: int) -> int:
        """Return the blocks of a request that decodes and has *context* tokens."""
        return self._total(self.standing(context))

    def peak_blocks(self, context: int) -> int:
        """Return the most blocks that a request of *context* tokens ever has."""
        return self._total(self.at_worst(context))

    def standing(self, context: int) -> Held:
        """Return the blocks of each kind of group that a request has while it decodes."""
        prompt = self.options.prompt
        if prompt is None:
            return tuple(self.charge.held(spec, context) for spec, _ in self.kinds)
        return needs(self.charge, self.kinds, prompt, context).standing

    def at_worst(self, context: int) -> Held:
        """Return the most blocks that a request ever has or must find free, of each kind of group."""
        prompt = self.options.prompt
        if prompt is None:
            return tuple(self.charge.peak(spec, context) for spec, _ in self.kinds)
        known = needs(self.charge, self.kinds, prompt, context)
        return max(known.worst, known.admitted, key=self._total)

    def admitted_blocks(self, context: int) -> int:
        """Return the blocks that must be free before a request of *context* tokens is admitted."""
        prompt = self.options.prompt
        if prompt is None:
            return self._total(tuple(self.charge.admitted(spec, context) for spec, _ in self.kinds))
        return self._total(needs(self.charge, self.kinds, prompt, context).admitted)

    def _total(self, held: Held) -> int:
        return sum(count * blocks for (_, count), blocks in zip(self.kinds, held, strict=True))

    def max_batch(self, context: int, num_blocks: int) -> int | None:
        """Return how many requests stand at once in a pool, the null block among its; None if any number."""
        held, peak = self.held_blocks(context), self.peak_blocks(context)
        if not held:
            return None
        if self.blocks_per_request(context) >= num_blocks:
            return 0
        kept_free = int(self.options.watermark * num_blocks)
        last = max(peak, self.admitted_blocks(context) + kept_free)
        others = max(0, num_blocks - 1 - last) // held
        return 1 + others if peak < num_blocks else 0

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """
        Return the bytes in which requests stand at once on a pipeline rank.

        All but one decode, and that one is at its worst moment: it is admitted when the others have all
        that they will have. The null block is among them.
        """
        blocks = self._needed_blocks(load) + self.watermark_blocks(load) + self.unstarted_blocks(load)
        return blocks * self.bytes_per_block[rank]

    def unstarted_blocks(self, load: Load) -> int:
        """
        Return the blocks that vLLM asks for when it starts, beyond those in which requests stand.

        It starts with room for what its planner charges one request alone, whatever that ever holds.
        """
        if not sequences_in(load):
            return 0
        asked = 1 + self.blocks_per_request(longest_in(load))
        return max(0, asked - self._needed_blocks(load) - self.watermark_blocks(load))

    def _needed_blocks(self, load: Load) -> int:
        held = sum(batch * self.held_blocks(context) for context, batch in load)
        worst = self.worst_context(load)
        return 1 + held + (0 if worst is None else self.in_flight_blocks(worst))

    def in_flight_blocks(self, context: int) -> int:
        """Return the blocks that a request has at its worst moment beside those with which it decodes."""
        return self.peak_blocks(context) - self.held_blocks(context)

    def worst_context(self, load: Load) -> int | None:
        """Return the length of the requests of which one takes most blocks in flight; None without any."""
        asked = [context for context, batch in load if batch]
        if len(asked) == 1:
            return asked[0]
        return max(asked, key=self.in_flight_blocks, default=None)

    def watermark_blocks(self, load: Load) -> int:
        """
        Return the blocks that must be free beyond those needed when the last request is admitted.

        A request is admitted against a share of the whole pool, rounded down, but alone without it
        (can_fit_full_sequence in v1/core/kv_cache_manager.py).
        """
        share = self.options.watermark
        worst = self.worst_context(load) if share else None
        # The first request has no others beside it.
        if worst is None or sequences_in(load) < 2:  # noqa: PLR2004
            return 0
        needed = self._needed_blocks(load)
        spare = self.peak_blocks(worst) - self.admitted_blocks(worst)
        return bisect_left(
            range(_MOST), needed - spare, key=lambda more: needed + more - int(share * (needed + more))
        )

    def token_bytes(self, rank: int) -> Fraction:
        """Return a token's share, on a pipeline rank, of the blocks that hold every token of a request."""
        blocks = [Fraction(1, each.spec.block_size * self.charge.dcp) for each in self._with("full", "mla")]
        return self.bytes_per_block[rank] * sum(blocks, Fraction(0))

    def fixed_bytes(self, rank: int) -> int:
        """Return the bytes, on a pipeline rank, of a request's blocks that do not depend on its context."""
        blocks = sum(self.charge.blocks(each.spec, 0) for each in self._with("state", "cross"))
        return blocks * self.bytes_per_block[rank]

    def _with(self, *pagings: Paging) -> list[Group]:
        return [each for each in self.groups if each.spec.paging in pagings]


def plan_layout(
    layers_by_rank: Sequence[Sequence[Layer]], *, tp: int, rules: VllmRules, options: VllmOptions
) -> Layout:
    """
    Return the layout of the layers of each pipeline rank, each split over *tp* ranks.

    Raises RefusedError for what this version of vLLM refuses or kvplan does not know of it, and
    SplitError where units do not spread over *tp*.
    """
    layers = distinct(chain.from_iterable(layers_by_rank))
    require_cp(layers, tp=tp, dcp=options.dcp, pcp=options.pcp, rules=rules)
    _require_known(rules, options)
    block_size, caches = _aligned_caches(layers_by_rank, tp, rules, options)
    found = _groups(caches, rules, options)
    pp = len(layers_by_rank)
    return Layout(
        rules=rules,
        options=options,
        tp=tp,
        block_size=block_size,
        groups=found.groups,
        padding_layers=found.padding_layers,
        slots=found.slots,
        bytes_per_block=_bytes_per_block(found, pp),
        charge=_charge(caches, block_size, pp, rules, options),
        warnings=found.warnings,
    )


def _aligned_caches(
    layers_by_rank: Sequence[Sequence[Layer]], tp: int, rules: VllmRules, options: VllmOptions
) -> tuple[int, list[Cache]]:
    """Return the block size of attention, raised where layers need it, and the pages of that size."""
    layers = distinct(chain.from_iterable(layers_by_rank))
    usual = choose_blocks(layers, rules, options.attention_backend, options.major)
    kernel_block = options.kernel_block or usual.kernel_block
    asked = options.block_size or usual.block_size
    if asked % kernel_block and options.any_block:
        kernel_block = gcd(asked, kernel_block)
    if asked % kernel_block:
        raise RefusedError(
            f"a block of {counted(asked, 'token')} is no multiple of the attention kernel's {kernel_block}: "
            "choose another block size"
        )
    lowering = Lowering(tp=tp, rules=rules, options=options, block_size=asked)
    pages = lowering.pages(layers)
    alignment = align(pages, block_size=asked, kernel_block=kernel_block, rules=rules, options=options)
    drafts = options.draft.lower(layers) if options.draft else ()
    if options.skipped:
        layers_by_rank = options.skipped.apply(layers_by_rank)
        if rules.skipped_layers == "aligned":
            plain = lowering.pages(options.skipped.everywhere(layers))
            alignment = align_skipped(alignment, pages, plain, rules)
    lowering = replace(lowering, block_size=alignment.block_size)
    return alignment.block_size, _caches(layers_by_rank, drafts, lowering, alignment)


def _caches(
    layers_by_rank: Sequence[Sequence[Layer]],
    drafts: Sequence[Layer],
    lowering: Lowering,
    alignment: Alignment,
) -> list[Cache]:
    """
    Return what each rank caches, in the order of its layers; drafts run on the last rank.

    Layers that are one object have one object for each of their caches.
    """
    last = len(layers_by_rank) - 1
    placed = [(rank, layer, False) for rank, layers in enumerate(layers_by_rank) for layer in layers]
    known: dict[tuple[int, int, bool], list[Cache]] = {}
    caches: list[Cache] = []
    for rank, layer, draft in (*placed, *((last, layer, True) for layer in drafts)):
        key = rank, id(layer), draft
        if key not in known:
            specs = zip(allocations(layer), lowering.layer_specs(layer), strict=True)
            known[key] = [
                Cache(rank=rank, terms=terms, spec=alignment.padded(spec), draft=draft)
                for terms, spec in specs
            ]
        caches += known[key]
    return caches


def _require_known(rules: VllmRules, options: VllmOptions) -> None:
    """Refuse what a release does not have, and what kvplan does not know of two options together."""
    if options.skipped and rules.skipped_layers == "no":
        raise RefusedError(f"{rules.name} has no kv_cache_dtype_skip_layers, which came with 0.19")
    if options.draft and options.skipped:
        raise RefusedError("kvplan does not know which draft layers kv_cache_dtype_skip_layers names")
    if options.draft and options.dcp > 1:
        raise RefusedError("kvplan does not know how draft layers are shared out over dcp: use dcp=1")


def _groups(caches: Sequence[Cache], rules: VllmRules, options: VllmOptions) -> Groups:
    if not options.hybrid_manager:
        caches = promoted(caches, rules)
    pages = [cache.spec for cache in caches]
    # The backends of compressed attention ask for blocks that hold unlike pages side by side.
    side_by_side = any(term.role == "entry" for cache in caches for term in cache.terms)
    if side_by_side and not is_uniform(pages) and len({page.page_bytes for page in pages}) > 1:
        return pack(caches, rules)
    return group(caches, rules)


def _charge(
    caches: Sequence[Cache], block_size: int, pp: int, rules: VllmRules, options: VllmOptions
) -> Charge:
    pagings = {cache.spec.paging for cache in caches}
    states = options.states(rules, hybrid=len(pagings) > 1) if "state" in pagings else "none"
    return Charge(
        batched_tokens=options.max_num_batched_tokens,
        in_flight_tokens=options.in_flight_tokens(rules, pp),
        batches=options.batches(rules, pp),
        decode_tokens=options.decode_tokens(rules, pp),
        lookahead_tokens=options.lookahead_tokens,
        encoder_tokens=options.max_num_batched_tokens,
        dcp=options.dcp,
        states=states,
        state_block=block_size,
        checkpoint_alignment=options.checkpoint_alignment,
        admission="first chunk" if options.admits_chunks else rules.admission,
        speculative_tokens=options.speculative_tokens,
    )


def _bytes_per_block(found: Groups, pp: int) -> tuple[int, ...]:
    if not found.groups:
        return (0,) * pp
    if found.slots is not None:
        return (found.slots.block_bytes,)
    sizes = tuple(max(each.bytes_on(rank) for each in found.groups) for rank in range(pp))
    if 0 in sizes:
        raise RefusedError(
            f"pipeline rank {sizes.index(0)} caches nothing, so vLLM has no pool for it: choose another pp"
        )
    return sizes
