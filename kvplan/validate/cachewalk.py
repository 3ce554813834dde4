"""
Walk whatever object a model returned as its cache, and measure the tensors in it.

Nothing here knows an architecture: every tensor reachable from the object counts, so that a shape
that a formula forgets is measured all the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kvplan.records import record

_DEEPEST = 8
"""How far attributes and items are followed; the caches of transformers need 5."""


@record
class Found:
    """
    One tensor of a cache: the way to it, its shape and dtype, and its bytes.

    `data_bytes` are its elements; `storage_bytes` the memory that it keeps alive, which is more for
    a slice of a longer tensor and 0 where another tensor already stands for the same memory.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    data_bytes: int
    storage_bytes: int


@record
class Walked:
    """The tensors of a cache, and their sums."""

    tensors: tuple[Found, ...]

    @property
    def data_bytes(self) -> int:
        """The bytes of all elements."""
        return sum(found.data_bytes for found in self.tensors)

    @property
    def storage_bytes(self) -> int:
        """The bytes of memory behind them, each storage once."""
        return sum(found.storage_bytes for found in self.tensors)

    def shapes(self) -> str:
        """Return the different shapes with their dtypes, as text: `36 x [2, 8, 40, 128] bf16`."""
        counts: dict[str, int] = {}
        for found in self.tensors:
            text = f"{list(found.shape)} {found.dtype}"
            counts[text] = counts.get(text, 0) + 1
        return ", ".join(f"{count} x {text}" for text, count in counts.items())


def walk(*caches: object) -> Walked:
    """
    Return what the tensors reachable from *caches* take, each tensor and each storage once.

    Tensors without dimensions are bookkeeping of the library (a window's size) and left out.
    """
    tensors = list(_holding(caches))
    storages: set[int] = set()
    found = []
    for path, tensor in tensors:
        storage = tensor.untyped_storage()
        # The address of the storage object: on the meta device all data pointers are 0.
        key = storage._cdata  # noqa: SLF001
        found.append(
            Found(
                path=path,
                shape=tuple(int(size) for size in tensor.shape),
                dtype=str(tensor.dtype).removeprefix("torch."),
                data_bytes=tensor.numel() * tensor.element_size(),
                storage_bytes=0 if key in storages else int(storage.nbytes()),
            )
        )
        storages.add(key)
    return Walked(tensors=tuple(found))


def copies_of(*caches: object) -> list[Any]:
    """Return a copy of each tensor that `walk` counts, alone in its memory: what it contains, and no more."""
    return [tensor.clone() for _, tensor in _holding(caches)]


def bookkeeping_bytes(cache: object, device: str) -> int:
    """Return the bytes of the tensors on *device* that `walk` leaves out."""
    scalars = [tensor for _, tensor in _reachable(cache) if not tensor.dim()]
    return sum(scalar.element_size() for scalar in scalars if scalar.device.type == device)


def kept_in_modules(model: Any, before: Iterable[int] = ()) -> dict[str, Any]:  # noqa: ANN401 - a torch module
    """
    Return the tensors that a model's modules hold as plain attributes, by their names.

    RecurrentGemma keeps its states there and returns no cache. *before* are the ids of tensors that
    were there before the model ran.
    """
    import torch  # noqa: PLC0415 - only the checks need it

    known = set(before)
    return {
        f"{name}.{key}": value
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, torch.Tensor) and id(value) not in known
    }


def _holding(caches: object) -> Iterator[tuple[str, Any]]:
    """Give the tensors that have dimensions, with the ways to them."""
    return ((path, tensor) for path, tensor in _reachable(caches) if tensor.dim())


def _reachable(cache: object) -> Iterator[tuple[str, Any]]:
    import torch  # noqa: PLC0415 - only the checks need it

    seen: set[int] = set()
    queue: list[tuple[str, object, int]] = [("", cache, 0)]
    while queue:
        path, value, depth = queue.pop()
        if id(value) in seen or depth > _DEEPEST:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            yield path, value
        elif not isinstance(value, torch.nn.Module):
            queue += [(f"{path}{step}", item, depth + 1) for step, item in reversed(_items(value))]


def _items(value: object) -> list[tuple[str, object]]:
    """Return what an object holds; nothing for a configuration, which is no part of a cache."""
    if isinstance(value, dict):
        return [(f"[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, (list, tuple, set)):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    if "Config" in type(value).__name__ or isinstance(value, type):
        return []
    return [(f".{key}", item) for key, item in getattr(value, "__dict__", {}).items()]


def seen(claim: str, measured: float | None) -> float:
    """Return what was measured; raise ValueError if nothing was, which is no 0."""
    if measured is None:
        raise ValueError(f"{claim}: nothing was measured")
    return measured
