"""Models, cards, engines, spreads and dtypes side by side: a line each, impossible ones with their reason."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Literal, get_args

from kvplan.alternatives.products import read_products
from kvplan.alternatives.rows import Row, row_or_reason
from kvplan.alternatives.whatif import shared_out
from kvplan.arguments import as_argument
from kvplan.errors import OptionsError
from kvplan.planner.lists import axes_signature
from kvplan.planner.prices import as_prices, hourly
from kvplan.planner.several import Models
from kvplan.records import record
from kvplan.shown import Shown
from kvplan.specs import ModelSpec

Sort = Literal["bytes_per_token", "bytes_per_sequence", "max_batch", "max_context", "gpus", "price"]

SORT_KEYS: tuple[str, ...] = get_args(Sort)
"""What lines can be sorted by; sequences and contexts from the most, all others from the least."""

_MOST_FIRST = frozenset({"max_batch", "max_context"})
_MOST_LINES = 10_000
"""More are a grid: `kvplan sweep`."""


@record
class Comparison(Shown):
    """
    Alternatives: a row for each, and in `names` what tells it from the others.

    `asked` are the model and the options of `fit` by which each was answered.
    """

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    asked: tuple[tuple[ModelSpec, Mapping[str, Any]], ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.rows)} alternatives>"

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return {"rows": [row.to_dict() for row in self.rows]}


def compare(
    models: Models,
    *,
    sort: Sort | None = None,
    prices: Mapping[str, float] | None = None,
    **options: Any,  # noqa: ANN401 - one value or several of any option of `fit`
) -> Comparison:
    """
    Return all products of *models* and of the values of each option of `fit`, a row for each.

    An option takes a value, a list of them, or text with commas: `gpu="h100-80gb,h200-141gb"`, `tp=[4, 8]`.
    *prices* are those of a GPU and hour by its name; *sort* is one of SORT_KEYS. Raises a KvplanError for a
    model or an option that nobody knows; what cannot be planned is a row with its reason.
    """
    if sort is not None and sort not in SORT_KEYS:
        what = as_argument(sort, str, "kvplan.compare: sort")
        raise OptionsError(f"nothing is sorted by {what!r:.40}: choose {', '.join(SORT_KEYS)}")
    lines = read_products(models, options, asker="kvplan.compare")
    if len(lines) > _MOST_LINES:
        raise OptionsError(f"{len(lines):,} lines are more than {_MOST_LINES:,}: kvplan sweep takes grids")
    costs = as_prices(prices or {}, "kvplan.compare")
    found = [(each, row_or_reason(each.spec, each.options)) for each in lines]
    rows = shared_out([replace(row, price=_price(row, each.options, costs)) for each, row in found])
    named = [(each.name, row, (each.spec, each.options)) for (each, _), row in zip(found, rows, strict=True)]
    if sort is not None:
        named.sort(key=lambda each: _order(each[1], sort))
    return Comparison(
        names=tuple(name for name, _, _ in named),
        rows=tuple(row for _, row, _ in named),
        asked=tuple(asked for _, _, asked in named),
    )


# To `help`, and to editors, the options are keywords.
compare.__signature__ = axes_signature(compare)  # type: ignore[attr-defined]


def _price(row: Row, options: Mapping[str, Any], costs: Mapping[str, float]) -> float | None:
    """Return what a sequence costs in an hour; None without a price, or where none fits."""
    hour = hourly(options.get("gpu"), row.gpus, costs)
    return None if hour is None or not row.max_batch else hour / row.max_batch


def _order(row: Row, key: Sort) -> tuple[bool, float]:
    value = getattr(row, key)
    # What has no figure stands last, whichever way the others are sorted.
    return value is None, 0 if value is None else -value if key in _MOST_FIRST else value
