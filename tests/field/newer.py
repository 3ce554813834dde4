"""
Whole plans of newer releases against start-ups to which the profile run was not fitted.

Few logs tell whether torch.compile had a cache of the model: of the others the plan counts that kvplan gives
where nobody says it, that of a first start. Where a driver reported another memory than that of the
catalogue's card (`card_gib`), the utilization is a share of that.
"""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import kvplan
from kvplan import Fit
from kvplan.gpus import find_card
from kvplan.planner.profile import rotations_bytes
from kvplan.specs import ModelSpec
from kvplan.units import GIB
from tests.field.printed import Printed

FILE = Path(__file__).parent / "newer.yaml"
_OURS = ("id", "source", "card_gib", "weights_gib", "kv_gib", "tokens")


@cache
def newer() -> tuple[Printed, ...]:
    """Return a plan for each start-up, the weights given as they were printed."""
    return tuple(map(planned, yaml.safe_load(FILE.read_text(encoding="utf-8"))))


def asked_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `kvplan.fit` for a start-up."""
    asked = {name: value for name, value in row.items() if name not in _OURS}
    if "draft" in row:
        asked["draft"] = ModelSpec.model_validate(row["draft"], strict=False)
    if "card_gib" in row:
        share = Decimal(asked["utilization"]) * Decimal(row["card_gib"]) * GIB
        asked["utilization"] = f"{share / find_card(asked['gpu']).total_bytes:.12f}"
    return asked


def planned(row: dict[str, Any]) -> Printed:
    """Return the plan for a start-up, with the weights that it printed, if it did."""
    asked = asked_of(row)
    if "weights_gib" in row:
        answer = _with_weights(asked, int(Decimal(row["weights_gib"]) * GIB))
    else:
        answer = kvplan.fit(**asked, advice=False)
    low, high = answer.kv_range or (answer.memory.kv_bytes,) * 2
    return Printed(
        id=row["id"],
        printed_bytes=int(Decimal(row["kv_gib"]) * GIB),
        planned_bytes=answer.memory.kv_bytes,
        low_bytes=low,
        high_bytes=high,
    )


def _with_weights(asked: dict[str, Any], on_rank: int) -> Fit:
    """
    Return the plan whose fullest rank holds the bytes that one printed.

    Those have tables of rotations among them, which a plan counts beside the weights.
    """
    replica = on_rank * asked.get("tp", 1) * asked.get("pp", 1)
    plan = kvplan.plan(**asked, weights=replica)
    stored = on_rank - rotations_bytes(plan.deployment, plan.budget.longest)
    weights = replica * stored // plan.memory([]).weights_bytes
    return kvplan.fit(**asked, weights=weights, advice=False)
