"""
L4: the memory of a GPU as torch's allocator counts it; on a CPU the same code counts storages.

(a) real model classes, (b) paged pools that are filled and read, (c) the edge of a budget, (d) what a
budget needs beside tensors, (e) published models at full size, (f) the edge of the card itself.
Nothing of it counts as validated on CUDA unless a GPU was measured.
"""

from collections.abc import Callable
from functools import partial

from kvplan.specs.load import load, path_of
from kvplan.validate.results import Check, Measurement


def checks(models: tuple[str, ...]) -> list[Check]:
    """Return the checks of this level; with *models*, only the real classes and edges of theirs."""
    if models:
        return [*_real(models), *_edges(models), *_full(models)]
    return [*_first(), *_real(), *_pools(), *_edges(), *_card(), *_full(), *_last()]


def _check(part: str, what: str, run: Callable[[str], list[Measurement]]) -> Check:
    return Check(level="L4", name=f"({part}) {what}", run=run, part=part)


def _real(models: tuple[str, ...] = ()) -> list[Check]:
    from kvplan.validate.gpu.real import chosen, run_real  # noqa: PLC0415 - imports torch

    families = {path_of(model).parent.name for model in models}
    return [
        _check("a", toy.name, partial(run_real, toy))
        for toy in chosen()
        if not models or toy.family in families
    ]


def _pools() -> list[Check]:
    from kvplan.validate.gpu.pool import POOLS, run_pool  # noqa: PLC0415 - imports torch

    return [_check("b", f"{pool.family} pool", partial(run_pool, pool)) for pool in POOLS]


def _edges(models: tuple[str, ...] = ()) -> list[Check]:
    from kvplan.validate.gpu.edge import EDGES, run_card_edge, run_edge  # noqa: PLC0415 - imports torch

    names = {load(model).name for model in models}
    return [
        _check(part, f"{edge.family}: {edge.model}", partial(run, edge))
        for part, run in (("c", run_edge), ("f", run_card_edge))
        for edge in EDGES
        if not models or edge.model in names
    ]


def _card() -> list[Check]:
    from kvplan.validate.gpu.card import run_catalogue, run_refusal  # noqa: PLC0415 - imports torch

    return [
        _check("f", "the driver's refusal", run_refusal),
        _check("f", "the catalogue's bytes", run_catalogue),
    ]


def _full(models: tuple[str, ...] = ()) -> list[Check]:
    from kvplan.validate.gpu.full_size import full_sizes, run_full_size  # noqa: PLC0415 - imports torch

    names = {load(model).name for model in models}
    return [
        _check("e", each.full.model, partial(run_full_size, each))
        for each in full_sizes()
        if not models or each.full.model in names
    ]


def _first() -> list[Check]:
    """Return what has to be measured before anything else: an empty pool, and the context alone."""
    from kvplan.validate.gpu.findings import run_context, run_rounding, run_workspace  # noqa: PLC0415

    return [
        _check("d", "context at the start", partial(run_context, "at the start")),
        _check("d", "rounding", run_rounding),
        _check("d", "workspace", run_workspace),
    ]


def _last() -> list[Check]:
    """Return the context with the kernels of all other checks loaded, and the calls that await a GPU."""
    from kvplan.validate.gpu.findings import AWAITED, run_call, run_context  # noqa: PLC0415

    context = _check("d", "context at the end", partial(run_context, "at the end"))
    return [context, *(Check(level="L4", name=call, run=partial(run_call, call)) for call in AWAITED)]
