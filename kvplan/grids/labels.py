"""What all points of a structure say of it, and what people compare structures by."""

from typing import Any

import numpy as np

from kvplan.grids.arrays import AnyArray
from kvplan.grids.columns import NONE, PRICE
from kvplan.grids.grid import Structure
from kvplan.planner.plan import Plan


def labels_of(structure: Structure, plan: Plan | None) -> dict[str, Any]:
    """Return what all points of a structure say of it: as it was asked, or else as it is planned."""
    planned: dict[str, Any] = {}
    if plan is not None:
        choice, deployment = plan.deployment.choice, plan.deployment
        planned = {
            "gpu": plan.gpu,
            "engine": deployment.engine.name,
            "kv_dtype": deployment.kv.name,
            "tp": choice.tp,
            "pp": choice.pp,
            "dp": choice.dp,
            "gpus": deployment.gpus,
        }
    asked = {name: value for name, value in structure.asked.items() if value is not None}
    return {"model": structure.model, **planned, **asked}


def ratios(name: str, most: AnyArray, gpus: int, hour: float | None) -> dict[str, AnyArray]:
    """
    Return what people compare plans by, of the *most* sequences that the column *name* has.

    *hour* is what all *gpus* cost, None without prices. No bytes are among it, and NaN stands where there is
    none.
    """
    found = {f"{name}_per_gpu": np.where(most == NONE, np.nan, most / gpus)}
    if hour is not None:
        found[PRICE.name] = hour / np.where(most < 1, np.nan, most)
    return found
