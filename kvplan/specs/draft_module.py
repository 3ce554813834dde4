"""The layers that a checkpoint brings to draft tokens with: multi-token prediction."""

from typing import Annotated

from pydantic import Field

from kvplan.attention.base import Count, Facts
from kvplan.specs.parts import LayerParts


class DraftModule(Facts):
    """
    A module for multi-token prediction: so many `layers`, each a `pattern` of layers of the model.

    It names their types; without it each is one layer, like the model's own attention over all tokens.
    `weights` are those of the first of these layers with all that is in front of it, where they are not the
    model's own behind DeepSeek-V3's projection.
    """

    layers: Count
    pattern: Annotated[tuple[str, ...], Field(strict=False, max_length=16)] = ()
    weights: LayerParts | None = None
