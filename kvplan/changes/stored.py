"""How a cache is stored: no fact of a design, but a step on the way to a smaller one."""

from typing import ClassVar, Self

from kvplan.changes.base import Change
from kvplan.specs.model import ModelSpec


class Stored(Change):
    """The cache is stored in `dtype`, with the scales that this format has."""

    dtype: str
    name: ClassVar[str] = "kv-dtype"
    help: ClassVar[str] = "How the cache is stored from this step on: fp8, kivi2, nvfp4."
    source: ClassVar[str] = "the format's layout, scales included (kvplan/dtypes.py)"
    grows: ClassVar[bool] = True

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the change to a format, whose name may have commas: `q8_0,value=q4_0`."""
        return cls(dtype=text)

    def planned(self) -> dict[str, str]:
        """Return the format as the planner's option."""
        return {"kv_dtype": self.dtype}

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        return spec
