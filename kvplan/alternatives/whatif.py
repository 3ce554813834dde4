"""A design changed step by step: what each change makes of its cache."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from kvplan.alternatives.options import WhatIfOptions
from kvplan.alternatives.rows import Row, row_of, row_or_reason
from kvplan.arguments import checked
from kvplan.changes import CHANGES, Change
from kvplan.changes.stored import Stored
from kvplan.planner.size import Model, as_spec
from kvplan.records import record
from kvplan.specs import ModelSpec


@record
class WhatIf:
    """
    A design before and after each of its `changes`: a row of figures for each of `specs`.

    The first spec is the model as it was, and the last the changed one.
    """

    changes: tuple[Change, ...]
    specs: tuple[ModelSpec, ...]
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return f"<WhatIf {self.specs[0].name}: {', '.join(change.words() for change in self.changes)}>"

    @property
    def spec(self) -> ModelSpec:
        """The design after all changes."""
        return self.specs[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        changes = [
            {"change": change.words(), "source": change.source, "note": change.note or None}
            for change in self.changes
        ]
        return {
            "model": self.specs[0].name,
            "changes": changes,
            "rows": [row.to_dict() for row in self.rows],
            "spec": self.spec.model_dump(mode="json", exclude_defaults=True),
        }


@checked
def whatif(model: Model, **options: Unpack[WhatIfOptions]) -> WhatIf:
    """
    Return what changes of a design would make of its cache: `whatif("llama-65b", gqa=8, window="4k")`.

    The changes are made in the order in which they are given; the other options are those of `fit`, or of
    `size` where no memory is named. Raises a KvplanError for a change that is not understood, that the model
    has nothing for, or that would take more where it claims to shrink.
    """
    spec, steps = as_spec(model, options.get("ignore", ())), tuple(_changes(options))
    named: dict[str, Any] = {name: value for name, value in options.items() if name not in _STEPS}
    specs, rows = [spec], [row_of(spec, named)]
    for change in steps:
        specs.append(change.made_of(specs[-1]))
        named |= change.planned()
        rows.append(row_or_reason(specs[-1], named))
    return WhatIf(changes=steps, specs=tuple(specs), rows=shared_out(rows))


_STEPS: Mapping[str, type[Change]] = {**CHANGES, "kv_dtype": Stored}
"""What an option changes, in the order in which the options stand."""


def _changes(options: Mapping[str, Any]) -> Iterator[Change]:
    for name, value in options.items():
        if name in _STEPS and value is not None and value is not False:
            yield _STEPS[name].read("" if value is True else str(value))


def shared_out(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return rows with each one's share of the first one's sequence."""
    first = rows[0].bytes_per_sequence if rows else None
    return tuple(
        replace(row, share=row.bytes_per_sequence / first)
        if first and row.bytes_per_sequence is not None
        else row
        for row in rows
    )
