"""GPUs that are named with their number, `8xH100`: one of them, and a spread over all."""

from collections.abc import Mapping
from typing import Any

from kvplan.engines import find_engine
from kvplan.errors import OptionsError
from kvplan.gpus import several


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
    given = {name: options.get(name) or 1 for name in ("tp", "pp", "dp")}
    used = given["tp"] * given["pp"] * given["dp"]
    if used == count:
        return {**options, "gpu": one}, None
    if used != 1:
        degrees = " x ".join(f"{name} {degree}" for name, degree in given.items())
        raise OptionsError(
            f"{gpu} are {count} GPUs, and {degrees} use {used}: make them agree, or give --gpu {one}"
        )
    way = find_engine(options.get("engine") or "exact").spread
    return {
        **options,
        "gpu": one,
        way: count,
    }, f"{gpu} is read as {count} GPUs, each a {one}, with {way} {count}"
