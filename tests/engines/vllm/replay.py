"""Ask kvplan's vLLM engine what a recorded case asked vLLM's own planner."""

import gzip
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kvplan.dtypes import dtype_by_name, kv_format
from kvplan.engines.vllm import (
    Layout,
    NoRoomError,
    Pool,
    RefusedError,
    VllmOptions,
    find_rules,
    longest_context,
    plan_layout,
    plan_pool,
)
from kvplan.engines.vllm.drafts import Draft
from kvplan.planner.splits import split_stages
from kvplan.specs import ModelSpec
from kvplan.terms import Layer, Target

_NO_ROOM = ("To serve at least one request", "No available memory", "Cannot auto-fit")


@cache
def recorded(name: str = "oracle_jobs") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the cases of a file and what vLLM 0.33.0 answered."""
    file = Path(__file__).parent / f"{name}.json.gz"
    kept: list[tuple[dict[str, Any], dict[str, Any]]] = json.loads(gzip.decompress(file.read_bytes()))
    return kept


def layers_by_rank(case: dict[str, Any]) -> list[list[Layer]]:
    """Return the terms of each pipeline rank's layers, by way of a spec."""
    attention = {name or "only": tuple(kinds) for name, kinds in case["attention"].items()}
    spec = ModelSpec.model_validate(
        {
            "name": "recorded",
            "source": "recorded",
            "dtype": "bfloat16",
            "max_context": case["context"],
            "layers": ({"repeat": 1, "pattern": tuple(name or "only" for name in case["layers"])},),
            "attention": {name: attention[name] for name in attention if name in {*case["layers"], "only"}},
        }
    )
    terms = spec.lower_types(Target(kv=kv_format(case["kv_dtype"])))
    return [[terms[name] for name in stage] for stage in split_stages(spec.layer_types, case["pp"])]


def options(case: dict[str, Any]) -> VllmOptions:
    """Return the engine's options."""
    return VllmOptions(
        block_size=case["block_size"],
        kernel_block=case["kernel_block"],
        max_num_batched_tokens=case["max_num_batched_tokens"],
        dcp=case["dcp"],
        async_scheduling=case["async_scheduling"],
        v2_runner=case["v2_runner"],
        hybrid_manager=case["hybrid_manager"],
        state_mode=case["state_mode"],
        checkpoint_alignment=case["checkpoint_alignment"],
        checkpoint_blocks=case.get("checkpoint_blocks"),
        conv_dtype=dtype_by_name(case["conv_dtype"]) if "conv_dtype" in case else None,
        state_dtype=dtype_by_name(case["state_dtype"]) if "state_dtype" in case else None,
        speculative_tokens=case["speculative_tokens"],
        draft=Draft(**case["draft"]) if "draft" in case else None,
        blocks=case["blocks"],
        watermark=case.get("watermark", 0.0),
        prompt=case.get("known_prompt"),
        admits_chunks=case.get("admits_chunks", False),
    )


def layout_of(case: dict[str, Any]) -> Layout:
    """Return kvplan's layout; raises what kvplan raises."""
    return plan_layout(layers_by_rank(case), tp=case["tp"], rules=find_rules("0.33"), options=options(case))


def planned(case: dict[str, Any]) -> Pool:
    """Return kvplan's pool; raises what kvplan raises."""
    layout = layout_of(case)
    available: Sequence[int] = case["available_bytes"]
    context = case["context"]
    if case["auto_fit"]:
        context = longest_context(layout, available, limit=context) or context
    return plan_pool(layout, available, context)


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Return kvplan's answer in the words of the recorded one."""
    try:
        pool = planned(case)
    except NoRoomError:
        return {"refused": "no room"}
    except RefusedError as error:
        return {"refused": str(error)}
    found: dict[str, Any] = {
        "num_blocks": pool.num_blocks,
        "max_model_len": pool.context,
        "bytes_per_block": list(pool.bytes_per_block),
        "groups": [len(group.caches) for group in pool.layout.groups],
    }
    if pool.max_concurrency is not None:
        found["blocks_per_request"] = pool.blocks_per_request
        found["kv_cache_size_tokens"] = pool.kv_tokens
        found["max_concurrency_logged"] = f"{pool.max_concurrency:.2f}x"
    return found


def difference(case: dict[str, Any], said: dict[str, Any]) -> str | None:
    """Return how kvplan's answer differs from vLLM's, None if it does not."""
    found = answer(case)
    if "refused" in said:
        no_room = said["refused"].startswith(_NO_ROOM)
        if "refused" not in found:
            return f"vLLM refuses ({said['refused']}), kvplan plans {found}"
        if no_room != (found["refused"] == "no room"):
            return f"vLLM says {said['refused']!r}, kvplan {found['refused']!r}"
        return None
    block_size = said.get("block_size")
    if "refused" not in found and block_size is not None and planned(case).block_size != block_size:
        return f"block size {planned(case).block_size}, not {block_size}"
    expected = {key: value for key, value in said.items() if key != "block_size"}
    return None if found == expected else f"kvplan {found}, vLLM {expected}"
