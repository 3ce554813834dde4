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
from kvplan.units import parse_count

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


class AdviseOptions(FitOptions, total=False):
    """All options of `advise` but `design`."""


class NewOptions(TypedDict, total=False):
    """The facts of a design of one's own."""

    heads: Annotated[int | None, Option(help="Query heads, h.", least=1)]
    groups: Annotated[int | None, Option(help="KV heads, G.", unsaid="one for each head", least=1)]
    head_dim: Annotated[int | None, Option(help="The size of a head, d_k.", least=1)]
    layers: Annotated[int | None, Option(help="Layers, L.", least=1)]
    d_c: Annotated[int | None, Option(help="MLA's latent.", least=1)]
    d_rope: Annotated[int | None, Option(help="MLA's rotated key; 0 for none.", least=0)]
    window: Annotated[int | None, Option(help="A sliding window.", metavar="TOKENS", read=parse_count)]
    full_every: Annotated[int | None, Option(help="Each so many-th layer has no window.", least=1)]
    dtype: Annotated[str | None, Option(help="The model's dtype.", unsaid="bfloat16")]
    max_context: Annotated[
        int | None, Option(help="The longest context.", metavar="TOKENS", read=parse_count)
    ]
    parameters: Annotated[int | None, Option(help="All parameters, for the weights.", least=1)]
    hidden: Annotated[int | None, Option(help="The width of the residual stream.", least=1)]
    vocab: Annotated[int | None, Option(help="Rows of the embedding.", least=1)]
    tied: Annotated[bool | None, Option(help="The embedding is the output head, too.")]
