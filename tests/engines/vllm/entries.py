"""
From the fields of a spec to the fields of vLLM's KVCacheSpec objects, as of 0.33.

Written from the fields alone, with no help from kvplan's terms or engine, so that both are tested
against what vLLM makes of it.
"""

from collections.abc import Callable
from typing import Any

Fields = dict[str, Any]
Case = dict[str, Any]

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
PER_HEAD = ("int8_per_token_head", "fp8_per_token_head", "int4_per_token_head")


def _kv(case: Case, heads: int, head_size: int, head_size_v: int | None = None) -> Fields:
    entry: Fields = {"num_kv_heads": heads, "head_size": head_size}
    if head_size_v and head_size_v != head_size:
        entry["head_size_v"] = head_size_v
    dtype = case["kv_dtype"]
    if dtype in DTYPES.values():
        return {**entry, "dtype": dtype}
    entry["cache_dtype"] = dtype
    if dtype in PER_HEAD:
        entry["customize"] = "triton"
    if dtype == "nvfp4":
        entry["customize"] = "nvfp4"
    return entry


def _grouped(kind: str, case: Case, fields: Fields) -> list[Fields]:
    groups = {"mqa": 1}.get(fields["kind"]) or fields.get("groups") or fields["heads"]
    heads = max(1, groups // case["tp"])
    entry = {"kind": kind, **_kv(case, heads, fields["head_dim"], fields.get("v_head_dim"))}
    if "window" in fields:
        entry["sliding_window"] = fields["window"]
    if "chunk" in fields:
        entry["attention_chunk_size"] = fields["chunk"]
    selector = fields.get("indexer")
    if not selector:
        return [entry]
    index = {"kind": "mla", "num_kv_heads": 1, "head_size": selector["head_dim"], "dtype": "bfloat16"}
    return [entry, {**index, "cache_role": "indexer"}]


def _mla(case: Case, fields: Fields) -> list[Fields]:
    entry: Fields = {"kind": "mla", **_kv(case, 1, fields["d_c"] + fields["d_rope"])}
    rows = {"fp8_ds_mla": 656, "nvfp4_ds_mla": 352}.get(case["kv_dtype"])
    if rows:
        entry["state_content_bytes"] = rows
    if not fields.get("indexer"):
        return [entry]
    return [entry, _indexer(fields)]


def _indexer(fields: Fields) -> Fields:
    width = fields["indexer"]["head_dim"]
    row = width + width // 128 * 4
    return {"kind": "mla", "num_kv_heads": 1, "head_size": row, "dtype": "uint8", "cache_role": "indexer"}


def _compressed(case: Case, fields: Fields) -> list[Fields]:
    packed = case["kv_dtype"] == "fp8_ds_mla"
    alignment = 576 if packed else 512
    row: Fields = {"num_kv_heads": 1, "head_size": fields["head_dim"], "alignment": alignment}
    row |= {"model_version": "deepseek_v4", "cache_dtype_str": case["kv_dtype"]}
    row |= {"dtype": "uint8", "state_content_bytes": 584} if packed else {"dtype": _element(case["kv_dtype"])}
    window = {"kind": "sliding_window_mla", "block_size": 64, "sliding_window": fields["window"], **row}
    if not fields.get("ratio"):
        return [window]
    ratio, overlap = fields["ratio"], fields["overlap"]
    entries = [window, {"kind": "mla", "tokens_per_state": ratio, **row}]
    if fields.get("indexer"):
        index = _indexer(fields) | {"tokens_per_state": ratio, "alignment": alignment}
        entries.append({key: value for key, value in index.items() if key != "cache_role"})
    widths = [fields["head_dim"]] + ([fields["indexer"]["head_dim"]] if fields.get("indexer") else [])
    for width in widths:
        state = {"kind": "sliding_window_mla", "block_size": {4: 4, 128: 8}[ratio], "num_kv_heads": 1}
        state |= {"head_size": 2 * overlap * width, "dtype": "float32", "alignment": alignment}
        entries.append({**state, "sliding_window": overlap * ratio})
    return entries


def _element(kv_dtype: str) -> str:
    return {"fp8": "float8_e4m3fn"}.get(kv_dtype, kv_dtype)


def _state(function: str | None, arguments: Fields | list[list[int]], dtypes: list[str]) -> Fields:
    entry: Fields = {"kind": "mamba", "dtypes": [DTYPES[name] for name in dtypes]}
    if function is None:
        return {**entry, "shapes": arguments}
    return {**entry, "state": {"shape_fn": function, "shape_args": arguments}}


def _mamba(case: Case, f: Fields) -> Fields:
    sizes = {"intermediate_size": f["d_inner"], "state_size": f["d_state"], "conv_kernel": f["conv_kernel"]}
    return _state("mamba1_state_shape", {"tp_world_size": case["tp"], **sizes}, _dtypes(case, f))


def _mamba2(case: Case, f: Fields) -> Fields:
    sizes = {
        "tp_world_size": case["tp"],
        "intermediate_size": f["heads"] * f["head_dim"],
        "n_groups": f["groups"],
        "num_heads": f["heads"],
        "head_dim": f["head_dim"],
        "state_size": f["d_state"],
        "conv_kernel": f["conv_kernel"],
        "num_spec": case["speculative_tokens"],
    }
    # Since 0.32 a Mamba-2 prefill exports one state more (mamba_mixer2.py).
    return {**_state("mamba2_state_shape", sizes, _dtypes(case, f)), "num_prefill_checkpoint_blocks": 1}


def _gated_delta_net(case: Case, f: Fields) -> Fields:
    sizes = {
        "tp_world_size": case["tp"],
        "num_k_heads": f["qk_heads"],
        "num_v_heads": f["v_heads"],
        "head_k_dim": f["qk_head_dim"],
        "head_v_dim": f["v_head_dim"],
        "conv_kernel_size": f["conv_kernel"],
        "num_spec": case["speculative_tokens"],
    }
    return _state("gated_delta_net_state_shape", sizes, _dtypes(case, f))


def _kda(case: Case, f: Fields) -> Fields:
    sizes = {"num_heads": f["heads"], "head_dim": f["head_dim"], "conv_kernel_size": f["conv_kernel"]}
    sizes["num_spec"] = case["speculative_tokens"]
    return _state("kda_state_shape", {"tp_world_size": case["tp"], **sizes}, _dtypes(case, f))


def _short_conv(case: Case, f: Fields) -> Fields:
    sizes = {"intermediate_size": f["channels"], "conv_kernel": f["conv_kernel"]}
    sizes["num_spec"] = case["speculative_tokens"]
    return _state("short_conv_state_shape", {"tp_world_size": case["tp"], **sizes}, _dtypes(case, f)[:1])


def _lightning(case: Case, f: Fields) -> Fields:
    sizes = {"num_heads": f["heads"], "tp_size": case["tp"], "head_dim": f["head_dim"]}
    return _state("linear_attention_state_shape", sizes, _dtypes(case, f)[-1:])


def _matrix(case: Case, f: Fields) -> Fields:
    shape = [f["heads"] // case["tp"], f["qk_head_dim"], f["v_head_dim"]]
    return _state(None, [shape], _dtypes(case, f)[-1:])


def _rg_lru(case: Case, f: Fields) -> Fields:
    width = f["width"] // case["tp"]
    return _state(None, [[f["conv_kernel"] - 1, width], [width]], _dtypes(case, f))


def _dtypes(case: Case, f: Fields) -> list[str]:
    conv = case.get("conv_dtype") or f.get("conv_dtype", "bf16")
    return [conv, case.get("state_dtype") or f.get("state_dtype", conv)]


ATTENTION: dict[str, str] = {
    "gqa": "full_attention",
    "mha": "full_attention",
    "mqa": "full_attention",
    "sliding": "sliding_window",
    "chunked": "chunked_local",
    "cross": "cross_attention",
}
STATES: dict[str, Callable[[Case, Fields], Fields]] = {
    "mamba": _mamba,
    "mamba2": _mamba2,
    "gated_delta_net": _gated_delta_net,
    "kda": _kda,
    "short_conv": _short_conv,
    "lightning": _lightning,
    "gla": _matrix,
    "retnet": _matrix,
    "rg_lru": _rg_lru,
}

SHARDED = ("gqa", "mha", "mqa", "sliding", "chunked")
UNSERVED = ("rwkv", "rwkv4", "linear")
"""Kinds whose state vLLM has no function for."""


def entries_of(case: Case, fields: Fields) -> list[Fields]:
    """Return what vLLM's layers of one attention kind report, on one tensor-parallel rank."""
    kind = fields["kind"]
    if kind in ("shared", "none"):
        return []
    if kind == "mla":
        return _mla(case, fields)
    if kind == "compressed":
        return _compressed(case, fields)
    if kind in ATTENTION:
        return _grouped(ATTENTION[kind], case, fields)
    entry = {**STATES[kind](case, fields), "mamba_cache_mode": case["state_mode"]}
    if "checkpoint_blocks" in case:
        entry["num_prefill_checkpoint_blocks"] = case["checkpoint_blocks"]
    if entry.get("num_prefill_checkpoint_blocks"):
        entry["prefill_checkpoint_alignment"] = case["checkpoint_alignment"]
    return [entry]
