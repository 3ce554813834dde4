"""A model's caches in llama.cpp: which layers each has, on which device, whatever the context."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from kvplan.engines.llamacpp.cells import CacheId, Slots
from kvplan.engines.llamacpp.errors import RefusedError
from kvplan.engines.llamacpp.options import LlamaOptions
from kvplan.engines.llamacpp.tensors import Tensors, layer_tensors
from kvplan.engines.llamacpp.versions import NEWEST, LlamaRules
from kvplan.loads import Load, uniform
from kvplan.records import record
from kvplan.terms import Layer, Stage


@record
class Part:
    """What *count* layers of one kind have in one cache on one device."""

    rank: int
    count: int
    tensors: Tensors

    @property
    def cache(self) -> CacheId:
        """The cache of which this is a part."""
        return self.tensors.cache


@record
class Arranged:
    """A model's caches over devices, which split mode `layer` makes pipeline ranks."""

    parts: tuple[Part, ...]
    layers: int
    ranks: int
    options: LlamaOptions

    def slots(self, load: Load) -> Slots:
        """Return a slot for each sequence of a load."""
        return Slots(load=load, options=self.options)

    def on_rank(self, rank: int) -> tuple[Part, ...]:
        """Return the parts of one device."""
        return tuple(part for part in self.parts if part.rank == rank)

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """Return the bytes of all caches on one device, which are allocated at start."""
        slots = self.slots(load)
        return sum(
            part.count * part.tensors.cell_bytes * slots.streams(part.cache) * slots.cells(part.cache)
            for part in self.on_rank(rank)
        )

    def token_bytes(self, rank: int) -> Fraction:
        """Return the bytes of one token's cells on a device, in the caches that keep every token."""
        whole = {"full", "compressed", "window"} if self.options.swa_full else {"full", "compressed"}
        parts = [part for part in self.on_rank(rank) if part.cache.rule in whole]
        cells = [Fraction(part.count * part.tensors.cell_bytes, part.cache.stride) for part in parts]
        return sum(cells, Fraction(0))

    def fixed_bytes(self, rank: int) -> int:
        """Return the bytes of a slot on a device that no context changes: states, and rings of tokens."""
        slot = self.slots(uniform(0, 1))
        return sum(
            part.count * part.tensors.cell_bytes * slot.cells(part.cache)
            for part in self.on_rank(rank)
            if part.cache.rule in ("state", "ring")
        )


def arrange(
    stages: Sequence[Stage],
    options: LlamaOptions,
    *,
    rules: LlamaRules = NEWEST,
    windows: bool = True,
    copies: int = 0,
) -> Arranged:
    """
    Return the caches of a model, a stage for each device.

    *windows* says whether sliding layers have a cache of their own, and *copies* how many states there are
    beside each, to go back to. Raises RefusedError for layers that llama.cpp has no memory for.
    """
    parts = [
        Part(rank=rank, count=count, tensors=tensors)
        for rank, stage in enumerate(stages)
        for layer, count in stage.counts
        for tensors in layer_tensors(layer, windows=windows)
    ]
    _require_known(stages, parts, rules)
    if not options.flash_attn:
        parts = _with_padded_values(parts)
    if copies:
        parts = [_copied(part, copies) if part.cache.rule in _STATES else part for part in parts]
    layers = sum(len(stage.types) for stage in stages)
    return Arranged(parts=tuple(parts), layers=layers, ranks=len(stages), options=options)


_STATES = ("state", "ring")


def _copied(part: Part, copies: int) -> Part:
    """
    Return states with so many copies of all slots behind them.

    n_rs_seq of src/llama-memory-recurrent.cpp and src/llama-kv-cache-dsv4.cpp.
    """
    first, second = part.tensors.first_bytes, part.tensors.second_bytes
    tensors = replace(
        part.tensors,
        first_bytes=first * (1 + copies),
        second_bytes=second * (1 + copies),
        extra=(*part.tensors.extra, ("states of drafts", (first + second) * copies)),
    )
    return replace(part, tensors=tensors)


def _require_known(stages: Sequence[Stage], parts: Sequence[Part], rules: LlamaRules) -> None:
    roles = {term.role for part in parts for term in part.tensors.terms}
    if roles & {"indexer", "entry"} and not rules.sparse:
        raise RefusedError(f"how {rules.name} keeps sparse attention is not known: use {NEWEST.name}")
    windows = sorted({part.cache.window for part in parts if part.cache.name == "swa"})
    if len(windows) > 1:
        raise RefusedError(f"llama.cpp has one window per model, not {' and '.join(map(str, windows))}")
    kinds = [_memories(layer) for stage in stages for layer, _ in stage.counts]
    if {"attention", "recurrent"} in kinds and any(kind != {"attention", "recurrent"} for kind in kinds):
        raise RefusedError("llama.cpp has attention beside a state in every layer or in none")
    # An attention-free model of states without convolutions has no architecture (src/models/).
    if all(kind <= {"linear"} for kind in kinds) and {"linear"} in kinds:
        raise RefusedError("llama.cpp has no architecture for linear attention alone: choose another engine")


def _memories(layer: Layer) -> set[str]:
    """Return which memories a layer has: of attention, of a recurrence, of linear attention alone."""
    states = [term for term in layer if term.allocation.pool == "recurrent"]
    found = {"attention"} if len(states) < len(layer) else set()
    if states:
        found.add("recurrent" if any(term.role in ("conv", "shift") for term in states) else "linear")
    return found


def _with_padded_values(parts: Sequence[Part]) -> list[Part]:
    """Return V tensors as wide as the widest layer's: transposed, as llama-kv-cache.cpp has them."""
    values = [_value_bytes(part) for part in parts]
    for part, size in zip(parts, values, strict=True):
        if size and part.tensors.terms[1].dtype.block > 1:
            raise RefusedError(
                f"llama.cpp keeps V in {part.tensors.terms[1].dtype.name} with flash attention only: "
                "set flash_attn to on"
            )
    widest = max(values, default=0)
    return [_padded(part, widest - size) if size else part for part, size in zip(parts, values, strict=True)]


def _value_bytes(part: Part) -> int:
    return part.tensors.second_bytes if part.cache.name in ("kv", "swa") else 0


def _padded(part: Part, more: int) -> Part:
    if not more:
        return part
    tensors = replace(
        part.tensors,
        second_bytes=part.tensors.second_bytes + more,
        extra=(*part.tensors.extra, ("V padding", more)),
    )
    return replace(part, tensors=tensors)
