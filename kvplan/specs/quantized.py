"""How a quantised release stores the weights of its model, where its own files tell it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from kvplan.attention.base import Facts
from kvplan.frozen import FrozenDict
from kvplan.specs.parts import LayerParts, Measure, ModelParts
from kvplan.specs.weight_blocks import WeightBlocks

if TYPE_CHECKING:
    from kvplan.specs.model import ModelSpec


class QuantizedWeights(Facts):
    """
    The weights of a release that are not stored as the model's: its `kinds` of layers, with their bytes.

    Blocks of them share a scale, by `weight_blocks`; all else is as in the model's `parts`.
    """

    source: Annotated[str, Field(min_length=1)]
    weight_blocks: WeightBlocks
    kinds: Annotated[dict[str, LayerParts], Field(min_length=1), AfterValidator(FrozenDict)]

    def of(self, parts: ModelParts) -> ModelParts:
        """Return a model's *parts* as this release stores them."""
        return parts.model_copy(update={"kinds": self.kinds})

    def facts(self, spec: "ModelSpec", element_bytes: int) -> dict[str, Any]:
        """Return what of *spec* is otherwise for this release; a parameter alone has *element_bytes*."""
        parts = spec.parts and self.of(spec.parts)
        return {
            "weight_bytes": parts and parts.total(Measure(element_bytes)),
            "weight_blocks": self.weight_blocks,
            "weights_open": False,
            "weights_by": "fp8" if self.weight_blocks.by == "fp8" else None,
            "parts": parts,
            "source": self.source,
        }


def same_parameters(parts: ModelParts, releases: Mapping[str, QuantizedWeights]) -> None:
    """Raise ValueError for a release whose layers are not those of *parts*, or have other parameters."""
    for name, release in releases.items():
        if set(release.kinds) != set(parts.kinds):
            raise ValueError(f"{name} has other kinds of layers in quantized_weights")
        if release.of(parts).parameters() != parts.parameters():
            raise ValueError(f"{name} has {release.of(parts).parameters()} parameters in quantized_weights")
