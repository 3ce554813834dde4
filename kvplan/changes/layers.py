"""Layers that read another layer's keys and values, and so keep none."""

from typing import ClassVar, cast

from kvplan.attention import Kind
from kvplan.attention.base import Count
from kvplan.attention.grouped import SoftmaxKind
from kvplan.attention.uncached import Shared
from kvplan.attention.windowed import Sliding
from kvplan.changes.base import Change, Kinds, each_layer, swapped
from kvplan.changes.softmax import is_full, shape
from kvplan.specs.model import ModelSpec


def _reader(kind: Kind) -> Kind:
    """Return the same attention without keys and values of its own."""
    softmax = cast("SoftmaxKind", kind)
    return Shared(
        kind="shared", heads=softmax.heads, head_dim=softmax.head_dim, v_head_dim=softmax.v_head_dim
    )


class CLA(Change):
    """Of each `layers` attention layers one after the other, the first keeps what all of them read."""

    layers: Count
    name: ClassVar[str] = "cla"
    help: ClassVar[str] = "Cross-layer attention: so many layers share a cache: 2."
    source: ClassVar[str] = "Cross-Layer Attention, arXiv 2405.12981"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def layer(number: int, kinds: Kinds) -> Kinds:
            return swapped(kinds, is_full, _reader) if number % self.layers else kinds

        return each_layer(spec, self, layer, is_full)


class YOCO(Change):
    """The first half of the attention layers has windows; of the others the first keeps what all read."""

    window: Count
    name: ClassVar[str] = "yoco"
    help: ClassVar[str] = "Half the layers with windows, the others read one cache: 1k."
    source: ClassVar[str] = "You Only Cache Once, arXiv 2405.05254, section 2"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        half = sum(any(map(is_full, spec.attention[name])) for name in spec.layer_types) // 2

        def windowed(kind: Kind) -> Kind:
            return Sliding(kind="sliding", window=self.window, **shape(cast("SoftmaxKind", kind)))

        def layer(number: int, kinds: Kinds) -> Kinds:
            if number == half:
                return kinds
            return swapped(kinds, is_full, windowed if number < half else _reader)

        return each_layer(spec, self, layer, is_full)
