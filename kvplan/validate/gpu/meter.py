"""
How much memory tensors take: the CUDA allocator's own counters, or a count of every storage.

The second stands in for the first where there is no GPU, so that all of this level's code runs there:
it charges each storage when an operation returns it, and releases it when it is freed. It sees no
rounding, no context and no workspace.
"""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kvplan.validate.gpu.allocator import MIB, SEGMENT_STEP
from kvplan.validate.results import SkippedError

HELD_BACK = 64 * MIB
"""What a driver may report as free and keep: tables of its own for each allocation, and rests of pages."""


class Meter(Protocol):
    """What this level asks of a device: sizes in bytes, a limit, and to let go of what is unused."""

    device: str

    def requested(self) -> int:
        """Return the bytes of all live tensors, as they were asked for."""

    def reserved(self) -> int:
        """Return the bytes that the allocator has taken from the device."""

    def rounding(self, tensors: int) -> int:
        """Return the most that the allocator may add to this many tensors of 10 MiB and more."""

    def free(self) -> int:
        """Return the bytes that the device reports as free."""

    def held_back(self) -> int:
        """Return the most bytes that the device may report as free and not give."""

    def require_free(self, size_bytes: int, what: str) -> None:
        """Raise SkippedError where the device has less than *size_bytes* free for *what*."""

    def clear(self) -> None:
        """Free what nothing refers to, and hand unused memory back."""

    def limited(self, limit_bytes: int) -> Any:  # noqa: ANN401 - a context manager
        """Let the process have at most *limit_bytes* inside a `with` block, and all of it afterwards."""


class CudaMeter:
    """The counters of torch's caching allocator on the current GPU."""

    device = "cuda"

    def requested(self) -> int:
        torch.cuda.synchronize()
        # Before the first allocation there are no statistics at all.
        return int(torch.cuda.memory_stats().get("requested_bytes.all.current", 0))

    def reserved(self) -> int:
        return int(torch.cuda.memory_reserved())

    def rounding(self, tensors: int) -> int:
        return tensors * SEGMENT_STEP

    def free(self) -> int:
        self.clear()
        return int(torch.cuda.mem_get_info()[0])

    def held_back(self) -> int:
        return HELD_BACK

    def require_free(self, size_bytes: int, what: str) -> None:
        free = self.free()
        if free < size_bytes:
            raise SkippedError(f"{what} takes {size_bytes} bytes, and the card has {free} free")

    def clear(self) -> None:
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()

    @contextmanager
    def limited(self, limit_bytes: int) -> Iterator[None]:
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit_bytes / total))
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
            self.clear()


class CpuMeter(TorchDispatchMode):  # type: ignore[misc]
    """A count of the storages that operations return inside this mode."""

    device = "cpu"

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[int, int] = {}
        self._live = 0
        self._limit: int | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._charge(leaf.untyped_storage())
        return result

    def _charge(self, storage: Any) -> None:  # noqa: ANN401 - an untyped storage
        key, size = storage._cdata, storage.nbytes()  # noqa: SLF001 - the address of the storage itself
        if key in self._sizes:
            return
        if self._limit is not None and self._live + size > self._limit:
            raise torch.OutOfMemoryError(f"{self._live + size} bytes are more than {self._limit}")
        self._sizes[key] = size
        self._live += size
        weakref.finalize(storage, self._release, key)

    def _release(self, key: int) -> None:
        self._live -= self._sizes.pop(key, 0)

    def requested(self) -> int:
        return self._live

    def reserved(self) -> int:
        return self._live

    def rounding(self, tensors: int) -> int:  # noqa: ARG002 - nothing is rounded here
        return 0

    def free(self) -> int:
        if self._limit is None:
            raise SkippedError("needs a GPU, whose driver refuses what is more than free")
        return self._limit - self._live

    def held_back(self) -> int:
        return 0

    def require_free(self, size_bytes: int, what: str) -> None:
        """Do nothing: what is counted here lies in the machine's memory, and is small."""

    def clear(self) -> None:
        gc.collect()

    @contextmanager
    def limited(self, limit_bytes: int) -> Iterator[None]:
        self._limit = limit_bytes
        try:
            yield
        finally:
            self._limit = None
            self.clear()


@contextmanager
def metered(device: str) -> Iterator[Meter]:
    """
    Give the meter of *device*, and leave nothing behind, whatever happens inside.

    A GPU that runs out of memory inside breaks the check: each asks for the memory that it plans to
    need (`require_free`) before it begins, and those that are about the edge catch the error themselves.
    """
    if device == "cuda":
        meter = CudaMeter()
        meter.clear()
        try:
            yield meter
        finally:
            meter.clear()
        return
    with CpuMeter() as counting:
        yield counting
