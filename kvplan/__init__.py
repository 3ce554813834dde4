"""
Plan the KV-cache memory of language-model serving, from exact formulas.

`load`, `size`, `fit`, `check`, `explain`, `compare`, `whatif` and `advise` answer with typed, frozen
results; sizes are ints of bytes. `plan` returns what scripts ask again and again, `sweep` answers whole
grids, `hold` those of unequal requests; `plot` draws, and `write_report` makes a file of answers to send.
Everything that the command line can do is here. Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kvplan.version import __version__ as __version__

if TYPE_CHECKING:
    from kvplan.alternatives.advise import Advised, advise
    from kvplan.alternatives.compare import Comparison, compare
    from kvplan.alternatives.sketch import new
    from kvplan.alternatives.whatif import WhatIf, whatif
    from kvplan.errors import KvplanError
    from kvplan.grids.sweep import sweep
    from kvplan.importers import load
    from kvplan.phases.disaggregate import Disaggregation, disaggregate
    from kvplan.phases.together import Bounds, bounds
    from kvplan.pictures.chart import Chart
    from kvplan.pictures.plot import plot
    from kvplan.planner.check import Check, check
    from kvplan.planner.explain import Explanation, explain
    from kvplan.planner.fit import Fit, fit, plan
    from kvplan.planner.plan import Plan
    from kvplan.planner.size import Size, size
    from kvplan.report.reports import write_report
    from kvplan.specs import ModelSpec
    from kvplan.tiering.answer import Tiers, tiers
    from kvplan.traffic.hold import hold
    from kvplan.traffic.read import read_traffic

_HOMES = {
    "Advised": "kvplan.alternatives.advise",
    "Chart": "kvplan.pictures.chart",
    "Bounds": "kvplan.phases.together",
    "Check": "kvplan.planner.check",
    "Comparison": "kvplan.alternatives.compare",
    "Disaggregation": "kvplan.phases.disaggregate",
    "Explanation": "kvplan.planner.explain",
    "Fit": "kvplan.planner.fit",
    "KvplanError": "kvplan.errors",
    "ModelSpec": "kvplan.specs",
    "Plan": "kvplan.planner.plan",
    "Size": "kvplan.planner.size",
    "Tiers": "kvplan.tiering.answer",
    "WhatIf": "kvplan.alternatives.whatif",
    "advise": "kvplan.alternatives.advise",
    "bounds": "kvplan.phases.together",
    "check": "kvplan.planner.check",
    "compare": "kvplan.alternatives.compare",
    "disaggregate": "kvplan.phases.disaggregate",
    "explain": "kvplan.planner.explain",
    "fit": "kvplan.planner.fit",
    "hold": "kvplan.traffic.hold",
    "load": "kvplan.importers",
    "new": "kvplan.alternatives.sketch",
    "plan": "kvplan.planner.fit",
    "plot": "kvplan.pictures.plot",
    "read_traffic": "kvplan.traffic.read",
    "size": "kvplan.planner.size",
    "sweep": "kvplan.grids.sweep",
    "tiers": "kvplan.tiering.answer",
    "whatif": "kvplan.alternatives.whatif",
    "write_report": "kvplan.report.reports",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - functions and classes
    if name not in _HOMES:
        raise AttributeError(f"module 'kvplan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names: none is there before it is used."""
    return sorted([*__all__, "__version__"])


__all__ = [
    "Advised",
    "Bounds",
    "Chart",
    "Check",
    "Comparison",
    "Disaggregation",
    "Explanation",
    "Fit",
    "KvplanError",
    "ModelSpec",
    "Plan",
    "Size",
    "Tiers",
    "WhatIf",
    "advise",
    "bounds",
    "check",
    "compare",
    "disaggregate",
    "explain",
    "fit",
    "hold",
    "load",
    "new",
    "plan",
    "plot",
    "read_traffic",
    "size",
    "sweep",
    "tiers",
    "whatif",
    "write_report",
]
