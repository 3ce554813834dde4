"""What all points of a structure say of it, and what people compare structures by."""

from collections.abc import Mapping
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
            "gpus": choice.tp * choice.pp * choice.dp,
        }
    asked = {name: value for name, value in structure.asked.items() if value is not None}
    return {"model": structure.model, **planned, **asked}


def ratios(name: str, most: AnyArray, plan: Plan, prices: Mapping[str, float]) -> dict[str, AnyArray]:
    """
    Return what people compare plans by, of the *most* sequences that the column *name* has.

    No bytes are among it, and NaN stands where there is none.
    """
    choice = plan.deployment.choice
    gpus = choice.tp * choice.pp * choice.dp
    found = {f"{name}_per_gpu": np.where(most == NONE, np.nan, most / gpus)}
    paid = [prices.get(budget.gpu) for budget in plan.budgets]
    if None not in paid:
        hour = choice.tp * choice.dp * sum(filter(None, paid))
        found[PRICE.name] = hour / np.where(most < 1, np.nan, most)
    return found
