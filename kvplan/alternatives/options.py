"""The options of what compares alternatives: those of `fit`, and the changes of a design."""

from typing import Annotated, TypedDict

from kvplan.arguments import Option
from kvplan.changes.heads import DCMHA, MOHSA, MoH
from kvplan.changes.hybrids import Hybrid
from kvplan.changes.layers import CLA, YOCO
from kvplan.changes.tokens import DMS, H2O, MoA, PyramidKV, SnapKV, StreamingLLM
from kvplan.changes.uptraining import ToGQA, ToMHA, ToMLA, ToMQA
from kvplan.changes.windows import Chunk, Window
from kvplan.planner.options import FitOptions

Facts = str | int | None
"""The facts of a change, as `8` or `d_c=512,d_rope=64`."""


class ChangeOptions(TypedDict, total=False):
    """The changes of a design, each by its name in CHANGES."""

    mha: Annotated[bool, Option(help=ToMHA.help, default=False)]
    gqa: Annotated[Facts, Option(help=ToGQA.help, metavar="G", read=str)]
    mqa: Annotated[bool, Option(help=ToMQA.help, default=False)]
    mla: Annotated[Facts, Option(help=ToMLA.help, metavar="WIDTHS", read=str)]
    window: Annotated[Facts, Option(help=Window.help, metavar="TOKENS", read=str)]
    chunk: Annotated[Facts, Option(help=Chunk.help, metavar="TOKENS", read=str)]
    hybrid: Annotated[Facts, Option(help=Hybrid.help, metavar="KIND", read=str)]
    cla: Annotated[Facts, Option(help=CLA.help, metavar="LAYERS", read=str)]
    yoco: Annotated[Facts, Option(help=YOCO.help, metavar="TOKENS", read=str)]
    streaming: Annotated[Facts, Option(help=StreamingLLM.help, metavar="TOKENS", read=str)]
    h2o: Annotated[Facts, Option(help=H2O.help, metavar="TOKENS", read=str)]
    snapkv: Annotated[Facts, Option(help=SnapKV.help, metavar="TOKENS", read=str)]
    pyramidkv: Annotated[Facts, Option(help=PyramidKV.help, metavar="TOKENS", read=str)]
    moa: Annotated[Facts, Option(help=MoA.help, metavar="TOKENS,HEADS", read=str)]
    dms: Annotated[Facts, Option(help=DMS.help, metavar="N", read=str)]
    moh: Annotated[bool, Option(help=MoH.help, default=False)]
    dcmha: Annotated[bool, Option(help=DCMHA.help, default=False)]
    mohsa: Annotated[bool, Option(help=MOHSA.help, default=False)]


class WhatIfOptions(ChangeOptions, FitOptions, total=False):
    """All options of `whatif`."""
