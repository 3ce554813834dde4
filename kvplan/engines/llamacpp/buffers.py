"""The KV buffer figures that llama.cpp prints when it starts: cells, layers, K and V of each cache."""

from kvplan.engines.llamacpp.caches import Arranged, Part
from kvplan.engines.llamacpp.cells import CacheId, Slots
from kvplan.loads import uniform
from kvplan.records import record
from kvplan.units import MIB


@record
class Buffer:
    """
    One cache over all devices, as its `size = ...` line has it.

    `cells` are those of one stream. For the recurrent cache `rs` they are the slots, `layers` all of
    the model's, and `k_bytes` and `v_bytes` its R and S; for a compressor's state the `kv` and the
    `score` half.
    """

    name: str
    cells: int
    layers: int
    streams: int
    k_bytes: int
    v_bytes: int

    @property
    def size_bytes(self) -> int:
        """Bytes of both tensors."""
        return self.k_bytes + self.v_bytes

    def mib(self) -> tuple[str, str, str]:
        """Return the size, K (or R) and V (or S) in MiB as the line prints them: two decimals."""
        size, first, second = (f"{each / MIB:.2f}" for each in (self.size_bytes, self.k_bytes, self.v_bytes))
        return size, first, second


def buffers(arranged: Arranged, *, context: int, batch: int, rank: int | None = None) -> tuple[Buffer, ...]:
    """Return the caches of *batch* slots of *context* tokens, on one device or, without *rank*, on all."""
    slots = arranged.slots(uniform(context, batch))
    parts = arranged.parts if rank is None else arranged.on_rank(rank)
    caches = dict.fromkeys(part.cache for part in parts)
    return tuple(
        _buffer(cache, [part for part in parts if part.cache == cache], slots, arranged.layers)
        for cache in caches
    )


def _buffer(cache: CacheId, parts: list[Part], slots: Slots, layers: int) -> Buffer:
    streams, cells = slots.streams(cache), slots.cells(cache)
    state = cache.rule == "state"
    return Buffer(
        name=cache.name,
        cells=streams if state else cells,
        layers=layers if state else sum(part.count for part in parts),
        streams=streams,
        k_bytes=streams * cells * sum(part.count * part.tensors.first_bytes for part in parts),
        v_bytes=streams * cells * sum(part.count * part.tensors.second_bytes for part in parts),
    )
