"""What llama.cpp and SGLang printed of their caches, and what the formula gives for other engines."""

import kvplan
from kvplan.engines.llamacpp.buffers import buffers
from kvplan.engines.llamacpp.engine import Cells
from kvplan.engines.sglang.engine import TokenPools
from kvplan.engines.sglang.pools import Pools
from kvplan.units import GIB, MIB
from tests.field.asking import arranged, asked
from tests.field.field_records import Record
from tests.field.figures import Figure, between, equal, same_size, sizes

_TENSORS = ("k_size", "v_size", "true_size_with_indexer_gb", "conv_state_gb", "ssm_state_gb")
"""SGLang's lines on its tensors; one log leaves the indexer out of kv_size, and gives the true size."""


def llamacpp_buffers(record: Record) -> list[Figure]:
    """Return llama.cpp's buffers: K and V over all its caches of tokens, and the states."""
    printed, slots = record.printed, record.plan.get("slots", 1)
    arrangement = arranged(record)
    assert isinstance(arrangement, Cells), "llama.cpp's arrangement"
    context = record.facts.get("max_model_len", printed.get("cells", 1)) // slots
    found = buffers(arrangement.arranged, context=context, batch=slots)
    tokens = [each for each in found if each.name != "rs"]
    in_bytes = {
        "kv_size_mib": sum(each.size_bytes for each in tokens),
        "k_mib": sum(each.k_bytes for each in tokens),
        "v_mib": sum(each.v_bytes for each in tokens),
        "state_size_mib": sum(each.size_bytes for each in found if each.name == "rs"),
    }
    counts = {
        "cells": max((each.cells * each.streams for each in tokens), default=0),
        "n_layers": arrangement.arranged.layers,
    }
    figures = [same_size(record, name, size, MIB) for name, size in in_bytes.items() if name in printed]
    return figures + [equal(record, name, count) for name, count in counts.items() if name in printed]


def sglang_pools(record: Record) -> list[Figure]:
    """Return the tokens and slots of SGLang's pools out of the printed sizes of their tensors."""
    printed, arrangement = record.printed, arranged(record)
    assert isinstance(arrangement, TokenPools), "SGLang's arrangement"
    lines = [printed[name] for name in _TENSORS if name in printed] or [printed["kv_size"]]
    ends = [sizes(line, "0.01", GIB) for line in lines]
    least, most = sum(low for low, _ in ends), sum(high for _, high in ends)
    if "swa_layer_tokens" in printed:
        return _windows(record, arrangement, least, most)
    # Tensors have a page more than the tokens that are printed.
    page_bytes = arrangement.sizing.page * arrangement.sizing.cells.ranks[0].full_bytes
    low, high = (_pools(record, arrangement, size - page_bytes) for size in (least, most))
    figures = [between(record, "kv_tokens", low.tokens, high.tokens)]
    if low.slots is not None and high.slots is not None:
        figures.append(between(record, "mamba_slots", low.slots, high.slots))
    return figures


def _windows(record: Record, arrangement: TokenPools, least: int, most: int) -> list[Figure]:
    """Return the pool of windows, whose lines are the printed ones, out of the tokens of full attention."""
    rank, page = arrangement.sizing.cells.ranks[0], arrangement.sizing.page
    tokens = _pools(record, arrangement, 2**60).window_tokens or 0
    size = (tokens + page) * rank.window_bytes
    fits = least <= size <= most
    printed = f"{record.printed['k_size']} + {record.printed['v_size']} GB"
    sized = Figure(name="k_size + v_size", printed=printed, computed=f"{size / GIB:.3f} GiB", reproduced=fits)
    return [equal(record, "kv_tokens", tokens), sized]


def _pools(record: Record, arrangement: TokenPools, memory: int) -> Pools:
    found = arrangement.pools([memory], record.facts.get("max_model_len", 4096))
    assert found is not None, "every model here caches something"
    return found


def formula(record: Record) -> list[Figure]:
    """Return what the analytic formula gives for an engine that kvplan does not have."""
    printed = record.printed
    tokens = printed.get("kv_tokens", printed.get("cells"))
    size = kvplan.size(**{**asked(record), "context": tokens}).bytes_per_sequence
    if "kv_bytes" in printed:
        return [equal(record, "kv_bytes", size)]
    return [same_size(record, "kv_size_mib", size, MIB)]
