"""The answers to points of traffic: what `hold` answers to each, or its error."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kvplan.errors import KvplanError
from kvplan.grids.arrays import AnyArray
from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import NONE
from kvplan.grids.comes import traffic_from
from kvplan.grids.contexts import Contexts
from kvplan.grids.grid import Structure
from kvplan.grids.labels import labels_of, ratios
from kvplan.planner.prices import hourly
from kvplan.traffic.chances import METHODS
from kvplan.traffic.held import Held, held_of


def held_by(structure: Structure, contexts: Contexts, prices: Mapping[str, float]) -> Chunk:
    """Return the answers to a traffic of which requests beyond each of the contexts are refused."""
    plan = None
    rows: list[dict[str, Any]] = []
    for place, tokens in enumerate(contexts.tokens.tolist()):
        rows.append(dict(_NOTHING))
        if not contexts.answered[place]:
            continue
        try:
            held = held_of(structure.spec, {**structure.options, "context": tokens}, traffic_from)
            rows[-1] = _figures(held)
            plan = held.plan
        except KvplanError as error:
            contexts = contexts.with_reason(place, error.line)
    labels, figures = labels_of(structure, plan), dict[str, AnyArray]()
    if plan is not None:
        figures = {name: np.array([[row[name]] for row in rows]) for name in _NOTHING}
        hour = hourly(structure.options.get("gpu"), labels["gpus"], prices)
        figures |= ratios("max_batch_likely", figures["max_batch_likely"], labels["gpus"], hour)
    return Chunk(
        labels=labels,
        context=contexts.tokens,
        batch=structure.batches,
        why=contexts.why,
        reasons=contexts.reasons,
        figures=figures,
    )


_NOTHING: Mapping[str, Any] = {
    "fits": False,
    "max_batch_never": NONE,
    "max_batch_likely": NONE,
    "max_batch_average": NONE,
    "method": NONE,
    "share_refused": np.nan,
    "longest": 0,
    "mean_prompt": np.nan,
    "mean_output": np.nan,
    "requests_per_second": np.nan,
    "replicas": NONE,
    "replicas_gpus": NONE,
}
"""What stands at a point without an answer."""


def _figures(held: Held) -> dict[str, Any]:
    """Return what `hold` answers, with what stands where there is no number."""
    replicas = held.replicas[0] if held.replicas else None
    return {
        "fits": held.never != 0,
        "max_batch_never": _number(held.never),
        "max_batch_likely": _number(held.likely),
        "max_batch_average": _number(held.average),
        "method": NONE if held.method is None else METHODS.index(held.method),
        "share_refused": held.refused,
        "longest": held.longest,
        "mean_prompt": held.mean_prompt,
        "mean_output": held.mean_output,
        "requests_per_second": np.nan if held.requests_per_second is None else held.requests_per_second,
        "replicas": NONE if replicas is None else replicas.replicas,
        "replicas_gpus": NONE if replicas is None else replicas.gpus,
    }


def _number(sequences: int | None) -> int:
    return NONE if sequences is None else sequences
