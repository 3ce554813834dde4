"""
Groups of facts that most specs are without, as types of fields.

The class of each is imported where a spec has the group, as attention kinds are, so that a cold start builds
only those.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainValidator, SerializeAsAny

from kvplan.attention.base import Facts

if TYPE_CHECKING:
    from kvplan.specs.draft_module import DraftModule
    from kvplan.specs.parts import ModelParts
    from kvplan.specs.quantized import QuantizedWeights
    from kvplan.specs.stored import StoredParts
    from kvplan.specs.vision import Vision
    from kvplan.specs.weight_blocks import WeightBlocks
else:

    def _seldom(module: str, name: str) -> Any:  # noqa: ANN401 - the type of a field
        """Return the type of a field whose class is *name* of a module beside this one."""

        def read(value: Any) -> Any:  # noqa: ANN401 - what a file holds
            # A ValidationError of the class keeps its place in the file.
            return getattr(import_module(f"{__package__}.{module}"), name).model_validate(value)

        return Annotated[SerializeAsAny[Facts], PlainValidator(read)]

    DraftModule = _seldom("draft_module", "DraftModule")
    ModelParts = _seldom("parts", "ModelParts")
    QuantizedWeights = _seldom("quantized", "QuantizedWeights")
    StoredParts = _seldom("stored", "StoredParts")
    Vision = _seldom("vision", "Vision")
    WeightBlocks = _seldom("weight_blocks", "WeightBlocks")

__all__ = ["DraftModule", "ModelParts", "QuantizedWeights", "StoredParts", "Vision", "WeightBlocks"]
