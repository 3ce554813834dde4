"""What a reconciliation answers: frozen results whose fields are the keys of `--json`."""

from typing import Any

from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.rows import Row
from kvplan.reconcile.setup import Setup
from kvplan.records import record
from kvplan.shown import Shown


@record
class Explanation:
    """Assumptions under which the plan was made again as `setup` says, and what it then gives."""

    assumptions: tuple[str, ...]
    options: tuple[str, ...]
    rows: tuple[Row, ...]
    setup: Setup

    @property
    def complete(self) -> bool:
        """Whether every exact figure lies in its rounding."""
        return all(row.inside for row in self.rows if row.exact)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return {
            "assumptions": list(self.assumptions),
            "options": list(self.options),
            "complete": self.complete,
            "rows": [row.to_dict() for row in self.rows],
        }


@record
class Reconciliation(Shown):
    """
    What a log says, what the plan says, and what explains the difference.

    `rows` are the exact figures; they are empty where the plan is `refused`, for the reason that
    this gives. `estimates` are the weights and the KV memory, which no plan knows exactly.
    `explanations` is empty where the plan agrees as it stands. They all bring every exact figure into
    its rounding, or the only one is the nearest that was found. `memory_causes` are those under which the
    memory for the cache lies in the planned range.
    """

    log: StartUpLog
    setup: Setup
    rows: tuple[Row, ...]
    refused: str | None
    estimates: tuple[Row, ...]
    explanations: tuple[Explanation, ...]
    memory_causes: tuple[Explanation, ...]
    notes: tuple[str, ...]
    trials: int

    def __repr__(self) -> str:
        return f"<Reconciliation of {self.setup.spec.name} on {self.setup.choice.engine}: {self.verdict}>"

    @property
    def agrees(self) -> bool:
        """Whether the plan gives every exact figure without another assumption."""
        return self.refused is None and all(row.inside for row in self.rows if row.exact)

    @property
    def explained(self) -> bool:
        """Whether every exact figure is explained, by the plan or by an assumption."""
        return self.agrees or any(each.complete for each in self.explanations)

    @property
    def verdict(self) -> str:
        """
        The outcome in a word: `agrees`, `explained`, `unexplained`, or `differs in memory`.

        The last is that of a pool whose figures are right in a memory that the plan does not leave.
        """
        if not self.explained:
            return "unexplained"
        if self.memory_outside is not None:
            return "differs in memory"
        return "agrees" if self.agrees else "explained"

    @property
    def memory_outside(self) -> Row | None:
        """The memory for the cache, where what is printed lies outside the planned range."""
        return next((row for row in self.estimates if row.figure == "KV memory" and not row.inside), None)

    @property
    def largest_difference(self) -> Row | None:
        """
        What differs most from the plan as asked: the memory first, then exact figures, then estimates.

        None if everything is inside.
        """
        exact, estimates = ([row for row in rows if not row.inside] for rows in (self.rows, self.estimates))
        worst = max(exact or estimates, key=lambda row: abs(row.difference_percent), default=None)
        return self.memory_outside or worst

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        choice = self.setup.choice
        return {
            "verdict": self.verdict,
            "model": self.setup.spec.name,
            "source": self.setup.spec.source,
            "engine": choice.engine,
            "tp": choice.tp,
            "pp": choice.pp,
            "context": self.setup.context,
            "kv_dtype": self.setup.kv_name(),
            "rows": [row.to_dict() for row in self.rows],
            "refused": self.refused,
            "estimates": [row.to_dict() for row in self.estimates],
            "explanations": [each.to_dict() for each in self.explanations],
            "memory_causes": [each.to_dict() for each in self.memory_causes],
            "notes": list(self.notes),
            "trials": self.trials,
            "log": self.log.to_dict(),
        }
