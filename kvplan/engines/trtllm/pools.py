"""The blocks of a model, by length of window, on each pipeline rank."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kvplan.engines.trtllm.errors import RefusedError
from kvplan.engines.trtllm.formats import estimated_bytes
from kvplan.engines.trtllm.lowering import RowShape, model_shape
from kvplan.engines.trtllm.versions import TrtllmRules
from kvplan.terms import Layer, Stage
from kvplan.units import ceil_div, maximum, minimum

Windows = tuple[int, ...] | None
"""max_attention_window: tokens that layers keep, a pattern that repeats; None for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The layers of one rank that share a window, None for the whole context, and how many there are."""

    window: int | None
    layers: tuple[tuple[Layer, int], ...]

    @property
    def count(self) -> int:
        """The number of layers."""
        return sum(count for _, count in self.layers)

    def tokens(self, context: int) -> int:
        """Return how many tokens of a sequence lie within the window."""
        return context if self.window is None else minimum(context, self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """A model's cache in the manager's pools: the groups of each pipeline rank, the shortest window first."""

    rules: TrtllmRules
    shape: RowShape
    tp: int
    block_size: int
    max_num_tokens: int
    max_tokens: int | None
    groups: tuple[tuple[Group, ...], ...]

    def at(self, rank: int, context: int) -> tuple[Group, ...]:
        """
        Return the groups that have a pool of their own when sequences get *context* tokens long.

        Windows are cut to the longest sequence, and equal ones share a pool (KVCacheManager.__init__).
        """
        groups = self.groups[rank]
        if len(groups) == 1 or groups[0].tokens(context) < context:
            return groups
        layers = tuple(pair for group in groups for pair in group.layers)
        return (Group(window=groups[-1].window, layers=layers),)

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
        """Return what the manager counts for a token in all layers of *group*."""
        return group.count * self.shape.counted_bytes(self.tp)

    def estimated_token_bytes(self, rank: int) -> int:
        """
        Return what the estimate counts for a token on a rank, before there is a manager.

        It is never more than the manager's, and less where KV heads do not divide by tp: it takes the
        fraction of a head. Source: get_cache_size_per_token in resource_manager.py.
        """
        shape = self.shape
        width = shape.width * shape.heads // self.tp if shape.copies > 1 else shape.width
        layers = sum(group.count for group in self.groups[rank])
        elements = layers * (shape.copies * width + shape.selector_bytes)
        return estimated_bytes(elements, shape.dtype)


def plan_pools(  # noqa: PLR0913 - what a manager is built from
    stages: Sequence[Stage],
    *,
    rules: TrtllmRules,
    tp: int,
    block_size: int,
    max_num_tokens: int,
    max_tokens: int | None,
    windows: Windows,
) -> Pools | None:
    """
    Return the pools of a model; None if it caches nothing.

    Raises RefusedError for what the manager refuses, or kvplan does not know of it.
    """
    layers = [stage.layers for stage in stages]
    shape = model_shape(layer for stage in layers for layer in stage)
    if shape is None:
        return None
    _require_windows(shape, windows or (), rules)
    if shape.copies == 1:
        # The one window of latents is rewritten to the longest sequence (KVCacheManager.__init__).
        windows = None
    groups = tuple(_groups(stage, windows) for stage in layers)
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
    )


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
