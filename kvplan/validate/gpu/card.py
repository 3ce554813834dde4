"""(f) A card without a limit: how much of the free bytes its driver gives, and the catalogue's figure."""

import re

import torch

from kvplan.errors import UnknownNameError
from kvplan.gpus import all_gpus, find_card
from kvplan.units import parse_bytes
from kvplan.validate.gpu.allocator import MIB, WHOLE_SEGMENT
from kvplan.validate.gpu.meter import Meter, metered
from kvplan.validate.results import Measurement, SkippedError

_PIECES = (1024 * MIB, 64 * MIB, WHOLE_SEGMENT, MIB)
"""Segments of their own as large as possible at first; the last share segments of 2 MiB."""


def run_refusal(device: str) -> list[Measurement]:
    """Return what is left of the free bytes when the driver refuses even the smallest segment."""
    with metered(device) as meter:
        left = left_over(meter)
    return [
        Measurement(
            level="L4",
            subject="card",
            claim="bytes that the driver reports as free and does not give",
            predicted=meter.held_back(),
            measured=left,
            unit="bytes",
            rule="at most",
        )
    ]


def left_over(meter: Meter) -> int:
    """Allocate until the driver refuses, in ever smaller pieces, and return the free bytes not given."""
    free, before = meter.free(), meter.reserved()
    pieces: list[torch.Tensor] = []
    try:
        for size in _PIECES:
            _fill(pieces, size, meter.device)
        return free - (meter.reserved() - before)
    finally:
        pieces.clear()
        meter.clear()


def _fill(pieces: list[torch.Tensor], size: int, device: str) -> None:
    while True:
        try:
            pieces.append(torch.empty(size, dtype=torch.uint8, device=device))
        except torch.OutOfMemoryError:
            return


def run_catalogue(device: str) -> list[Measurement]:
    """Return by how much the driver's memory of this card differs from the catalogue's figure for it."""
    if device != "cuda":
        raise SkippedError("reads the CUDA driver: there is no GPU")
    return [catalogued(torch.cuda.get_device_name(0), torch.cuda.mem_get_info()[1])]


def catalogued(name: str, total_bytes: int) -> Measurement:
    """
    Return the difference between the bytes of the card that a driver calls *name* and the catalogue's.

    A figure of the catalogue was printed with so many digits, so that the driver's may differ by one
    of the last. Raises SkippedError for a card that is not there, or there without a driver's figure.
    """
    try:
        card = find_card(name.replace(" ", "-"))
    except UnknownNameError:
        raise SkippedError(f"the catalogue has no card that a driver calls {name!r}") from None
    printed = next(gpu.reported for gpu in all_gpus() if gpu.name == card.name)
    if printed is None:
        raise SkippedError(f"the catalogue has no driver's figure for {card.name}")
    return Measurement(
        level="L4",
        subject=card.name,
        claim=f"bytes by which the driver's total differs from {printed}, at most one of its last digit",
        predicted=_last_digit(printed),
        measured=abs(total_bytes - card.total_bytes),
        unit="bytes",
        rule="at most",
        detail=f"{name}, {total_bytes} bytes",
    )


def _last_digit(size: str) -> int:
    """Return the bytes of one in the last digit of a size: of `79.18GiB` a hundredth of a GiB."""
    found = re.fullmatch(r"\d+(?:\.(\d+))?([A-Za-z]+)", size)
    if found is None:
        raise ValueError(f"{size} is no size of the catalogue")
    decimals, unit = found.groups()
    parts: int = 10 ** len(decimals or "")
    return -(-parse_bytes(f"1{unit}") // parts)
