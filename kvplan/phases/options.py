"""The options of phases, each said once: a second instance, a link, and what is known of times."""

from typing import Annotated

from kvplan.arguments import Option, as_written
from kvplan.phases.links import read_link
from kvplan.planner.options import (
    CardOptions,
    Context,
    EngineChoices,
    FileOptions,
    MemoryOptions,
    SpreadOptions,
)
from kvplan.units import parse_count, parse_flops, parse_rate, parse_seconds

Output = Annotated[
    int | str | None,
    Option(
        help="Tokens that a request generates.",
        unsaid="none asked",
        metavar="TOKENS",
        read=parse_count,
        least=1,
    ),
]
Running = Annotated[
    int | None,
    Option(
        help="Sequences that decode at once on an instance.",
        unsaid="as many as it holds",
        metavar="N",
        least=1,
        short="-b",
    ),
]
Tpot = Annotated[
    str | None,
    Option(
        help="A known time per output token: 30ms.",
        unsaid="its lower bound",
        metavar="TIME",
        read=as_written(parse_seconds),
    ),
]
PrefillTime = Annotated[
    str | None,
    Option(
        help="A known time to prefill the prompt: 1.1s.",
        unsaid="its lower bound",
        metavar="TIME",
        read=as_written(parse_seconds),
    ),
]
Bandwidth = Annotated[
    str | None,
    Option(
        help="Of the decoding card's memory: 3.35TB/s.",
        unsaid="the catalogue's",
        metavar="RATE",
        read=as_written(parse_rate),
    ),
]
Flops = Annotated[
    str | None,
    Option(
        help="Dense operations per second of the prefilling card: 989T.",
        unsaid="the catalogue's",
        metavar="N",
        read=as_written(parse_flops),
    ),
]


class BoundOptions(CardOptions, SpreadOptions, MemoryOptions, EngineChoices, FileOptions, total=False):
    """What both instances are, and what is known of their times; the context is the prompt's."""

    context: Context
    output: Output
    batch: Running
    tpot: Tpot
    prefill_time: PrefillTime
    bandwidth: Bandwidth
    flops: Flops


class DisaggregateOptions(BoundOptions, total=False):
    """All options of `disaggregate`."""

    decode_gpu: Annotated[
        str | None,
        Option(help="The GPU of instances that decode.", unsaid="that of --gpu", metavar="GPU"),
    ]
    decode_tp: Annotated[
        int | None, Option(help="Tensor-parallel GPUs of those.", unsaid="as --tp", metavar="N", least=1)
    ]
    decode_dp: Annotated[int, Option(help="Replicas of such an instance.", default=1, metavar="N", least=1)]
    link: Annotated[
        str | None,
        Option(
            help="What the cache goes over, in one direction: 400Gbps, 50GB/s, nvlink4, infiniband-ndr.",
            metavar="LINK",
            read=read_link,
        ),
    ]
    links: Annotated[int, Option(help="Such links side by side.", default=1, metavar="N", least=1)]
