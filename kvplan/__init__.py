"""
Plan the KV-cache memory of language-model serving, from exact formulas.

`load`, `size`, `fit`, `check`, `explain`, `compare`, `whatif` and `advise` answer with typed, frozen
results; sizes are ints of bytes. `plan` returns what scripts ask again and again, and `sweep` answers
whole grids; `write_report` makes a file of answers to send. Everything that the command line can do is
here. Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kvplan.alternatives.advise import Advised, advise
    from kvplan.alternatives.compare import Comparison, compare
    from kvplan.alternatives.sketch import new
    from kvplan.alternatives.whatif import WhatIf, whatif
    from kvplan.errors import KvplanError
    from kvplan.grids.sweep import sweep
    from kvplan.importers import load
    from kvplan.planner.check import Check, check
    from kvplan.planner.explain import Explanation, explain
    from kvplan.planner.fit import Fit, fit, plan
    from kvplan.planner.plan import Plan
    from kvplan.planner.size import Size, size
    from kvplan.report.reports import write_report
    from kvplan.specs import ModelSpec

_HOMES = {
    "Advised": "kvplan.alternatives.advise",
    "Check": "kvplan.planner.check",
    "Comparison": "kvplan.alternatives.compare",
    "Explanation": "kvplan.planner.explain",
    "Fit": "kvplan.planner.fit",
    "KvplanError": "kvplan.errors",
    "ModelSpec": "kvplan.specs",
    "Plan": "kvplan.planner.plan",
    "Size": "kvplan.planner.size",
    "WhatIf": "kvplan.alternatives.whatif",
    "advise": "kvplan.alternatives.advise",
    "check": "kvplan.planner.check",
    "compare": "kvplan.alternatives.compare",
    "explain": "kvplan.planner.explain",
    "fit": "kvplan.planner.fit",
    "load": "kvplan.importers",
    "new": "kvplan.alternatives.sketch",
    "plan": "kvplan.planner.fit",
    "size": "kvplan.planner.size",
    "sweep": "kvplan.grids.sweep",
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
    "Check",
    "Comparison",
    "Explanation",
    "Fit",
    "KvplanError",
    "ModelSpec",
    "Plan",
    "Size",
    "WhatIf",
    "advise",
    "check",
    "compare",
    "explain",
    "fit",
    "load",
    "new",
    "plan",
    "size",
    "sweep",
    "whatif",
    "write_report",
]
