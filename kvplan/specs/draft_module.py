"""The layers that a checkpoint brings to draft tokens with: multi-token prediction."""

from typing import Annotated

from pydantic import Field, model_validator

from kvplan.attention.base import Count, Facts
from kvplan.specs.parts import LayerParts
from kvplan.specs.written import AnyKind


class DraftModule(Facts):
    """
    A module for multi-token prediction: so many `layers`, each a `pattern` of layers of the model.

    It names their types; without it each is one layer, like the model's own attention over all tokens, or of
    an `attention` that no layer of the model has.
    `weights` are those of the first of these layers with all that is in front of it, where they are not the
    model's own behind DeepSeek-V3's projection.
    """

    layers: Count
    pattern: Annotated[tuple[str, ...], Field(strict=False, max_length=16)] = ()
    attention: AnyKind | None = None
    weights: LayerParts | None = None

    @model_validator(mode="after")
    def _its_layers_are_told_once(self) -> "DraftModule":
        if self.pattern and self.attention is not None:
            raise ValueError("pattern and attention both say what the module's layers are: keep one of them")
        return self
