"""
What-ifs: changes of a design, each a pure function from a spec to a spec, with its source.

`CHANGES` has them by the names under which commands and the library take them.
"""

from collections.abc import Mapping

from kvplan.changes.base import Change
from kvplan.changes.heads import DCMHA, MOHSA, MoH
from kvplan.changes.hybrids import Hybrid
from kvplan.changes.layers import CLA, YOCO
from kvplan.changes.tokens import DMS, H2O, MoA, PyramidKV, SnapKV, StreamingLLM
from kvplan.changes.uptraining import ToGQA, ToMHA, ToMLA, ToMQA
from kvplan.changes.windows import Chunk, Window

CHANGES: Mapping[str, type[Change]] = {
    change.name: change
    for change in (
        ToMHA,
        ToGQA,
        ToMQA,
        ToMLA,
        Window,
        Chunk,
        Hybrid,
        CLA,
        YOCO,
        StreamingLLM,
        H2O,
        SnapKV,
        PyramidKV,
        MoA,
        DMS,
        MoH,
        DCMHA,
        MOHSA,
    )
}
"""Every change, in the order of the help."""

__all__ = ["CHANGES", "Change"]
