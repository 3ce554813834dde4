"""The tables of alternatives.md; cog calls these functions."""

from collections.abc import Mapping
from fractions import Fraction

import cog

import kvplan
from kvplan.alternatives.kinds import KindRow, dimensions_of, kinds
from kvplan.changes import CHANGES

_SURVEYS: Mapping[str, str] = {
    "mha": "1.0 and 1.0",
    "gqa, G = h / 2": "0.75 of the parameters",
    "gqa, G = h / 8": "0.56 of the parameters",
    "mqa": "1 / heads of the cache",
    "mla": "0.42 of the parameters",
}
"""What surveys print of a kind, relative to MHA."""


def changes() -> None:
    """Write a row for each change of a design."""
    cog.outl("| change | what it does | source |\n|---|---|---|")
    for change in CHANGES.values():
        written = change.written().removeprefix("write ")
        doc = " ".join((change.__doc__ or "").split())
        note = f" {change.note.capitalize()}." if change.note else ""
        cog.outl(f"| `{written}` | {doc}{note} | {change.source} |")


def literature(model: str) -> None:
    """Write the table of one model's dimensions in every kind of attention."""
    of = dimensions_of(kvplan.load(model))
    title = f"{of.heads} heads of {of.head_dim}, {of.layers} layers, a width of {of.hidden:,}"
    cog.outl(f"\n{model}: {title}.\n")
    cog.outl("| kind | elements per token and layer | of MHA | fixed elements per layer | as tokens of MHA |")
    cog.outl("|---|--:|--:|--:|--:|")
    rows = kinds(of)
    for row in rows:
        cells = (row.name, _number(row.token_elements), _ratio(row.cache))
        fixed = (_number(row.fixed_elements), _number(row.equal_tokens))
        cog.outl(f"| {' | '.join((*cells, *fixed))} |")
    cog.outl("\n| kind | attention parameters | of MHA | surveys | work | stops growing | legal tp |")
    cog.outl("|---|--:|--:|---|---|--:|---|")
    for row in rows:
        printed = _SURVEYS.get(_generic(row, of.heads), "")
        legal = ", ".join(map(str, row.legal_tp))
        cells = (row.name, f"{row.parameters:,}", _ratio(row.share), printed, row.work, _stops(row), legal)
        cog.outl(f"| {' | '.join(cells)} |")


def _stops(row: KindRow) -> str:
    if row.stops_at is None:
        return "never"
    return f"at {row.stops_at:,} tokens" if row.stops_at else "from the start"


def _generic(row: KindRow, heads: int) -> str:
    name, _, groups = row.name.partition(", G = ")
    return f"{name}, G = h / {heads // int(groups)}" if groups else name


def _number(value: Fraction) -> str:
    return f"{float(value):,.4g}" if value.denominator != 1 else f"{value.numerator:,}"


def _ratio(value: Fraction) -> str:
    return f"{float(value):.4g}"
