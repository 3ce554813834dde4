"""Layers that keep the model's dtype beside a quantised cache: kv_cache_dtype_skip_layers."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from kvplan.dtypes import RECURRENT_ROLES, Dtype
from kvplan.engines.vllm.errors import RefusedError
from kvplan.records import record
from kvplan.terms import Growing, Layer

WINDOWS = "sliding_window"


@record
class Skipped:
    """
    Layers by their place in the model, and all sliding windows if `windows`; they are kept in `dtype`.

    Source: vLLM 0.33, model_executor/layers/attention/attention.py.
    """

    indices: frozenset[int]
    windows: bool
    dtype: Dtype

    def apply(self, layers_by_rank: Sequence[Sequence[Layer]]) -> list[list[Layer]]:
        """Return the layers of each pipeline rank, those that are skipped in the model's dtype."""
        layers = tuple(chain.from_iterable(layers_by_rank))
        if any(term.role not in {"key", "value"} | RECURRENT_ROLES for layer in layers for term in layer):
            raise RefusedError("kv_cache_dtype_skip_layers is known to kvplan for keys and values only")
        if beyond := [index for index in self.indices if index >= len(layers)]:
            raise RefusedError(
                f"kv_cache_dtype_skip_layers names layer {min(beyond)}, but the last one is {len(layers) - 1}"
            )
        numbers = iter(range(len(layers)))
        return [[self._kept(layer, next(numbers)) for layer in rank] for rank in layers_by_rank]

    def everywhere(self, layers: Sequence[Layer]) -> list[Layer]:
        """Return the layers as if all were skipped."""
        return [self._unquantised(layer) for layer in layers]

    def _kept(self, layer: Layer, index: int) -> Layer:
        skipped = index in self.indices or (self.windows and _slides(layer))
        return self._unquantised(layer) if skipped else layer

    def _unquantised(self, layer: Layer) -> Layer:
        return tuple(
            replace(term, dtype=self.dtype) if term.role in ("key", "value") else term for term in layer
        )


def read_skipped(text: str, dtype: Dtype) -> Skipped:
    """Return the layers of `0,1,sliding_window`; raise RefusedError for other names."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name != WINDOWS and not (name.isascii() and name.isdigit())]
    if unknown:
        raise RefusedError(
            f"kv_cache_dtype_skip_layers={unknown[0][:40]!r} is neither the number of a layer nor {WINDOWS}"
        )
    return Skipped(
        indices=frozenset(int(name[:9]) for name in names if name != WINDOWS),
        windows=WINDOWS in names,
        dtype=dtype,
    )


def _slides(layer: Layer) -> bool:
    return any(
        isinstance(term.known_rows, Growing)
        and term.known_rows.window is not None
        and not term.known_rows.chunked
        for term in layer
    )
