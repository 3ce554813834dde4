"""The options of tiers of the cache, each said once."""

from pathlib import Path
from typing import Annotated

from kvplan.arguments import Option
from kvplan.planner.options import Bytes, FitOptions
from kvplan.units import parse_bytes, parse_count, parse_rate

STORES = ("native", "lmcache", "mooncake")
"""What keeps the tiers: the engine's own offloading, LMCache, or Mooncake Store."""

Rate = int | str
"""Bytes per second, or text with its unit."""

Host = Annotated[
    Bytes | None,
    Option(
        help="Host memory for the cache of one replica, all its ranks together.",
        metavar="SIZE",
        read=parse_bytes,
    ),
]
HostRate = Annotated[
    Rate | None,
    Option(help="What each GPU gets from the host's memory: 50GB/s.", metavar="RATE", read=parse_rate),
]
Ssd = Annotated[
    Bytes | None, Option(help="Disks for the cache of one replica.", metavar="SIZE", read=parse_bytes)
]
SsdRate = Annotated[
    Rate | None, Option(help="What all disks together read: 7GB/s.", metavar="RATE", read=parse_rate)
]
Remote = Annotated[
    Bytes | None,
    Option(help="A remote store for the cache of one replica.", metavar="SIZE", read=parse_bytes),
]
RemoteRate = Annotated[
    Rate | None,
    Option(help="What the replica gets from it: 400Gbps, 12.5GB/s.", metavar="RATE", read=parse_rate),
]


def _tokens_per_second(text: str) -> int:
    return parse_count(text, "tokens per second")


PrefillRate = Annotated[
    int | None,
    Option(
        help="Tokens per second that one replica computes of a prompt.",
        metavar="TOKENS",
        read=_tokens_per_second,
        least=1,
    ),
]
Store = Annotated[
    str, Option(help=f"What keeps the tiers: {', '.join(STORES)}.", default="native", metavar="STORE")
]
Trace = Annotated[
    str | Path | None,
    Option(help="A trace with block hashes (Mooncake's), to replay its prefixes.", metavar="FILE"),
]


class TierOptions(FitOptions, total=False):
    """All options of `tiers`: those of `fit`, and the tiers below the card."""

    host: Host
    host_rate: HostRate
    ssd: Ssd
    ssd_rate: SsdRate
    remote: Remote
    remote_rate: RemoteRate
    prefill_rate: PrefillRate
    store: Store
    trace: Trace
