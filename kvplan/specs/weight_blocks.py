"""The blocks in which a checkpoint's weights share their scales, and the widths that cutting must respect."""

from typing import Annotated, Literal

from pydantic import Field

from kvplan.attention.base import Count, Facts

_Block = Annotated[tuple[Count, Count], Field(strict=False)]
_Widths = Annotated[tuple[Count, ...], Field(strict=False)]


class WeightBlocks(Facts):
    """
    Weights of which `rows` x `columns` share a scale, so that a rank must hold whole blocks.

    `inputs` are the widths of the inputs that tensor parallelism divides (output projections and MLPs), and
    `experts` those of the routed experts, of the matrices that are stored so, in `expert_block` (rows and
    columns) where theirs is another. `by` is the method of the checkpoint, as its config has it.
    """

    rows: Count
    columns: Count
    by: Literal["fp8", "compressed-tensors"] = "fp8"
    inputs: _Widths = ()
    experts: _Widths = ()
    expert_block: _Block | None = None

    def of_experts(self) -> "WeightBlocks":
        """Return the blocks of the routed experts' matrices."""
        rows, columns = self.expert_block or (self.rows, self.columns)
        return self.model_copy(update={"rows": rows, "columns": columns})
