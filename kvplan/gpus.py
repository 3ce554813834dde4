"""
Look-up of GPUs: the bytes that count are the driver's; the label is only a name.

The cards are in gpus.json. Labels and drivers differ by unit (a label says GB, a driver counts
bytes) and by what the driver, the firmware and ECC keep for themselves. Every figure in `reported`
was read in the public source beside it. Most tools print MB or Mb and mean MiB; such figures stand
there in MiB. Where drivers differ, the lowest plausible figure of a whole card stands there and the
source says so. Figures of nvidia-smi, of WSL2 and of partitioned cards are not used.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from kvplan.errors import UnitError, UnknownNameError, did_you_mean
from kvplan.units import parse_bytes

_KEPT = 64
"""Cards that are kept once they were found."""

Vendor = Literal["nvidia", "amd", "apple", "intel"]
"""Who makes a card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """
    One card; sizes are text with their unit: B, MB or GB (powers of 1000), MiB or GiB.

    `name` is the catalogue's, in lower case, and ends in the marketed memory; `label` what the card is
    sold as, and `marketed` its memory with the unit as marketed: vendors write GB loosely, so that the
    driver may report more than that many times 10^9 bytes, but never more than that in GiB. `reported`
    is all memory of one device by its driver (for Apple, Metal's recommended working set), None where
    no source was found; `source` is where that was read and what is printed there. `capability` is the
    compute capability of an NVIDIA card (developer.nvidia.com/cuda-gpus), and `device` what its driver
    calls it, given where an engine's rule reads that.
    """

    name: str
    label: str
    vendor: Vendor
    capability: str | None = None
    device: str | None = None
    marketed: str
    reported: str | None = None
    source: str
    aliases: tuple[str, ...] = ()


@cache
def all_gpus() -> tuple[Gpu, ...]:
    """Return every card, in the order of their file."""
    rows = json.loads((Path(__file__).parent / "gpus.json").read_text(encoding="utf-8"))
    return tuple(Gpu(**{**row, "aliases": tuple(row.get("aliases", ()))}) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """
    A GPU to plan for: `total_bytes` of memory, and the `source` of that figure, None where it was given.

    `vendor`, compute `capability` and the driver's name of the `device` are None for a card that is known
    by its size alone, the last two for others, too.
    """

    name: str
    label: str
    total_bytes: int
    source: str | None
    estimated: bool
    vendor: Vendor | None = None
    capability: tuple[int, int] | None = None
    device: str | None = None

    @property
    def is_hopper(self) -> bool:
        """Whether this is a card of compute capability 9.0."""
        return self.capability == (9, 0)


def memory_bytes(gpu: Gpu) -> int:
    """
    Return the bytes of memory to plan with: the driver's figure, else the label read as decimal.

    A label of 24GB read as 24 x 10^9 is never more than the card has.
    """
    return parse_bytes(gpu.reported or gpu.marketed)


@lru_cache(maxsize=_KEPT)
def find_card(text: str) -> Card:
    """
    Return the card of a catalogue name, an alias, or a size with its unit (`80GB`, `79.19GiB`).

    Raises UnknownNameError for a name that is not in the catalogue.
    """
    gpu = _by_name().get(text.strip().lower())
    if gpu is not None:
        return Card(
            name=gpu.name,
            label=gpu.label,
            total_bytes=memory_bytes(gpu),
            source=gpu.source,
            estimated=gpu.reported is None,
            vendor=gpu.vendor,
            capability=_capability(gpu),
            device=gpu.device,
        )
    if text.strip()[:1].isdigit() and "-" not in text:
        return _card_of_size(text)
    hint = did_you_mean(text, list(_by_name()))
    raise UnknownNameError(
        f"unknown GPU {text!r}{hint}; `kvplan gpus` lists the known ones, or give a size with its unit: 80GB"
    )


def _capability(gpu: Gpu) -> tuple[int, int] | None:
    if gpu.capability is None:
        return None
    major, minor = gpu.capability.split(".")
    return int(major), int(minor)


def _card_of_size(text: str) -> Card:
    total = parse_bytes(text)
    if total == 0:
        raise UnitError(f"a GPU of {text.strip()} has no memory to plan")
    size = text.strip()
    return Card(name=size, label=f"GPU with {size}", total_bytes=total, source=None, estimated=False)


@cache
def _by_name() -> dict[str, Gpu]:
    return {name: gpu for gpu in all_gpus() for name in (gpu.name, *gpu.aliases)}


def search_gpus(search: str) -> list[Gpu]:
    """Return the GPUs whose name, label or alias contains *search*, in the table's order."""
    wanted = search.lower()
    return [
        gpu
        for gpu in all_gpus()
        if any(wanted in text.lower() for text in (gpu.name, gpu.label, *gpu.aliases))
    ]


def gpu_rows(gpus: list[Gpu]) -> list[dict[str, object]]:
    """Return what `kvplan gpus --json` prints: a GPU's facts and the bytes that are planned with."""
    return [{**asdict(gpu), "memory_bytes": memory_bytes(gpu)} for gpu in gpus]
