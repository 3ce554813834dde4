"""
An engine's start-up log against the plan: which figures agree, and what explains those that do not.

`read_log` reads the log alone; `reconcile` plans what it describes and compares.
"""

from kvplan.reconcile.errors import LogError
from kvplan.reconcile.explain import reconcile
from kvplan.reconcile.log import Figure, PrintedOptions, StartUpLog
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.read import read_log, read_source
from kvplan.reconcile.results import Explanation, Reconciliation
from kvplan.reconcile.rows import Row
from kvplan.reconcile.setup import Overrides, Setup

__all__ = [
    "Explanation",
    "Figure",
    "LogError",
    "Overrides",
    "Printed",
    "PrintedOptions",
    "Reconciliation",
    "Row",
    "Setup",
    "StartUpLog",
    "read_log",
    "read_source",
    "reconcile",
]
