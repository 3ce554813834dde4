"""What one token and one slot of recurrent states take on each pipeline rank."""

from collections.abc import Sequence
from dataclasses import field, replace
from itertools import chain

from kvplan.engines.sglang.errors import RefusedError
from kvplan.engines.sglang.lowering import Cell, Lowering
from kvplan.engines.sglang.options import SglangOptions
from kvplan.engines.sglang.traits import FILLS_BLOCKS, UNSAID_MODULES, has_two_pools
from kvplan.engines.sglang.versions import SglangRules
from kvplan.records import record
from kvplan.terms import Stage


@record
class Rank:
    """
    The bytes of one token over the layers of a pipeline rank, and of one slot of its states.

    `full_bytes` is for layers in the token pool, `window_bytes` for those in the pool of windows; of these
    `empty_bytes` and `empty_window_bytes` are for layers that keep nothing and get a buffer all the same.
    `draft_bytes` of the former are for what drafts tokens, as SGLang sizes its pool.
    """

    full_bytes: int
    empty_bytes: int
    window_bytes: int
    empty_window_bytes: int
    slot_bytes: int
    draft_bytes: int = 0


@record
class Cells:
    """
    What all ranks keep; `window` is that of the pool of windows, None where there is none.

    `slot_bytes` are those of one slot of states on the rank that has most of them, 0 without states: every
    rank is charged so much, so that all get the same number of slots (_handle_max_mamba_cache in
    mem_cache/kv_cache_configurator.py). `has_tokens` says whether any layer keeps a row per token.
    """

    ranks: tuple[Rank, ...]
    window: int | None
    sparse: bool
    slot_bytes: int = field(init=False)
    has_tokens: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slot_bytes", max(rank.slot_bytes for rank in self.ranks))
        has_tokens = any(rank.full_bytes or rank.window_bytes for rank in self.ranks)
        object.__setattr__(self, "has_tokens", has_tokens)


def lay_out(stages: Sequence[Stage], options: SglangOptions, rules: SglangRules) -> Cells:
    """
    Return what the stages keep; raise RefusedError for what SGLang cannot store or kvplan has not read.

    A pool stores every layer alike, by the model's one shape, and the token pool of a model without
    states has a buffer for each layer, even for one that keeps nothing: num_effective_layers in
    model_executor/pool_configurator.py and model_runner_components/layer_setup.py. Where windows have a pool,
    such a layer is in the one of the layer whose rows it reads (layer_types in configs/model_config.py).
    """
    lowering = Lowering(options=options, rules=rules)
    kinds = dict.fromkeys(chain.from_iterable(stage.layers for stage in stages))
    cells = {layer: lowering.cell(layer) for layer in kinds}
    slots = {layer: lowering.slot_bytes(layer) for layer in kinds}
    stored = [cell for cell in cells.values() if cell is not None]
    window = _window(stored, options, rules)
    shared = LayerCells(stored=tuple(stored), window=window, whole=bool(stored) and not any(slots.values()))
    _require_alike(shared, rules)
    for stage in stages:
        _require_placed(shared, [cells[layer] for layer in stage.layers], stage.readers, rules)
    ranks = tuple(
        shared.rank(
            [cells[layer] for layer in stage.layers],
            stage.readers,
            sum(slots[layer] for layer in stage.layers),
        )
        for stage in stages
    )
    if options.draft is not None:
        ranks = (_with_draft(ranks[0], shared, stages, lowering),)
    if window is not None and not any(rank.full_bytes for rank in ranks):
        raise RefusedError(f"how {rules.name} sizes a pool of windows alone is not known to kvplan")
    if window is not None and not all(rank.window_bytes for rank in ranks):
        raise RefusedError(
            f"{rules.name} takes no pipeline stage without a windowed layer: use fewer stages, "
            "or disable_hybrid_swa_memory=true"
        )
    return Cells(ranks=ranks, window=window, sparse=any(cell.indexer_bytes for cell in stored))


@record
class LayerCells:
    """The model's layers as SGLang sees them: `whole` if a layer that keeps nothing has a buffer, too."""

    stored: tuple[Cell, ...]
    window: int | None
    whole: bool

    def rank(self, layers: Sequence[Cell | None], readers: Sequence[int | None], slot_bytes: int) -> Rank:
        """Return what *layers* keep of a token on a rank with *slot_bytes* of states."""
        cells = [cell for cell in layers if cell is not None]
        sliding = sum(window is not None for window in readers) if self.window is not None else 0
        others = len(layers) - len(cells) - sliding
        empty = others * self._row(apart=False) if self.whole else 0
        empty_window = sliding * self._row(apart=True) if self.whole else 0
        return Rank(
            full_bytes=empty + sum(_stored(cell) for cell in cells if not self.is_apart(cell)),
            empty_bytes=empty,
            window_bytes=empty_window + sum(_stored(cell) for cell in cells if self.is_apart(cell)),
            empty_window_bytes=empty_window,
            slot_bytes=slot_bytes,
        )

    def _row(self, *, apart: bool) -> int:
        """Return the bytes of a row of a pool, the same in all its layers; 0 if it has none."""
        return next((cell.row_bytes for cell in self.stored if self.is_apart(cell) is apart), 0)

    def is_apart(self, cell: Cell) -> bool:
        """Return whether a layer is in the pool of windows."""
        return self.window is not None and cell.window is not None


def _with_draft(rank: Rank, shape: LayerCells, stages: Sequence[Stage], lowering: Lowering) -> Rank:
    """
    Return what the only rank keeps of a token with a draft's layers: each as large as one of the model's.

    Of sparse MLA each has an indexer, and a draft that fills a block at once is taken as it is. Sources:
    DefaultPoolConfigurator and SWAPoolConfigurator in model_executor/pool_configurator.py of SGLang 0.5.23.
    """
    (stage,) = stages
    drafting = lowering.options.draft
    own = [cell for cell in map(lowering.cell, stage.drafts) if cell is not None]
    if any(shape.is_apart(cell) for cell in own):
        raise RefusedError(f"how {lowering.rules.name} sizes a draft of windows is not known to kvplan")
    whole = [cell for cell in shape.stored if not shape.is_apart(cell)]
    if drafting is None or not own or not whole:
        return rank
    if drafting.architecture in FILLS_BLOCKS:
        more = sum(map(_stored, own))
    else:
        more = 0 if drafting.predicts and drafting.architecture in UNSAID_MODULES else len(own)
        more *= whole[0].row_bytes + max(cell.indexer_bytes for cell in whole)
    return replace(rank, full_bytes=rank.full_bytes + more, draft_bytes=more)


def _stored(cell: Cell) -> int:
    return cell.row_bytes + cell.indexer_bytes


def _window(stored: Sequence[Cell], options: SglangOptions, rules: SglangRules) -> int | None:
    """Return the window of the layers that have a pool of their own; None if there is no such pool."""
    windows = sorted({cell.window for cell in stored if cell.window is not None})
    disabled = options.disable_hybrid_swa_memory
    if not windows or not has_two_pools(options.architecture, disabled=disabled, rules=rules):
        return None
    if len(windows) > 1:
        raise RefusedError(
            f"{rules.name} has one window in a model, and this one has {len(windows)}: {windows}"
        )
    return windows[0]


def _require_alike(shape: LayerCells, rules: SglangRules) -> None:
    """Raise RefusedError where the layers of one pool are not alike."""
    for apart in (False, True):
        rows = sorted({cell.row_bytes for cell in shape.stored if shape.is_apart(cell) is apart})
        if len(rows) > 1:
            raise RefusedError(
                f"{rules.name} stores all layers of a pool alike; these take {', '.join(map(str, rows))} "
                "bytes a token, and how it stores them is not known to kvplan"
            )


def _require_placed(
    shape: LayerCells, layers: Sequence[Cell | None], readers: Sequence[int | None], rules: SglangRules
) -> None:
    """Raise RefusedError for layers that keep nothing, and of which it is open in which pool they are."""
    empty = sum(cell is None for cell in layers)
    if shape.whole and shape.window is not None and empty != len(readers):
        raise RefusedError(
            f"how {rules.name} stores layers that keep nothing beside windows is not known to kvplan"
        )
