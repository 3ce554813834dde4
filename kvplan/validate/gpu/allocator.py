"""
The rules of torch's caching allocator, and whether it is the one that follows them.

c10/cuda/CUDACachingAllocator.cpp and c10/core/AllocatorConfig.h of torch 2.11: kMinBlockSize,
kSmallSize, kSmallBuffer, kMinLargeAlloc, kLargeBuffer and kRoundLarge.
"""

import os

import torch

from kvplan.errors import KvplanError
from kvplan.validate.machine import ALLOCATOR_SETTINGS

MIB = 1024**2
MIN_BLOCK = 512
"""Every block is a multiple of it."""
SMALL = MIB
"""Blocks up to this size share segments of 2 MiB; what is left of a larger one is split off above it."""
SMALL_SEGMENT = 2 * MIB
WHOLE_SEGMENT = 10 * MIB
"""Tensors from this size on have segments of their own, in multiples of 2 MiB."""
LARGE_SEGMENT = 20 * MIB
"""What tensors between the two share."""
SEGMENT_STEP = 2 * MIB


def require_plain() -> None:
    """Raise KvplanError unless torch's own allocator runs with its own settings: others round otherwise."""
    for name in ALLOCATOR_SETTINGS:
        if os.environ.get(name):
            raise KvplanError(f"L4 measures torch's allocator as it is by default: unset {name}")
    backend = torch.cuda.get_allocator_backend()
    if backend != "native":
        raise KvplanError(f"L4 measures torch's native allocator, not {backend!r}: use the native one")


def segment_bytes(size: int) -> int:
    """Return what the allocator takes from the device for one tensor of *size* bytes in an empty pool."""
    block = _up(size, MIN_BLOCK)
    if block <= SMALL:
        return SMALL_SEGMENT
    return LARGE_SEGMENT if block < WHOLE_SEGMENT else _up(block, SEGMENT_STEP)


def block_bytes(size: int) -> int:
    """Return what the allocator charges for that tensor: a rest of up to 1 MiB is not split off."""
    block, segment = _up(size, MIN_BLOCK), segment_bytes(size)
    return segment if block > SMALL and segment - block <= SMALL else block


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
