"""
Look-up of GPUs: the bytes that count are the driver's; the label is only a name.

The cards are in gpus.json. Labels and drivers differ by unit (a label says GB, a driver counts
bytes) and by what the driver, the firmware and ECC keep for themselves. Every figure in `reported`
was read in the public source beside it. Most tools print MB or Mb and mean MiB; such figures stand
there in MiB. Where drivers differ, the lowest plausible figure of a whole card stands there and the
source says so. Figures of nvidia-smi are kept apart, and those of WSL2 and of partitioned cards are not used.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from kvplan.errors import UnitError, UnknownNameError, did_you_mean
from kvplan.frozen import FrozenDict
from kvplan.records import record
from kvplan.units import parse_bytes, parse_flops, parse_rate

_APPLES_LESS_BYTES = 36 * 2**30
_TIMES = "[x\N{MULTIPLICATION SIGN}*]"
_COUNTED = (
    rf"(?!\d{{4}} ?{_TIMES} ?\d{{1,3}}$)(?P<before>[1-9]\d{{0,3}}) ?{_TIMES} ?(?P<gpu>[a-z0-9].*)"
    rf"|(?P<of>.*(?:\d|\S(?= )))(?:{_TIMES}| {_TIMES} ?)(?P<after>[1-9]\d{{0,2}})"
)
"""A number of cards and one; compiled where a name is none of the catalogue's, as all patterns here."""

_WORDS = r"[a-z0-9.]+"
_UNSAID = (
    r"nvidia|amd|apple|intel|tesla|geforce|instinct|radeon|graphics|gpu|unified|memory|hbm\d?e?|gddr\dx?"
)
"""Words of a card's name that tell it from no other card."""

_INTEGRATED = ((8, 7), (11, 0), (12, 1))
"""Compute capabilities of Jetson Orin, Jetson Thor and GB10 (developer.nvidia.com/cuda-gpus)."""

_KEPT = 64
"""Cards that are kept once they were found."""

Vendor = Literal["nvidia", "amd", "apple", "intel"]
"""Who makes a card."""


@record
class Gpu:
    """
    One card; sizes are text with their unit: B, MB or GB (powers of 1000), MiB or GiB.

    `name` is the catalogue's, in lower case, and ends in the marketed memory; `label` what the card is
    sold as, and `marketed` its memory with the unit as marketed: vendors write GB loosely, so that the
    driver may report more than that many times 10^9 bytes, but never more than that in GiB. `reported`
    is all memory of one device by its driver (for Apple, Metal's recommended working set), None where
    no source was found; `source` is where that was read and what is printed there. `smi` is what nvidia-smi
    prints of the same card, more than its driver gives out, None where it was not read in a `smi_source`:
    an engine that asks for it goes by that. `capability` is the
    compute capability of an NVIDIA card (developer.nvidia.com/cuda-gpus), and `device` what its driver
    calls it, given where an engine's rule reads that. `bandwidth` is the peak of its memory, and `flops` are
    the operations per second of its tensor cores by dtype, dense (vendors often print them with sparsity,
    which is twice as much), of one device; where none was read in the `speed_source` they are not known.
    """

    name: str
    label: str
    vendor: Vendor
    capability: str | None = None
    device: str | None = None
    marketed: str
    reported: str | None = None
    source: str
    smi: str | None = None
    smi_source: str | None = None
    bandwidth: str | None = None
    flops: Mapping[str, str] = FrozenDict()
    speed_source: str | None = None
    aliases: tuple[str, ...] = ()


@cache
def all_gpus() -> tuple[Gpu, ...]:
    """Return every card, in the order of their file."""
    rows = json.loads((Path(__file__).parent / "gpus.json").read_text(encoding="utf-8"))
    return tuple(
        Gpu(**{**row, "aliases": tuple(row.get("aliases", ())), "flops": FrozenDict(row.get("flops", {}))})
        for row in rows
    )


@record
class Card:
    """
    A GPU to plan for: `total_bytes` of memory, and the `source` of that figure, None where it was given.

    `smi_bytes` are what nvidia-smi prints for all of it, None where that is not known. `vendor`,
    compute `capability` and the driver's name of the `device` are None for a card that is known by its size
    alone, the last two for others, too. `bandwidth` is in bytes per second, `flops` by dtype are dense
    operations per second; None and empty where they are not known.
    """

    name: str
    label: str
    total_bytes: int
    source: str | None
    estimated: bool
    vendor: Vendor | None = None
    capability: tuple[int, int] | None = None
    device: str | None = None
    smi_bytes: int | None = None
    bandwidth: int | None = None
    flops: Mapping[str, int] = FrozenDict()

    @property
    def figure(self) -> str:
        """How `total_bytes` is known, in words."""
        if self.estimated:
            return "its label, as no driver's figure is known"
        return "given" if self.source is None else "what its driver reports"

    @property
    def is_hopper(self) -> bool:
        """Whether this is a card of compute capability 9.0."""
        return self.capability == (9, 0)

    @property
    def is_integrated(self) -> bool:
        """Whether its memory is the host's, which NVML does not report: Orin, Thor and GB10."""
        return self.capability in _INTEGRATED


def memory_bytes(gpu: Gpu) -> int:
    """
    Return the bytes of memory to plan with: the driver's figure, else what the label surely means.

    A label of 24GB read as 24 x 10^9 is never more than the card has. Of Apple's memory, marketed in GiB,
    Metal recommends two thirds up to 36 GiB, and three quarters of more: as in every log that is cited here.
    """
    if gpu.reported is None and gpu.vendor == "apple":
        all_bytes = parse_bytes(gpu.marketed.replace("GB", "GiB"))
        return all_bytes * 2 // 3 if all_bytes <= _APPLES_LESS_BYTES else all_bytes * 3 // 4
    return parse_bytes(gpu.reported or gpu.marketed)


def several(text: str) -> tuple[int, str]:
    """Return how many GPUs *text* names, and which: `8xH100`, `2 x RTX 4090`, `h100 x8`."""
    if text.strip().lower() in _by_name():
        return 1, text
    found = re.fullmatch(_COUNTED, text.strip(), re.IGNORECASE)
    if found is None:
        return 1, text
    return int(found["before"] or found["after"]), found["gpu"] or found["of"]


def machine(text: str) -> tuple[tuple[int, str], ...]:
    """
    Return how many GPUs of which kind *text* names, in order: `2xrtx-4090+1xrtx-3090`.

    Kinds that are alike and side by side are one. Raises UnknownNameError for a kind that is no card.
    """
    groups: list[tuple[int, str]] = []
    for part in text.split("+"):
        count, one = several(part.strip())
        if groups and find_card(groups[-1][1]) == find_card(one):
            groups[-1] = groups[-1][0] + count, groups[-1][1]
        else:
            groups.append((count, one))
    return tuple(groups)


def is_counted(text: str) -> bool:
    """Return whether *text* says how many cards it names, be it one: `1xrtx-3090`."""
    return re.fullmatch(_COUNTED, text.strip(), re.IGNORECASE) is not None


@lru_cache(maxsize=_KEPT)
def find_card(text: str) -> Card:
    """
    Return the card of a catalogue name, in any spelling, or a size with its unit (`80GB`, `79.19GiB`).

    Raises UnknownNameError for a name that is not in the catalogue, and for one of several cards.
    """
    gpu = _named(text)
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
            smi_bytes=None if gpu.smi is None else parse_bytes(gpu.smi),
            bandwidth=None if gpu.bandwidth is None else parse_rate(gpu.bandwidth),
            flops=FrozenDict({dtype: parse_flops(each) for dtype, each in gpu.flops.items()}),
        )
    if "+" in text:
        raise UnknownNameError(
            f"{text!r} are GPUs of several kinds, and here one is asked for: give one of them"
        )
    count, one = several(text)
    if count > 1:
        raise UnknownNameError(f"{text!r} are {count} GPUs, and here one is asked for: give {one!r}")
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


def _named(text: str) -> Gpu | None:
    """Return the card that *text* names, as the catalogue spells it or otherwise; raise for several."""
    gpu = _by_name().get(text.strip().lower())
    if gpu is not None:
        return gpu
    spelt = _spelt(text)
    found = {each.name: each for name, each in _by_name().items() if spelt and _spelt(name) == spelt}
    if len(found) == 1:
        return next(iter(found.values()))
    # A chip that is sold with several memories, and no name of its own.
    sold = [each.name for each in all_gpus() if spelt and _spelt(each.name.rpartition("-")[0]) == spelt]
    if several_of := list(found) or sold:
        raise UnknownNameError(f"{text!r} may be {' or '.join(several_of)}: name one, or give a size: 80GB")
    return None


def _spelt(text: str) -> str:
    """Return a name without makers, kinds of memory and blanks: `h10080gb` of `NVIDIA H100-80G HBM3`."""
    words = (word for word in re.findall(_WORDS, text.lower()) if not re.fullmatch(_UNSAID, word))
    return re.sub(r"(\d)g$", r"\1gb", "".join(words))


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
