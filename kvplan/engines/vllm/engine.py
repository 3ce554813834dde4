"""vLLM as the planner sees it: its layout, its start-up figures and its share of the card."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from kvplan.dtypes import dtype_by_name
from kvplan.engines.base import Engine, EngineOptions, Line, Share, StartUp, always
from kvplan.engines.overheads import vllm_start_up
from kvplan.engines.settings import Setting, Settings, read_settings
from kvplan.engines.vllm.formats import kv_dtype_name, state_dtypes
from kvplan.engines.vllm.layout import Layout, plan_layout
from kvplan.engines.vllm.options import VllmOptions
from kvplan.engines.vllm.pool import plan_pool
from kvplan.engines.vllm.versions import VllmRules, find_rules
from kvplan.engines.vllm.waterfall import waterfall
from kvplan.terms import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A cache in vLLM's pool of blocks."""

    layout: Layout

    def reserved_bytes(self, *, rank: int, context: int, batch: int) -> int:
        """Return the bytes of the requests' blocks and of the null block."""
        return self.layout.reserved_bytes(rank=rank, context=context, batch=batch)

    def lines(self, *, rank: int, context: int, batch: int) -> tuple[Line, ...]:
        """Return why these are not the formula's bytes."""
        return waterfall(self.layout, rank=rank, context=context, batch=batch)

    def most_bytes(self, rank: int) -> int | None:
        """Return the bytes of num_gpu_blocks_override; None if it is not set."""
        blocks = self.layout.options.blocks
        return None if blocks is None else blocks * self.layout.bytes_per_block[rank]

    def most_sequences(self, context: int) -> int | None:
        """Return None: max_num_seqs is an option of the plan."""

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:
        """Return what vLLM prints; None for a model that caches nothing."""
        pool = plan_pool(self.layout, available_bytes, context)
        if pool.kv_tokens is None:
            return None
        return StartUp(
            num_blocks=pool.num_blocks,
            block_size=pool.block_size,
            kv_tokens=pool.kv_tokens,
            max_concurrency=pool.max_concurrency,
        )


_STATE_DTYPES = ("auto", "float32", "float16", "bfloat16")

SETTINGS = (
    Setting(name="hybrid_manager", kind="flag", help="off is --disable-hybrid-kv-cache-manager"),
    Setting(name="async_scheduling", kind="flag", help="off keeps fewer tokens in flight"),
    Setting(name="num_gpu_blocks_override", kind="count", help="blocks in place of those that fit"),
    Setting(name="num_speculative_tokens", kind="count", help="states are kept for each"),
    Setting(name="mamba_cache_mode", kind="name", help="how states are kept", choices=("none", "align")),
    Setting(name="mamba_cache_dtype", kind="name", help="of convolutions and states", choices=_STATE_DTYPES),
    Setting(name="mamba_ssm_cache_dtype", kind="name", help="of states", choices=_STATE_DTYPES),
)
"""Options of vLLM that other engines do not have, by its names in config/cache.py and engine/arg_utils.py."""


def vllm(version: str | None) -> Engine:
    """Return vLLM by the rules of a release, the newest known if none is named."""
    rules = find_rules(version)
    return Engine(
        name=f"vllm@{rules.version[0]}.{rules.version[1]}",
        arrange=lambda stages, options: _arrange(stages, options, rules),
        kv_dtype=kv_dtype_name,
        share=Share(of="card", default=always(rules.utilization)),
        needs=partial(
            vllm_start_up, sampler=rules.sampler, outside=rules.outside, counts_graphs=rules.counts_graphs
        ),
        settings=SETTINGS,
    )


def _arrange(stages: Sequence[Stage], options: EngineOptions, rules: VllmRules) -> Blocks:
    given = read_settings("vllm", SETTINGS, options.settings)
    layers = [stage.layers for stage in stages]
    return Blocks(layout=plan_layout(layers, tp=options.tp, rules=rules, options=_asked(options, given)))


def _asked(options: EngineOptions, given: Settings) -> VllmOptions:
    """Return vLLM's own options; a dtype that is asked for holds where the release fixes none."""
    conv, state = state_dtypes(dtype_by_name(_dtype(given, "mamba_cache_dtype") or options.dtype), None)
    asked = _dtype(given, "mamba_ssm_cache_dtype")
    kept = None if options.states_fixed else state
    defaults = VllmOptions()
    mode = given.name("mamba_cache_mode")
    return VllmOptions(
        block_size=options.block_size,
        max_num_batched_tokens=options.max_num_batched_tokens or defaults.max_num_batched_tokens,
        dcp=options.dcp,
        prefix_caching=options.prefix_caching,
        conv_dtype=conv,
        state_dtype=dtype_by_name(asked) if asked else kept,
        async_scheduling=_flag(given, "async_scheduling"),
        hybrid_manager=_flag(given, "hybrid_manager"),
        state_mode="align" if mode == "align" else "none" if mode == "none" else None,
        speculative_tokens=given.count("num_speculative_tokens") or 0,
        blocks=given.count("num_gpu_blocks_override"),
    )


def _flag(given: Settings, name: str) -> bool:
    """Return a flag that is on unless it is turned off."""
    return given.flag(name) is not False


def _dtype(given: Settings, name: str) -> str | None:
    """Return a dtype that is asked for; `auto` leaves it to vLLM."""
    value = given.name(name)
    return None if value == "auto" else value
