"""A catalogue model in SGLang's pools."""

from typing import Any

from kvplan.engines.sglang.engine import TokenPools
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.size import as_spec


def pools_of(model: str, **choice: Any) -> TokenPools:
    arrangement = deploy(as_spec(model), Choice(engine="sglang", **choice)).arrangement
    assert isinstance(arrangement, TokenPools)
    return arrangement
