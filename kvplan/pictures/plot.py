"""The function `plot`: a picture of one kind, of plans that are named as in the other functions."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from kvplan.arguments import as_argument
from kvplan.errors import OptionsError, did_you_mean
from kvplan.pictures.chart import Chart
from kvplan.planner.lists import axes_signature
from kvplan.planner.several import Models

KINDS: Mapping[str, str] = {
    "memory": "the card's memory as a bar, of several plans one below the other",
    "frontier": "the sequences that are held at once against the context of each",
    "growth": "the bytes of one sequence against its context, windows and states as kinks",
    "tp": "what each tensor-parallel degree holds and stores, and why others are none",
    "waterfall": "from the formula's bytes to those that an engine reserves",
    "heat": "a figure of a sweep over two axes, as a map",
    "traffic": "how often which memory is needed by sequences of a traffic",
}
"""The kinds of pictures, each a function of that name in the module beside this one, and what it shows."""

Draw = Callable[..., Chart]
"""It takes models, options by name, and of a map also what its table is."""


def plot(
    kind: str,
    models: Models,
    *,
    rows: str | None = None,
    columns: str | None = None,
    value: str | None = None,
    **options: Any,  # noqa: ANN401 - one value or several of any option of `fit`
) -> Chart:
    """
    Return a picture of *models*: `chart.save("memory.svg")` writes it, `print(chart)` draws it in letters.

    *kind* is memory, frontier, growth, tp, waterfall, heat or traffic. The options are those of `fit`; each
    takes a value, a list, or text with commas, and every product is a bar or a line of its own. A map (heat)
    takes what `sweep` takes, and *rows*, *columns* and *value* as Sweep.pivot has them; a picture of traffic
    takes what `hold` does, too. Raises a KvplanError for a kind, a model or an option that nobody knows, and
    for a plan that cannot be made.
    """
    draw = drawing(str(as_argument(kind, str, "kvplan.plot: kind")))
    asked = {name: each for name, each in options.items() if each is not None}
    table = {"rows": rows, "columns": columns, "value": value}
    table = {name: each for name, each in table.items() if each is not None}
    if kind == "heat":
        return draw(models, asked, table)
    if table:
        raise OptionsError(f"--{next(iter(table))} is of a map, the kind heat")
    return draw(models, asked)


# To `help`, and to editors, the options are keywords.
plot.__signature__ = axes_signature(plot)  # type: ignore[attr-defined]


def drawing(kind: str) -> Draw:
    """Return what draws pictures of a kind; raise OptionsError for an unknown one."""
    if kind not in KINDS:
        known = did_you_mean(kind, list(KINDS)) or f": there are {', '.join(KINDS)}"
        raise OptionsError(f"no picture is of the kind {kind[:40]!r}{known}")
    made: Draw = getattr(import_module(f"kvplan.pictures.{kind}"), kind)
    return made
