"""GPUs that are named with their number, `8xH100`, or of several kinds: a spread over all of them."""

from collections.abc import Mapping
from math import prod
from typing import Any

from kvplan.engines import EXACT, SharedOptions, find_engine
from kvplan.errors import OptionsError
from kvplan.gpus import is_counted, machine

DEGREES = ("tp", "pp", "dp", "cp")
"""The options that say over how many GPUs a model is spread."""


def as_spread(options: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """
    Return *options* with GPUs and the degrees that use all that are named, and how they were read.

    Degrees that are given must use so many GPUs; without any, the engine's own way to spread does. GPUs of
    several kinds, `2xrtx-4090+1xrtx-3090`, stay together: their order is that of the ranks. Raises
    OptionsError where they do not go together.
    """
    gpu = options.get("gpu")
    if not isinstance(gpu, str):
        return options, None
    joined, nodes = _joined(gpu, options), options.get("nodes") or 1
    groups = machine(joined)
    count, unlike = sum(number for number, _ in groups), len(groups) > 1
    one = joined if unlike else groups[0][1]
    if unlike and nodes > 1:
        raise OptionsError(f"{gpu} on {nodes} nodes: GPUs of several kinds are planned on one node alone")
    if nodes > 1 and is_counted(gpu):
        return _on_nodes(options, gpu, one, count, nodes)
    if count == 1:
        return {**options, "gpu": one}, None
    degrees = _degrees(options)
    used = prod(degrees.values())
    if used == count:
        return {**options, "gpu": one}, None
    if any(name in options for name in DEGREES) or count % used:
        alone = "" if unlike else f", or give --gpu {one}"
        raise OptionsError(f"{gpu} are {count} GPUs, and {_said(degrees)} use {used}: make them agree{alone}")
    way = _way(options)
    if unlike and way != "pp":
        raise OptionsError(
            f"{gpu} are {count} GPUs of unlike kinds: say how they are used, as in --pp {count}",
            "        ranks of a tensor-parallel group hold alike shares, so that the smallest card decides",
        )
    degree = count // used
    if unlike:
        return {**options, "gpu": one, way: degree}, None
    read = f"{gpu} is read as {count} x {one}, with {way} {degree}"
    return {**options, "gpu": one, way: degree}, read


def _on_nodes(
    options: Mapping[str, Any], gpu: str, one: str, count: int, nodes: int
) -> tuple[Mapping[str, Any], str | None]:
    """Return the spread over *nodes* of *count* GPUs each: without degrees, tensor parallelism in each."""
    degrees = _degrees(options)
    used = prod(degrees.values())
    if used == nodes * count:
        return {**options, "gpu": one}, None
    if any(name in options for name in DEGREES) or used > 1:
        raise OptionsError(
            f"{gpu} on {nodes} nodes are {nodes * count} GPUs, and {_said(degrees)} use {used}: "
            "make them agree"
        )
    read = (
        f"{gpu} on {nodes} nodes is read as {nodes * count} x {one}, with tp {count} within each x pp {nodes}"
    )
    return {**options, "gpu": one, "tp": count, "pp": nodes}, read


def _degrees(options: Mapping[str, Any]) -> dict[str, int]:
    """Return the degrees, and the GPUs that a setting of the engine puts in place of each."""
    engine = find_engine(options.get("engine") or EXACT.name)
    further = engine.context_ranks(SharedOptions(settings=options.get("settings") or {}))
    return {name: options.get(name) or 1 for name in DEGREES} | {"context-parallel ranks": further}


def _said(degrees: Mapping[str, int]) -> str:
    always = DEGREES[:-1]
    return " x ".join(f"{name} {degree}" for name, degree in degrees.items() if degree > 1 or name in always)


def _way(options: Mapping[str, Any]) -> str:
    """Return the degree by which the engine uses several GPUs where only their number is given."""
    return find_engine(options.get("engine") or EXACT.name).spread


def _joined(gpu: str, options: Mapping[str, Any]) -> str:
    """
    Return `2xrtx-4090,1xrtx-3090` with `+`, where a list can only mean the cards of one machine.

    Each part says how many there are, and all of them are used together: by the degrees, or because the
    engine splits a model over all cards that there are. Elsewhere a list names alternatives, for a sweep.
    """
    parts = gpu.split(",")
    if len(parts) == 1 or not all(map(is_counted, parts)):
        return gpu
    joined = "+".join(part.strip() for part in parts)
    count = sum(number for number, _ in machine(joined))
    used = prod(_degrees(options).values())
    splits_all = _way(options) == "pp" and not any(name in options for name in DEGREES)
    return joined if used == count or splits_all else gpu
