"""(d) What a budget needs beside tensors: the allocator's rounding, the CUDA context, workspaces."""

import os
from dataclasses import replace

import torch

from kvplan.units import KIB
from kvplan.validate.gpu.allocator import MIB, block_bytes, segment_bytes
from kvplan.validate.gpu.meter import metered
from kvplan.validate.results import Measurement, SkippedError

AWAITED = {
    "torch.cuda.memory_stats, requested_bytes.all.current": "(a) real classes, (b), (c), (e), (f)",
    "torch.cuda.memory_reserved": "(c) and (f) the edges, (d) rounding",
    "torch.cuda.memory_allocated": "(d) rounding",
    "torch.cuda.set_per_process_memory_fraction": "(c) the edge",
    "torch.cuda.mem_get_info": "(c) and (f) the edges, (d) context",
    "torch.cuda.get_device_capability": "(d) workspace",
    "torch.cuda.get_device_name": "(f) the catalogue's bytes",
    "torch.cuda.empty_cache": "(a) to (f), between measurements",
    "torch.cuda.synchronize": "(a) to (f), before each reading",
    "torch.cuda.get_allocator_backend": "all of L4, before anything is measured",
    "torch.nn.functional.scaled_dot_product_attention on CUDA tensors": "(b) pools",
}
"""The calls that need a GPU, and the checks that wait for them."""

HOPPER = 9
"""The major compute capability of H100 and H200."""

_SIZES = (1, 511, 512, 513, 300_000, MIB, MIB + 1, 3 * MIB, 10 * MIB, 21 * MIB + 3)


def run_call(call: str, device: str) -> list[Measurement]:
    """Say on a CPU which checks a CUDA call is awaited by; on a GPU those checks make it."""
    if device != "cuda":
        raise SkippedError(f"needs a GPU; awaited by {AWAITED[call]}")
    return []


def run_rounding(device: str) -> list[Measurement]:
    """
    Return what the allocator charges and reserves for one tensor of each size in an empty pool.

    Raises SkippedError where segments are held already: a tensor may go into one of them.
    """
    _require_cuda(device)
    found = []
    with metered(device) as meter:
        if meter.reserved():
            raise SkippedError(f"{meter.reserved()} bytes are reserved already: run L4 alone")
        for size in _SIZES:
            before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
            tensor = torch.empty(size, dtype=torch.uint8, device=device)
            grown = torch.cuda.memory_allocated() - before[0], torch.cuda.memory_reserved() - before[1]
            del tensor
            torch.cuda.empty_cache()
            ruled = block_bytes(size), segment_bytes(size)
            found += [
                replace(_finding(f"{what} for {size} bytes", bytes_), predicted=rule, rule="equal")
                for what, bytes_, rule in zip(("allocated", "reserved"), grown, ruled, strict=True)
            ]
    return found


def run_context(when: str, device: str) -> list[Measurement]:
    """Return what the driver and all else take outside the allocator at a moment of the run."""
    _require_cuda(device)
    with metered(device) as meter:
        torch.empty(1, device=device)
        meter.clear()
        free, total = torch.cuda.mem_get_info()
        # Other processes on the same GPU are in this figure too.
        context = total - free - meter.reserved()
    return [
        _finding(f"memory that the driver reports for the card, {when}", total),
        _finding(f"CUDA context and all else outside the allocator, {when}", context),
    ]


def run_workspace(device: str) -> list[Measurement]:
    """Return what a first matrix product leaves in the allocator, beside torch's choice for the device."""
    _require_cuda(device)
    chosen = workspace_bytes(torch.cuda.get_device_capability()[0])
    with metered(device) as meter:
        before = meter.requested()
        ones = torch.ones(1024, 1024, dtype=torch.bfloat16, device=device)
        product = ones @ ones
        torch.cuda.synchronize()
        workspace = meter.requested() - before - 2 * ones.numel() * ones.element_size()
        del ones, product
    found = _finding("workspace that a first matrix product keeps in the allocator", workspace)
    return [found if chosen is None else replace(found, predicted=chosen, rule="equal")]


def workspace_bytes(major: int) -> int | None:
    """
    Return what torch gives cuBLAS on a device of this compute capability; None where versions differ.

    aten/src/ATen/cuda/CublasHandlePool.cpp, parseChosenWorkspaceSize: Hopper has 32 MiB, older devices
    two buffers of 4 MiB and eight of 16 KiB. CUBLAS_WORKSPACE_CONFIG overrules it.
    """
    if major > HOPPER or os.environ.get("CUBLAS_WORKSPACE_CONFIG"):
        return None
    return 32 * MIB if major == HOPPER else 2 * 4 * MIB + 8 * 16 * KIB


def _require_cuda(device: str) -> None:
    if device != "cuda":
        raise SkippedError("reads the CUDA allocator and driver: there is no GPU")


def _finding(claim: str, measured: int) -> Measurement:
    return Measurement(
        level="L4",
        subject="allocator",
        claim=claim,
        predicted=None,
        measured=measured,
        unit="bytes",
        rule="finding",
    )
