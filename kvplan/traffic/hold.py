"""The function `hold`: how many sequences of a traffic fit, and what follows from it."""

from typing import TYPE_CHECKING, Unpack

from kvplan.arguments import checked
from kvplan.errors import OptionsError
from kvplan.extras import needed
from kvplan.planner.size import Model
from kvplan.traffic.options import HoldOptions

if TYPE_CHECKING:
    from kvplan.traffic.held import Held


@checked
def hold(model: Model, **options: Unpack[HoldOptions]) -> "Held":
    """
    Return how many sequences of a *traffic* run at once: none ever preempted, on average, or at a *risk*.

    *traffic* is a law of prompts (`lognormal:p50=2k,p99=16k`), a trace file or the name of a preset;
    *outputs* a law of outputs. Requests longer than *context*, the model's longest unless it is given, are
    refused as engines do. *prefix* are tokens that begin a share of all requests, `2k:0.8`; each request is
    answered by *samples* sequences. With the time per output token, *tpot*, requests per second are bounded,
    and replicas counted for each of *rps*. All other options are those of `fit`.
    Raises a KvplanError for what it does not understand; traffic that does not fit is an answer.
    """
    needed("numpy", "traffic", "traffic")
    from kvplan.traffic.held import held_of  # noqa: PLC0415 - it needs numpy

    if options.get("traffic") is None:
        raise OptionsError(
            "no traffic is given: --traffic lognormal:p50=2k,p99=16k, a trace file or a preset"
        )
    return held_of(model, options)
