"""Plan a model of the catalogue, or a few layers, with kvplan's vLLM engine."""

from collections.abc import Sequence
from typing import Any

from kvplan.dtypes import kv_format
from kvplan.engines.vllm import Layout, Pool, VllmOptions, find_rules, plan_layout, plan_pool
from kvplan.planner.splits import split_stages
from kvplan.specs.load import load
from kvplan.terms import Layer, Target
from kvplan.units import GIB


def layout_of(
    model: str,
    *,
    tp: int = 1,
    pp: int = 1,
    kv_dtype: str | None = None,
    version: str | None = None,
    **options: Any,
) -> Layout:
    """Return the layout of a catalogue model."""
    spec = load(model)
    terms = spec.lower_types(Target(kv=kv_format(kv_dtype or spec.dtype)))
    ranks = [[terms[name] for name in stage] for stage in split_stages(spec.layer_types, pp)]
    return plan_layout(ranks, tp=tp, rules=find_rules(version), options=VllmOptions(**options))


def pool_of(model: str, context: int, available_bytes: int = 80 * GIB, **choices: Any) -> Pool:
    """Return the pool of a catalogue model in 80 GiB or other memory."""
    return plan_pool(layout_of(model, **choices), available_bytes, context)


def layout_of_layers(
    layers: Sequence[Layer],
    *,
    tp: int = 1,
    version: str | None = None,
    **options: Any,
) -> Layout:
    """Return the layout of layers on one pipeline rank."""
    return plan_layout([layers], tp=tp, rules=find_rules(version), options=VllmOptions(**options))
