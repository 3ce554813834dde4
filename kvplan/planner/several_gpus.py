"""GPUs that are named with their number, `8xH100`: one of them, and a spread over all."""

from collections.abc import Mapping
from math import prod
from typing import Any

from kvplan.engines import EXACT, find_engine
from kvplan.errors import OptionsError
from kvplan.gpus import several

DEGREES = ("tp", "pp", "dp", "cp")
"""The options that say over how many GPUs a model is spread."""


def as_spread(options: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """
    Return *options* with one GPU and the degrees that use all that are named, and how they were read.

    Degrees that are given must use so many GPUs; without any, the engine's own way to spread does. Raises
    OptionsError where they do not.
    """
    gpu = options.get("gpu")
    if not isinstance(gpu, str):
        return options, None
    count, one = several(gpu)
    if count == 1:
        return {**options, "gpu": one}, None
    degrees = {name: options.get(name) or 1 for name in DEGREES}
    used = prod(degrees.values())
    if used == count:
        return {**options, "gpu": one}, None
    if any(name in options for name in DEGREES):
        said = [f"{name} {degree}" for name, degree in degrees.items() if degree > 1 or name != "cp"]
        spread = " x ".join(said)
        raise OptionsError(
            f"{gpu} are {count} GPUs, and {spread} use {used}: make them agree, or give --gpu {one}"
        )
    way = find_engine(options.get("engine") or EXACT.name).spread
    return {
        **options,
        "gpu": one,
        way: count,
    }, f"{gpu} is read as {count} x {one}, with {way} {count}"
