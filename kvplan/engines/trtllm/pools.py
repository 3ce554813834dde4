"""The blocks of a model, by length of window, on each pipeline rank."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kvplan.engines.trtllm.errors import RefusedError
from kvplan.engines.trtllm.formats import estimated_bytes
from kvplan.engines.trtllm.lowering import RowShape, model_shape
from kvplan.engines.trtllm.versions import TrtllmRules
from kvplan.records import record
from kvplan.terms import Layer, Stage
from kvplan.units import ceil_div, maximum, minimum

Windows = tuple[int, ...] | None
"""max_attention_window: tokens that layers keep, a pattern that repeats; None for all of them."""


@record
class Group:
    """
    The layers of one rank that share a window, None for the whole context, and how many there are.

    So many `drafts` beside them are layers of what drafts tokens, each with rows as theirs.
    """

    window: int | None
    layers: tuple[tuple[Layer, int], ...]
    drafts: int = 0

    @property
    def own(self) -> int:
        """The number of the model's layers."""
        return sum(count for _, count in self.layers)

    @property
    def count(self) -> int:
        """The number of all layers."""
        return self.own + self.drafts

    def tokens(self, context: int) -> int:
        """Return how many tokens of a sequence lie within the window."""
        return context if self.window is None else minimum(context, self.window)


@record
class Apart:
    """
    The layers of a draft that has an engine and a manager of its own, with as many blocks as the model's.

    Both are given one number of tokens: KvCacheCreator in _torch/pyexecutor/_util.py divides the memory by
    the bytes that a token takes in both.
    """

    shape: RowShape
    layers: int

    def token_bytes(self, tp: int) -> int:
        """Return what its manager counts for a token."""
        return self.layers * self.shape.counted_bytes(tp)


@record
class Pools:
    """
    A model's cache in the manager's pools: the groups of each pipeline rank, the shortest window first.

    A draft `apart` has blocks of its own beside them; it goes with one group and one rank.
    """

    rules: TrtllmRules
    shape: RowShape
    tp: int
    block_size: int
    max_num_tokens: int
    max_tokens: int | None
    groups: tuple[tuple[Group, ...], ...]
    apart: Apart | None = None

    def at(self, rank: int, context: int) -> tuple[Group, ...]:
        """
        Return the groups that have a pool of their own when sequences get *context* tokens long.

        Windows are cut to the longest sequence, and equal ones share a pool (KVCacheManager.__init__).
        """
        groups = self.groups[rank]
        if len(groups) == 1 or groups[0].tokens(context) < context:
            return groups
        layers = tuple(pair for group in groups for pair in group.layers)
        drafts = sum(group.drafts for group in groups)
        return (Group(window=groups[-1].window, layers=layers, drafts=drafts),)

    def held_tokens(self, group: Group, context: int) -> int:
        """
        Return the tokens of the window and, where it slides, those in flight behind it.

        Source: calculateTemporaryAttentionWindow in batch_manager/kvCacheManager.h, with the longest
        prompt one token short of the context (_set_temp_attention_window_inputs).
        """
        tokens = group.tokens(context)
        return tokens + maximum(0, minimum(self.max_num_tokens, context - 1 - tokens))

    def blocks(self, group: Group, context: int) -> int:
        """
        Return the blocks that the scheduler sets aside for one sequence in the pool of *group*.

        A window that slides takes one more, for the tokens that come before the first are out of it.
        Source: getRemainingBlocksToCompletion in batch_manager/kvCacheManager.cpp, which the default
        policy GUARANTEED_NO_EVICT asks.
        """
        held = ceil_div(self.held_tokens(group, context), self.block_size)
        slides = group.tokens(context) < context
        return held + (slides & (ceil_div(context, self.block_size) > held))

    def token_bytes(self, group: Group) -> int:
        """Return what the manager counts for a token in all layers of *group*, and a draft's own for its."""
        return group.count * self.shape.counted_bytes(self.tp) + self.apart_bytes

    @property
    def apart_bytes(self) -> int:
        """What a token takes in the pool of a draft apart."""
        return 0 if self.apart is None else self.apart.token_bytes(self.tp)

    def estimated_token_bytes(self, rank: int) -> int:
        """
        Return what the estimate counts for a token on a rank, before there is a manager.

        It is never more than the manager's, and less where KV heads do not divide by tp: it takes the
        fraction of a head, and none of a draft's layers in the same pool. Source: get_cache_size_per_token in
        resource_manager.py.
        """
        own = self._estimated(self.shape, sum(group.own for group in self.groups[rank]))
        return own + (self._estimated(self.apart.shape, self.apart.layers) if self.apart else 0)

    def _estimated(self, shape: RowShape, layers: int) -> int:
        width = shape.width * shape.heads // self.tp if shape.copies > 1 else shape.width
        return estimated_bytes(layers * (shape.copies * width + shape.selector_bytes), shape.dtype)


def plan_pools(  # noqa: PLR0913 - what a manager is built from
    stages: Sequence[Stage],
    *,
    rules: TrtllmRules,
    tp: int,
    block_size: int,
    max_num_tokens: int,
    max_tokens: int | None,
    windows: Windows,
    drafted: int | None = None,
    apart: bool = False,
) -> Pools | None:
    """
    Return the pools of a model; None if it caches nothing.

    Layers of what drafts are on the last rank, as many as are *drafted* where that is said (get_pp_layers in
    resource_manager.py, get_num_spec_layers in speculative/utils.py), or *apart*, all of them.
    Raises RefusedError for what the manager refuses, or kvplan does not know of it.
    """
    layers = [stage.layers for stage in stages]
    drafts = () if apart else stages[-1].drafts
    shape = model_shape([*(layer for stage in layers for layer in stage), *drafts])
    if shape is None:
        return None
    _require_windows(shape, windows or (), rules)
    if shape.copies == 1:
        # The one window of latents is rewritten to the longest sequence (KVCacheManager.__init__).
        windows = None
    groups = tuple(_groups(stage, windows) for stage in layers)
    if drafts:
        groups = (*groups[:-1], _with_drafts(groups[-1], (drafted or len(drafts)), windows))
    if len({tuple(group.window for group in each) for each in groups}) > 1:
        raise RefusedError(
            "the windows of max_attention_window differ by pipeline rank, which TensorRT-LLM does not "
            "support: choose another pp"
        )
    return Pools(
        rules=rules,
        shape=shape,
        tp=tp,
        block_size=block_size,
        max_num_tokens=max_num_tokens,
        max_tokens=max_tokens,
        groups=groups,
        apart=_apart(stages, groups) if apart else None,
    )


def _apart(stages: Sequence[Stage], groups: Sequence[Sequence[Group]]) -> Apart | None:
    """Return the pool of a draft's own; raise RefusedError for one beside several ranks or windows."""
    if len(groups) > 1 or len(groups[0]) > 1:
        raise RefusedError(
            "how TensorRT-LLM divides memory between a draft's own pool and several of the model's, one for "
            "each window or pipeline rank, is not known to kvplan: leave max_attention_window or pp out"
        )
    shape = model_shape(stages[-1].drafts)
    return None if shape is None else Apart(shape=shape, layers=len(stages[-1].drafts))


def _with_drafts(groups: tuple[Group, ...], drafts: int, windows: Windows) -> tuple[Group, ...]:
    """Return the groups of the last rank with so many layers more, which go on with the windows' pattern."""
    if windows is None:
        return (replace(groups[0], drafts=drafts),)
    own = sum(group.own for group in groups)
    of = Counter(windows[(own + place) % len(windows)] for place in range(drafts))
    return tuple(replace(group, drafts=of[group.window or 0]) for group in groups)


def _require_windows(shape: RowShape, windows: tuple[int, ...], rules: TrtllmRules) -> None:
    lengths = len(set(windows))
    if lengths > rules.most_windows:
        raise RefusedError(
            f"{rules.name} was tested with windows of {rules.most_windows} lengths, and "
            f"max_attention_window has {lengths}"
        )
    if lengths > 1 and shape.copies == 1:
        raise RefusedError("TensorRT-LLM keeps latents in one window only: leave max_attention_window out")
    if lengths > 1 and shape.dtype.block > 1:
        raise RefusedError(
            "TensorRT-LLM divides memory between windows without counting the scales of nvfp4, so that the "
            "pools exceed it: leave max_attention_window out, or use fp8"
        )


def _groups(layers: Sequence[Layer], windows: Windows) -> tuple[Group, ...]:
    """Return the groups of one rank, whose layers start the pattern anew (_get_window_size_to_layers)."""
    if windows is None:
        return (Group(window=None, layers=tuple(Counter(layers).items())),)
    counts: dict[int, Counter[Layer]] = {}
    for place, layer in enumerate(layers):
        counts.setdefault(windows[place % len(windows)], Counter())[layer] += 1
    return tuple(Group(window=window, layers=tuple(counts[window].items())) for window in sorted(counts))
