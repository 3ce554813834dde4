"""The shell command that starts an engine with a plan."""

from collections.abc import Sequence
from typing import Any

from kvplan.errors import OptionsError
from kvplan.planner.budget import as_bytes
from kvplan.planner.plan import Plan
from kvplan.planner.repository import served_model
from kvplan.planner.size import Model, Work
from kvplan.serving import Kept, has_option, takes_gguf, write_command

DRAFT = "DRAFT"


def serving_command(
    plan: Plan, work: Work, named: Model, dtype: str | None, told: Sequence[Kept] = ()
) -> str | None:
    """
    Return the command that serves a plan of the model that was *named*, for what is asked of it.

    What is *told* the engine otherwise, as by a file, has no words in it.

    It is a comment where kvplan does not know which repository or file has the planned weights. None for
    engines without a command, or without an option for what was asked, as for the model's *dtype*.
    """
    engine = plan.deployment.engine.name
    model = served_model(named, plan.deployment.spec, plan.asked, gguf=takes_gguf(engine))
    if dtype is not None and not has_option(engine, "dtype"):
        return None
    said = _said(plan, work) | {"dtype": dtype}
    try:
        given = {name: value for name, value in said.items() if value is not None}
        command = write_command(engine, model.name, given, told)
    except OptionsError:
        return None
    missing = "; ".join(filter(None, (model.missing, _missing_draft(plan))))
    return command if command is None or not missing else f"# {missing}: {command}"


def _draft(plan: Plan) -> str | None:
    """Return what a command names as its draft; None where nothing drafts."""
    draft = plan.deployment.choice.draft
    if draft is None or isinstance(draft, str):
        return draft
    return f"{DRAFT}.gguf" if takes_gguf(plan.deployment.engine.name) else draft.hf_id or DRAFT


def _missing_draft(plan: Plan) -> str | None:
    """Return in words what stands in a command for a draft of which kvplan knows no repository."""
    draft, named = plan.deployment.choice.draft, _draft(plan)
    if draft is None or isinstance(draft, str) or named == draft.hf_id:
        return None
    return f"{named} stands for a draft, {draft.name}"


def _said(plan: Plan, work: Work) -> dict[str, Any]:
    """Return the options of a plan; None where the engine's own choice is planned."""
    choice, asked = plan.deployment.choice, plan.asked
    return {
        "draft": _draft(plan),
        "tp": choice.tp if choice.tp > 1 else None,
        "pp": choice.pp if choice.pp > 1 else None,
        "dp": choice.dp if choice.dp > 1 else None,
        "nodes": choice.nodes if (choice.nodes or 1) > 1 else None,
        # llama.cpp would split by the memory that is free when it starts: the plan says how.
        "pp_layers": plan.deployment.stage_sizes if choice.cards else choice.pp_layers,
        "context": work.context,
        "batch": work.batch,
        "kv_dtype": None if choice.kv_dtype == "auto" else choice.kv_dtype,
        "utilization": None if asked.utilization is None else str(asked.utilization),
        "kv_memory": None if asked.kv_memory is None else as_bytes(asked.kv_memory),
        "draft_kv_dtype": choice.draft_kv_dtype,
        **choice.given(),
        "prompt": None,  # It is a part of the load: no server is told.
        "max_num_seqs": plan.lowered if choice.max_num_seqs is None else choice.max_num_seqs,
        "settings": dict(choice.settings),
    }
