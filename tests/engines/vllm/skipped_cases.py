"""
Cases for vLLM's own kv_cache_dtype_skip_layers: random models whose attention has one size.

    python -m tests.engines.vllm.skipped_cases cases.json
    (have a program with vLLM 0.33.0 run Platform._align_hybrid_block_size and
    _align_heterogeneous_kv_block_size on each, then Attention.get_kv_cache_spec for every layer of
    attention with the block found, then plan with the specs)
    python -m tests.engines.vllm.skipped_cases --keep skipped_jobs.json.gz cases.json answers.json

An answer holds what `answer` below gives, or `error`.
"""

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

from kvplan.dtypes import BF16, kv_format
from kvplan.engines.vllm import VllmOptions, find_rules, plan_layout, plan_pool
from kvplan.engines.vllm.skipping import read_skipped
from kvplan.errors import KvplanError
from kvplan.specs import ModelSpec
from kvplan.terms import Target
from tests.engines.vllm.cases import SEED
from tests.engines.vllm.generate_jobs import write_json

Case = dict[str, Any]
COUNT = 800
_MIXTURES = (("full",), ("full", "sliding"), ("sliding",), ("full", "state"), ("full", "sliding", "state"))
_KV_DTYPES = (
    "fp8",
    "fp8",
    "fp8",
    "int8_per_token_head",
    "int4_per_token_head",
    "nvfp4",
    "bfloat16",
    "float32",
)


def skipped_cases() -> list[Case]:
    """Return random cases."""
    rng = random.Random(SEED + 3)  # noqa: S311 - repeatable, not secret
    return [_case(rng) for _ in range(COUNT)]


def _case(rng: random.Random) -> Case:
    mixture = rng.choice(_MIXTURES)
    pattern = [kind for kind in mixture for _ in range(rng.choice([1, 1, 2, 3, 5]))]
    rng.shuffle(pattern)
    layers = (pattern * rng.choice([1, 2, 4, 6]))[:60]
    kv_dtype = rng.choice(_KV_DTYPES)
    kernel = 16 if kv_dtype == "nvfp4" else rng.choice([16, 16, 16, 32, 64, 1])
    return {
        "layers": layers,
        "kv_dtype": kv_dtype,
        "heads": rng.choice([1, 2, 4, 8]),
        "head_dim": rng.choice([64, 128, 256]),
        "window": rng.choice([128, 1024, 4096]),
        "state": _state(rng) if "state" in mixture else None,
        "skip": _skipped(rng, len(layers)),
        "kernel_block": kernel,
        "block_size": rng.randint(1, 200) if kernel == 1 else kernel * rng.choice([1, 1, 2, 3, 4]),
        "context": rng.choice([4096, 32_768, 131_072, 100_001]),
        "state_mode": rng.choice(["none", "align"]),
        "available_bytes": rng.choice([2**36, 2**37 + 12_345, 2**38 + 999]),
    }


def _skipped(rng: random.Random, layers: int) -> str:
    names = [str(index) for index in rng.sample(range(layers), rng.randint(0, min(4, layers)))]
    return ",".join([*names, "sliding_window"] if rng.random() < 0.5 or not names else names)


def _state(rng: random.Random) -> dict[str, Any]:
    qk_heads = rng.choice([4, 16])
    state = {"kind": "gated_delta_net", "qk_heads": qk_heads, "v_heads": qk_heads * rng.choice([1, 2, 4])}
    state |= {"qk_head_dim": 128, "v_head_dim": 128, "conv_kernel": 4, "conv_dtype": "bf16"}
    return state | {"state_dtype": rng.choice(["bf16", "fp32"])}


def answer(case: Case) -> dict[str, Any]:
    """Return kvplan's answer."""
    heads = {"heads": case["heads"], "groups": case["heads"], "head_dim": case["head_dim"]}
    kinds = {
        "full": {"kind": "gqa"} | heads,
        "sliding": {"kind": "sliding", "window": case["window"]} | heads,
    }
    kinds["state"] = case["state"]
    spec = ModelSpec.model_validate(
        {
            "name": "skipped",
            "source": "random",
            "dtype": "bfloat16",
            "max_context": case["context"],
            "layers": ({"repeat": 1, "pattern": tuple(case["layers"])},),
            "attention": {name: (kinds[name],) for name in dict.fromkeys(case["layers"])},
        }
    )
    terms = spec.lower_types(Target(kv=kv_format(case["kv_dtype"])))
    options = VllmOptions(
        block_size=case["block_size"],
        kernel_block=case["kernel_block"],
        state_mode=case["state_mode"],
        skipped=read_skipped(case["skip"], BF16),
    )
    try:
        layers = [[terms[name] for name in spec.layer_types]]
        layout = plan_layout(layers, tp=1, rules=find_rules("0.33"), options=options)
        pool = plan_pool(layout, case["available_bytes"], case["context"])
    except KvplanError as error:
        return {"error": str(error)}
    return {
        "block_size": pool.block_size,
        "num_blocks": pool.num_blocks,
        "bytes_per_block": pool.bytes_per_block[0],
        "groups": [len(group.caches) for group in layout.groups],
        "blocks_per_request": pool.blocks_per_request,
        "kv_cache_size_tokens": pool.kv_tokens,
        "max_concurrency_logged": f"{pool.max_concurrency:.2f}x",
    }


def main(arguments: list[str]) -> None:
    """Write cases, or keep the answers."""
    match arguments:
        case ["--keep", target, cases, answers]:
            read = [json.loads(Path(name).read_text(encoding="utf-8")) for name in (cases, answers)]
            text = json.dumps(list(zip(*read, strict=True)), separators=(",", ":")).encode()
            Path(target).write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
        case [cases]:
            write_json(cases, skipped_cases())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
