"""Which rules of sizing a model and its options choose."""

from dataclasses import replace

from kvplan.engines.sglang.cells import Cells
from kvplan.engines.sglang.errors import OptionsError
from kvplan.engines.sglang.options import SglangOptions
from kvplan.engines.sglang.pools import Sizing
from kvplan.engines.sglang.states import StatePool
from kvplan.engines.sglang.traits import state_strategy
from kvplan.engines.sglang.versions import SglangRules


def choose_sizing(cells: Cells, options: SglangOptions, rules: SglangRules) -> Sizing:
    """
    Return the rules that *options* choose.

    Raises OptionsError for a page that SGLang does not take, and RefusedError for states whose class
    is not known.
    """
    page = _page(cells, options, rules)
    sizing = Sizing(
        cells=cells,
        options=options,
        rules=rules,
        page=page,
        states=_states(cells, options, rules, page),
        window_cap=None,
    )
    return replace(sizing, window_cap=_window_cap(sizing))


def _page(cells: Cells, options: SglangOptions, rules: SglangRules) -> int:
    """
    Return the tokens of a page: as asked, or 1 unless sparse MLA or the attention backend forces another.

    Sources: _page_size_default in arg_groups/overrides.py; arg_groups/model_overrides/deepseek_v2.py. Of a
    backend that is asked for (FlashMLA: 64) give the page as the block size.
    """
    if not cells.sparse:
        return options.page_size or options.forced_page
    if options.page_size not in (None, rules.sparse_page):
        raise OptionsError(
            f"page_size={options.page_size}: {rules.name} takes pages of {rules.sparse_page} "
            "tokens for sparse MLA"
        )
    return rules.sparse_page


def _states(cells: Cells, options: SglangOptions, rules: SglangRules, page: int) -> StatePool:
    return StatePool(
        slot_bytes=cells.slot_bytes,
        per_request=_slots_per_request(cells, options, rules, page),
        fixed=_fixed_slots(options),
        ratio=options.mamba_full_memory_ratio,
        drafted=options.drafted_tokens if cells.slot_bytes else 0,
        requests=options.most_requests or 0,
    )


def _slots_per_request(cells: Cells, options: SglangOptions, rules: SglangRules, page: int) -> int:
    """Return the slots of states that a running request holds (_calculate_mamba_ratio)."""
    if not cells.slot_bytes:
        return 0
    # Stages turn the overlap off when the strategy is chosen (_pipeline_parallel_overlap_disable).
    tracks = not options.in_turn or page > 1
    strategy = state_strategy(options.architecture, asked=options.strategy, tracks=tracks, rules=rules)
    if not options.radix_cache:
        return 1
    if strategy == "no_buffer" and page > 1:  # validate_mamba_no_buffer in arg_groups/mamba_hook.py
        raise OptionsError(
            f"page_size={page}: with no_buffer {rules.name} keeps states at pages of 1 token: "
            "use 1, or turn prefix caching off"
        )
    if strategy == "extra_buffer_lazy" and not options.overlaps:
        raise OptionsError(
            f"mamba_radix_cache_strategy={strategy} goes with overlapping batches alone: use extra_buffer, "
            "one stage, and no disable_overlap_schedule"
        )
    slots = rules.state_slots + dict(rules.buffer_slots)[strategy]
    # get_mamba_tracking_slots in mem_cache/allocation_sizing.py: without a batch in flight one is enough.
    return slots - 1 if strategy == "extra_buffer" and not options.overlaps else slots


def _fixed_slots(options: SglangOptions) -> int | None:
    """Return the slots of the pool of states where no ratio decides them (_handle_max_mamba_cache)."""
    if options.max_mamba_cache_size is not None:
        return options.max_mamba_cache_size
    return None if options.radix_cache else options.most_requests


def _window_cap(sizing: Sizing) -> int | None:
    """
    Return the size of the pool of windows where the number of requests decides it.

    Source: SWARequestCapPoolConfigurator in model_executor/pool_configurator.py: without the radix
    cache, with max_running_requests, which speculation sets, too, and with chunked prefill.
    """
    options, window = sizing.options, sizing.cells.window
    if window is None or options.radix_cache or not options.chunked or options.most_requests is None:
        return None
    return sizing.paged(sizing.most_window_tokens(window, options.most_requests))
