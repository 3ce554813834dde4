"""Which storage TensorRT-LLM takes for `kv_cache_config.dtype`, and how it counts its bytes."""

from collections.abc import Set as AbstractSet

from kvplan.dtypes import BF16, FP8, FP16, FP32, NVFP4, Dtype, Role, dtype_by_name
from kvplan.engines.base import ToStore
from kvplan.engines.trtllm.errors import RefusedError
from kvplan.errors import UnknownNameError
from kvplan.units import ceil_div

_QUANTISED = ("fp8", "nvfp4")
_STORED = (BF16, FP16, FP32, FP8, NVFP4)


def kv_dtype_name(asked: str | None, rows: ToStore) -> str:
    """
    Return the cache format of `auto`, `fp8` or `nvfp4`, in kvplan's names.

    Left open, it is the model's dtype, unless the checkpoint declares another (declared_kv).
    Sources: KvCacheConfig.dtype in llmapi/llm_args.py; get_cache_bytes_per_token in
    resource_manager.py, which stores no int8.
    """
    if asked is None or asked.strip().lower() == "auto":
        return rows.dtype
    try:
        name = dtype_by_name(asked).name
    except UnknownNameError:
        name = asked
    if name in _QUANTISED or name == dtype_by_name(rows.dtype).name:
        return name
    raise UnknownNameError(
        f"TensorRT-LLM cannot keep a KV cache in {asked[:40]!r}: it takes auto ({rows.dtype}), fp8 or nvfp4"
    )


def declared_kv(dtype: str, by: str | None, roles: AbstractSet[Role]) -> str | None:  # noqa: ARG001 - any rows
    """
    Return the KV dtype that a checkpoint's declaration counts as, None where it is not heeded.

    It reads ModelOpt's hf_quant_config.json, which stands beside a config that says the same. Source:
    load_modelopt_quant_config in _torch/model_config.py, and validate_and_set_kv_cache_quant in
    _torch/pyexecutor/model_loader.py, which leaves `auto` to the checkpoint.
    """
    return dtype if by in ("modelopt", "hf_quant_config") and dtype in _QUANTISED else None


def stored_dtype(dtypes: AbstractSet[Dtype]) -> Dtype:
    """Return the one dtype of a layer's rows; raise RefusedError unless the manager stores it."""
    if len(dtypes) > 1 or not dtypes <= set(_STORED):
        names = " and ".join(sorted(dtype.name for dtype in dtypes))
        raise RefusedError(f"TensorRT-LLM cannot keep rows in {names}: it takes auto, fp8 or nvfp4")
    (dtype,) = dtypes
    return dtype


def stored_bytes(elements: int, dtype: Dtype) -> int:
    """
    Return the bytes that the manager counts for *elements*.

    NVFP4 takes half a byte each and a scale of one byte per 16 (calculate_scaling_factor_size_bytes
    in resource_manager.py, which refuses other multiples).
    """
    return dtype.row_bytes(elements)


def estimated_bytes(elements: int, dtype: Dtype) -> int:
    """
    Return the bytes that the estimate before it counts: 2 for all that is not quantised.

    Source: get_cache_size_per_token in resource_manager.py.
    """
    if dtype == NVFP4:
        return ceil_div(elements, 2) + ceil_div(elements, 16)
    return elements if dtype == FP8 else 2 * elements
