"""What drafts tokens for a model: which spec it has, and where its layers are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from kvplan.dtypes import dtype_by_name
from kvplan.engines import Drafting, Engine
from kvplan.errors import KvplanError, OptionsError
from kvplan.planner.model_dtype import in_dtype
from kvplan.specs import ModelSpec
from kvplan.terms import Stage

OWN: Literal["mtp"] = "mtp"
"""The module that a model's own checkpoint brings, as vLLM calls the method."""


def draft_of(spec: ModelSpec, draft: ModelSpec | Literal["mtp"], engine: Engine, stages: int) -> ModelSpec:
    """
    Return the spec of what drafts, in the dtype in which the model runs on so many *stages*.

    Raises OptionsError of an engine for which kvplan plans no draft, and KvplanError for a model without a
    module of its own.
    """
    if engine.drafts == "none":
        raise OptionsError(f"kvplan plans no draft with the engine {engine.name}: leave --draft out")
    if draft == OWN:
        from kvplan.specs.drafts import own_draft  # noqa: PLC0415 - few plans have a draft

        cut = spec.architecture in engine.draft_projections
        return own_draft(spec, cut=cut, embeds=engine.draft_embeds and stages > 1)
    if dtype_by_name(draft.dtype).row_bytes(1) != dtype_by_name(spec.dtype).row_bytes(1):
        return in_dtype(draft, spec.dtype)
    # As many bytes in another dtype of the same width.
    return draft.model_copy(update={"dtype": spec.dtype, "dtype_open": False})


def require_apart(draft: object, kv_dtype: str | None, engine: Engine) -> None:
    """Raise OptionsError for a dtype of a draft's cache without a draft, or that is not stored apart."""
    if kv_dtype is None:
        return
    if draft is None:
        raise OptionsError(
            f"--draft-kv-dtype is how a draft's cache is stored, here {kv_dtype!r:.40}: give --draft, too"
        )
    if engine.drafts != "spread":
        raise OptionsError(
            f"the engine {engine.name} stores a draft's cache as the model's: leave --draft-kv-dtype out"
        )


def knows_module(spec: ModelSpec) -> bool:
    """Tell whether a model drafts with a module of its own, as far as its spec says."""
    from kvplan.specs.drafts import own_draft  # noqa: PLC0415 - as above

    try:
        own_draft(spec, cut=False, embeds=False)
    except KvplanError:
        return False
    return True


def drafting_of(draft: ModelSpec, *, own: bool) -> Drafting:
    """Return what an engine may ask of a draft; *own* is a module of the model's, of a token a layer."""
    predicts = draft.layer_count if own else None
    return Drafting(architecture=draft.architecture, predicts=predicts, at_once=draft.draft_tokens)


def draft_stages(stages: Sequence[Stage], drafts: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return a model's stages with the layers of a draft: one stage's on the last, or each on its own."""
    placed = [*((),) * (len(stages) - len(drafts)), *(stage.layers for stage in drafts)]
    return tuple(replace(stage, drafts=layers) for stage, layers in zip(stages, placed, strict=True))


def uncounted_draft(draft: ModelSpec) -> str:
    """Return what a plan is without where a draft's weights are not counted."""
    return f"the weights of the draft {draft.name} are not counted, as its spec does not tell them"
