"""Where a run is taken, as its record says it, and what a check needed of the GPU there."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from kvplan.validate.results import Level, Timing

ALLOCATOR_SETTINGS = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_NO_CUDA_MEMORY_CACHING")
"""What changes how torch's allocator rounds, or that there is one."""


def describe_machine(device: str) -> dict[str, Any]:
    """Return the fields of a Run that say where it was taken; sizes in bytes."""
    import torch  # noqa: PLC0415 - only the checks need it

    # Its metadata, because not every level imports it, which takes seconds.
    versions = {"torch": str(torch.__version__), "transformers": version("transformers")}
    if device != "cuda":
        return {**versions, "device": "cpu", "driver": None}
    backend: Any = torch.backends.cudnn
    cudnn = backend.version()
    return {
        **versions,
        "device": torch.cuda.get_device_name(0),
        "driver": _driver_version(),
        "card_bytes": int(torch.cuda.mem_get_info()[1]),
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "allocator": f"{torch.cuda.get_allocator_backend()}, {_allocator_settings()}",
    }


def _allocator_settings() -> str:
    found = [f"{name}={os.environ[name]}" for name in ALLOCATOR_SETTINGS if os.environ.get(name)]
    return " ".join(found) or "no settings"


def _driver_version() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.split("\n", 1)[0].strip()


def begin(level: Level, name: str) -> Callable[[], Timing]:
    """Return what gives the seconds from now on, and the most that a GPU's allocator held since."""
    _reset_peak()
    started = time.monotonic()
    return lambda: Timing(
        level=level, name=name, seconds=round(time.monotonic() - started, 3), peak_bytes=_peak()
    )


def _reset_peak() -> None:
    if cuda := _running_cuda():
        cuda.reset_peak_memory_stats()


def _peak() -> int | None:
    cuda = _running_cuda()
    return int(cuda.max_memory_allocated()) if cuda else None


def _running_cuda() -> Any:  # noqa: ANN401 - a module of torch, which is not loaded for its own sake
    torch = sys.modules.get("torch")
    return torch.cuda if torch and torch.cuda.is_initialized() else None
