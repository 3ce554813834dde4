"""From the terms of a model to the one shape of row that TensorRT-LLM's manager keeps for it."""

from collections.abc import Iterable

from kvplan.dtypes import NVFP4, RECURRENT_ROLES, Dtype
from kvplan.engines.trtllm.errors import RefusedError
from kvplan.engines.trtllm.formats import stored_bytes, stored_dtype
from kvplan.records import record
from kvplan.terms import Growing, Layer
from kvplan.units import ceil_div

# _torch/attention_backend/sparse/dsa.py: fp8 and a float32 scale per 128 elements.
_SCALED = 128
_SCALE_BYTES = 4


@record
class RowShape:
    """
    What the manager is told of every layer: per token and KV head, `copies` rows of `width` elements.

    Keys and values are two copies; a latent with its RoPE key is one, of one head (SELFKONLY).
    `selector_bytes` are those of a sparse selector's key, which stands beside it.
    """

    heads: int
    width: int
    copies: int
    selector_bytes: int
    dtype: Dtype

    def row_bytes(self, tp: int) -> int:
        """
        Return the bytes per token and layer on one of *tp* ranks, without a selector's key.

        KV heads are rounded up (KVCacheManager.__init__ in resource_manager.py).
        """
        return stored_bytes(self.copies * ceil_div(self.heads, tp) * self.width, self.dtype)

    def counted_bytes(self, tp: int) -> int:
        """
        Return the bytes per token and layer that the manager divides memory by.

        It counts the bytes of a selector's key as if they were elements of the KV dtype
        (DSACacheManager.get_cache_bytes_per_token in attention_backend/sparse/dsa.py).
        """
        return self.row_bytes(tp) + stored_bytes(self.selector_bytes, self.dtype)


def model_shape(layers: Iterable[Layer]) -> RowShape | None:
    """
    Return the shape that all *layers* have; None if none of them caches anything.

    Raises RefusedError for what the manager cannot hold, or kvplan does not know of it.
    """
    distinct = tuple(dict.fromkeys(layers))
    if not any(distinct):
        return None
    if not all(distinct):
        # A config of one number of KV heads gives every layer rows, a list of them does not: the
        # terms of a layer that reuses another's cache and of one without attention are the same.
        raise RefusedError(
            "which layers without a cache of their own TensorRT-LLM gives one all the same is not known "
            "to kvplan"
        )
    shapes = {_shape(layer) for layer in distinct}
    plain = {(each.heads, each.width, each.copies, each.dtype) for each in shapes}
    if len(plain) > 1:
        raise RefusedError(
            "TensorRT-LLM's first block manager has one head size, and how it counts layers with unequal "
            "rows is not known to kvplan"
        )
    # DSACacheManager gives every layer a selector's keys, whether it owns one or not.
    return max(shapes, key=lambda each: each.selector_bytes)


def _shape(layer: Layer) -> RowShape:
    _refuse_unknown(layer)
    roles = tuple(term.role for term in layer)
    dtype = stored_dtype({term.dtype for term in layer if term.role != "indexer"})
    if roles == ("key", "value"):
        key, value = layer
        if key.width != value.width:
            raise RefusedError(
                f"TensorRT-LLM's first block manager has one size for keys and values, not {key.width} "
                f"and {value.width}"
            )
        return RowShape(heads=key.split.count, width=key.width, copies=2, selector_bytes=0, dtype=dtype)
    if roles not in (("latent", "rope"), ("latent", "rope", "indexer")):
        raise _unknown(" and ".join(dict.fromkeys(term.label for term in layer)))
    latent, rope, *selector = layer
    keys = sum(term.width for term in selector)
    if keys and dtype == NVFP4:
        raise RefusedError("TensorRT-LLM keeps no nvfp4 cache beside a selector's keys: use auto or fp8")
    return RowShape(
        heads=1,
        width=latent.width + rope.width,
        copies=1,
        selector_bytes=keys + keys // _SCALED * _SCALE_BYTES,
        dtype=dtype,
    )


def _refuse_unknown(layer: Layer) -> None:
    for term in layer:
        if term.role in RECURRENT_ROLES:
            raise RefusedError(
                f"how TensorRT-LLM pools recurrent states ({term.label}) depends on which of its managers "
                "runs, and is not known to kvplan: plan with --engine exact or vllm"
            )
        if not isinstance(term.known_rows, Growing):
            raise _unknown(f"{term.label}, which does not grow with the context")
        if term.known_rows.stride > 1 or term.known_rows.skip:
            raise _unknown(f"{term.label}, where tokens share a row or the newest are kept apart")


def _unknown(what: str) -> RefusedError:
    return RefusedError(f"how TensorRT-LLM keeps a cache is not known to kvplan for: {what}")
