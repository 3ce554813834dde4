"""The function `sweep`: a grid of plans, and who answers it; without numpy it says what it lacks."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, cast

from kvplan.arguments import ArgumentError
from kvplan.extras import needed
from kvplan.grids.options import SweepOptions
from kvplan.planner.lists import axes_signature
from kvplan.planner.several import Models

if TYPE_CHECKING:
    from kvplan.grids.results import Sweep


def sweep(  # noqa: PLR0913 - what a grid is, and who answers it
    models: Models | None = None,
    *,
    pairs: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] = (),
    prices: Mapping[str, float] | None = None,
    pareto: str | Sequence[str] = (),
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,  # noqa: ANN401 - an axis of any option of `fit`
) -> "Sweep":
    """
    Return a grid of plans: all products of *models* and of the values of each option of `fit`.

    With a *traffic*, in place of *batch*, the points are answered as `hold` does, by its options *outputs*,
    *prefix*, *samples*, *risk*, *tpot* and *rps*, too.

    An option takes a value, a list, or text: `"1,2"`, `"1k..1m"` (doubled), `"8k..64k+8k"` (in steps);
    context and batch take ranges and arrays of ints, too. *pairs* are options that go together, as dicts or
    text, `"gpu=h100-80gb,tp=8"`, in place of products, `model` among them. *prices* are those of a GPU and
    hour by its name. *pareto* names columns, `"max_batch,gpus"`, by which points that none beats are marked.

    Nothing is worked out before it is asked for. *workers* processes, or any *executor*, answer shards of it;
    *progress* is told of the points that are done, and of all. Raises a KvplanError for a name that nobody
    knows and for what is no value; what cannot be planned is a point of the grid, with its reason.
    """
    needed("numpy", "a sweep", "sweep")
    from kvplan.grids import build, columns, frontier, results, shards  # noqa: PLC0415 - they need numpy

    grid = build.make_grid(models, options, pairs=pairs, prices=prices)
    there = columns.columns_of(grid.asked, priced=bool(grid.prices), marked=False)
    return results.Sweep(
        grid=grid,
        keys=frontier.pareto_keys(pareto, there),
        workers=shards.read_workers(executor, workers),
        progress=_told(progress),
    )


def _told(progress: Any) -> Callable[[int, int], None] | None:  # noqa: ANN401 - any argument
    if progress is not None and not callable(progress):
        raise ArgumentError("kvplan.sweep: progress: expected a function of two numbers, or None")
    return cast("Callable[[int, int], None] | None", progress)


# To `help`, and to editors, the options are keywords.
sweep.__signature__ = axes_signature(sweep, SweepOptions)  # type: ignore[attr-defined]
