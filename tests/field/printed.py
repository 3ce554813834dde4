"""The KV memory that a start-up printed, beside the planned one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A start-up by its `id`: the KV memory that it printed, and the planned one with its range, in bytes."""

    id: str
    printed_bytes: int
    planned_bytes: int
    low_bytes: int
    high_bytes: int

    @property
    def error(self) -> float:
        """How far the plan is off, as a share of what was printed."""
        return self.planned_bytes / self.printed_bytes - 1

    @property
    def inside(self) -> bool:
        """Whether the printed memory lies in the range that the plan prints."""
        return self.low_bytes <= self.printed_bytes <= self.high_bytes
