"""A mapping that does not change, so that what holds it can be a key and be shared."""

from typing import Any, Never, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that refuses every change; it is a key where its values are."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type["FrozenDict[Any, Any]"], tuple[dict[K, V]]]:
        # Pickle would fill it item by item.
        return FrozenDict, (dict(self),)

    def _refuse(self, *_: object, **__: object) -> Never:
        raise TypeError("this mapping does not change: make another")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse
