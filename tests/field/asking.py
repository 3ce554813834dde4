"""A record as kvplan is asked for it."""

from collections.abc import Mapping
from typing import Any

import kvplan
from kvplan.engines import Arrangement
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs import ModelSpec
from tests.field.field_records import Record

_STATED = ("tp", "pp", "dcp", "max_num_batched_tokens")
_PLANNED = ("tp", "dtype", "kv_dtype", "block_size", "prefix_caching")


def asked(record: Record) -> dict[str, Any]:
    """Return the options of `kvplan.fit` and `kvplan.size` for a record, without a memory."""
    plan, facts = record.plan, record.facts
    options = {name: facts[name] for name in _STATED if name in facts}
    options |= {name: plan[name] for name in _PLANNED if name in plan}
    if plan["engine"] != "exact" and "block_size" in facts:
        options["block_size"] = facts["block_size"]
    return {
        "model": _model(plan),
        "engine": plan["engine"],
        "context": plan.get("context", facts.get("max_model_len", 16)),
        "settings": plan.get("settings", {}),
        **options,
    }


def arranged(record: Record) -> Arrangement:
    """Return the cache as the engine lays it out."""
    options = asked(record)
    model = options.pop("model")
    del options["context"]
    return deploy(model, Choice(**options)).arrangement


def _model(plan: Mapping[str, Any]) -> ModelSpec:
    """Return the spec of a plan: its own, or a catalogue model."""
    return ModelSpec.model_validate(plan["spec"]) if "spec" in plan else kvplan.load(plan["model"])
