"""
What vLLM printed, out of the memory that it printed.

A rounded memory stands for many. All figures rise with it, so that the least memory that reaches
every printed figure is the only one to look at: there, all of them have to be exactly the printed ones.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import kvplan
from kvplan.engines.vllm.engine import PagedCache
from kvplan.units import GIB
from tests.field.asking import arranged, asked
from tests.field.field_records import Record
from tests.field.figures import Figure, equal, same_size, sizes

SWAP = 4 * GIB
"""The CPU memory that vLLM divided into blocks by default while it had some (swap_space)."""

STEP = "0.01"
"""vLLM rounds to two decimals and drops zeros at the end: 42.8 GiB is 42.80."""

Bounds = dict[str, tuple[Any, Any]]


def pool(record: Record) -> list[Figure]:
    """Return blocks, tokens and concurrency out of the printed memory."""
    printed, options, bounds = record.printed, asked(record), _bounds(record)
    # A memory below 0 was printed, too; it holds nothing.
    if "available_kv_gib" not in printed or not bounds or Decimal(printed["available_kv_gib"]) < 0:
        return []
    step = record.plan.get("rounded", {}).get("available_kv_gib", STEP)

    def reached(memory: int) -> bool:
        found = _start_up(options, record, memory)
        return all(found[name] is not None and found[name] >= least for name, (least, _) in bounds.items())

    least = least_of(*sizes(printed["available_kv_gib"], step, GIB), reached)
    return _compared(record, _start_up(options, record, least), bounds)


def least_of(low: int, high: int, reached: Callable[[int], bool]) -> int:
    """Return the least memory from *low* on with which all is *reached*, or *high*."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def given_blocks(record: Record) -> list[Figure]:
    """Return tokens and concurrency out of the printed blocks, where no memory is printed."""
    printed = record.printed
    bounds = {name: bound for name, bound in _bounds(record).items() if name != "num_gpu_blocks"}
    if "available_kv_gib" in printed or "num_gpu_blocks" not in printed or not bounds:
        return []
    options = asked(record)
    options["settings"] = {**options["settings"], "num_gpu_blocks_override": str(printed["num_gpu_blocks"])}
    return _compared(record, _start_up(options, record, GIB), bounds)


def swap(record: Record) -> list[Figure]:
    """Return the blocks of vLLM's CPU memory."""
    if "num_cpu_blocks" not in record.printed:
        return []
    blocks = kvplan.fit(**{**asked(record), "context": 16}, kv_memory=SWAP).num_blocks
    return [equal(record, "num_cpu_blocks", blocks)]


def room(record: Record) -> list[Figure]:
    """Return the memory that a context needs, and the longest context of the printed memory."""
    printed = record.printed
    if "needed_gib" not in printed:
        return []
    figures = [same_size(record, "needed_gib", _needed(record, printed["needed_for_len"]), GIB, STEP)]
    if "est_max_len" in printed:
        least, most = sizes(printed["available_kv_gib"], STEP, GIB)
        longest = printed["est_max_len"]
        fits = _needed(record, longest) <= most and _needed(record, longest + 1) > least
        figures.append(equal(record, "est_max_len", longest if fits else f"not with {least} to {most} B"))
    return figures


def _needed(record: Record, context: int) -> int:
    """Return what vLLM's start-up check asks for one request, all of whose prefill is in flight."""
    arrangement = arranged(record)
    assert isinstance(arrangement, PagedCache)
    return arrangement.layout.blocks_per_request(context) * max(arrangement.layout.bytes_per_block)


def _start_up(options: dict[str, Any], record: Record, memory: int) -> dict[str, Any]:
    answer = kvplan.fit(**options, kv_memory=memory)
    concurrency = answer.max_concurrency
    if concurrency is not None and "context" in record.plan and "max_concurrency" in record.printed:
        # Printed for a context that was refused afterwards, so that kvplan is asked for a short one.
        concurrency *= _needed(record, options["context"]) / _needed(record, record.facts["max_model_len"])
    return {
        "num_gpu_blocks": answer.num_blocks,
        "kv_tokens": answer.kv_tokens,
        "max_concurrency": None if concurrency is None else Decimal(f"{concurrency:.2f}"),
    }


def _bounds(record: Record) -> Bounds:
    """Return the least and the greatest value for which each printed figure stands."""
    printed, rounded = record.printed, record.plan.get("rounded", {})
    bounds: Bounds = {}
    for name in ("num_gpu_blocks", "kv_tokens"):
        if name in printed:
            half = rounded.get(name, 0) // 2
            bounds[name] = (printed[name] - half, printed[name] + half)
    if "max_concurrency" in printed:
        bounds["max_concurrency"] = (Decimal(printed["max_concurrency"]),) * 2
    return bounds


def _compared(record: Record, found: Mapping[str, Any], bounds: Bounds) -> list[Figure]:
    return [
        Figure(
            name=name,
            printed=str(record.printed[name]),
            computed=str(found[name]),
            reproduced=found[name] is not None and low <= found[name] <= high,
        )
        for name, (low, high) in bounds.items()
    ]
