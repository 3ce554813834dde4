"""What is asked of vLLM and of kvplan: random mixtures of layers, and the catalogue's models."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.engines.vllm.entries import ATTENTION, PER_HEAD, SHARDED, STATES, UNSERVED, Case, Fields

SEED = 20260
RANDOM_CASES = 1500
CASES_PER_HYBRID = 12
CASES_PER_PLAIN = 1


def _heads(rng: random.Random) -> Fields:
    groups = rng.choice([1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32])
    head_dim = rng.choice([64, 80, 96, 128, 192, 256])
    return {"heads": groups * rng.choice([1, 2, 4, 8]), "groups": groups, "head_dim": head_dim}


def _grouped(rng: random.Random) -> Fields:
    values = {"v_head_dim": rng.choice([64, 128, 160])} if rng.random() < 0.2 else {}
    return _heads(rng) | values


def _state(rng: random.Random) -> Fields:
    return {"state_dtype": rng.choice(["bf16", "fp32"])}


def _conv(rng: random.Random) -> Fields:
    return {"conv_kernel": rng.choice([2, 3, 4, 5]), "conv_dtype": rng.choice(["bf16", "fp16", "fp32"])}


def _sliding(rng: random.Random) -> Fields:
    return _grouped(rng) | {"window": rng.choice([128, 512, 1000, 1024, 2047, 4096, 8192])}


def _chunked(rng: random.Random) -> Fields:
    return _grouped(rng) | {"chunk": rng.choice([512, 2048, 8192])}


def _cross(rng: random.Random) -> Fields:
    return _heads(rng) | {"encoder_tokens": rng.choice([100, 1500])}


def _mla(rng: random.Random) -> Fields:
    d_c, d_rope = rng.choice([(512, 64), (512, 64), (256, 32), (384, 64)])
    fields: Fields = {"heads": 16 * rng.choice([1, 2, 8]), "d_c": d_c, "d_rope": d_rope}
    fields |= {"d_nope": 128, "v_head_dim": 128}
    return fields | ({"indexer": {"heads": 64, "head_dim": 128}} if rng.random() < 0.4 else {})


def _compressed(rng: random.Random) -> Fields:
    fields: Fields = {"heads": 16, "head_dim": 512, "d_rope": 64, "window": 128}
    fields |= {"q_lora_rank": 1024, "o_groups": 16, "o_lora_rank": 1024}
    ratio = rng.choice([None, 4, 4, 128, 128])
    if ratio is None:
        return fields
    fields |= {"ratio": ratio, "overlap": {4: 2, 128: 1}[ratio], "state_dtype": "fp32"}
    return fields | ({"indexer": {"heads": 64, "head_dim": 128}} if rng.random() < 0.5 else {})


def _mamba(rng: random.Random) -> Fields:
    sizes = {"d_inner": 2560 * rng.choice([1, 2, 3]), "d_state": rng.choice([8, 16]), "dt_rank": 8}
    return sizes | _conv(rng) | _state(rng)


def _mamba2(rng: random.Random) -> Fields:
    sizes = {"heads": 16 * rng.choice([1, 3, 8]), "head_dim": 64, "groups": rng.choice([1, 1, 8])}
    return sizes | {"d_state": rng.choice([64, 128, 256])} | _conv(rng) | _state(rng)


def _gated_delta_net(rng: random.Random) -> Fields:
    heads = rng.choice([4, 16])
    sizes = {"qk_heads": heads, "v_heads": heads * rng.choice([1, 2, 4]), "qk_head_dim": 128}
    return sizes | {"v_head_dim": rng.choice([64, 128])} | _conv(rng) | _state(rng)


def _kda(rng: random.Random) -> Fields:
    return {"heads": rng.choice([16, 32, 48]), "head_dim": 128} | _conv(rng) | _state(rng)


def _short_conv(rng: random.Random) -> Fields:
    return {"channels": 1024 * rng.choice([1, 2, 3])} | _conv(rng)


def _lightning(rng: random.Random) -> Fields:
    return {"heads": rng.choice([16, 64]), "head_dim": rng.choice([64, 128])} | _state(rng)


def _gla(rng: random.Random) -> Fields:
    return {"heads": rng.choice([4, 8]), "qk_head_dim": 256, "v_head_dim": 512, "gate_rank": 16} | _state(rng)


_FIELDS: dict[str, Callable[[random.Random], Fields]] = {
    "gqa": _grouped,
    "sliding": _sliding,
    "chunked": _chunked,
    "cross": _cross,
    "mla": _mla,
    "compressed": _compressed,
    "mamba": _mamba,
    "mamba2": _mamba2,
    "gated_delta_net": _gated_delta_net,
    "kda": _kda,
    "short_conv": _short_conv,
    "lightning": _lightning,
    "gla": _gla,
}


def _random_model(rng: random.Random) -> tuple[dict[str, list[Fields]], list[str], str]:
    """Return layer types, their order, and the class of the mixture."""
    mixture = rng.choice(list(_MIXTURES))
    kinds = _MIXTURES[mixture]
    shape = _heads(rng)
    attention = {}
    for number, kind in enumerate(kinds):
        fields = {"kind": kind, **_FIELDS[kind](rng)}
        if kind in ATTENTION and (rng.random() < 0.7 or any(each in STATES for each in kinds)):
            fields = {key: value for key, value in fields.items() if key != "v_head_dim"} | shape
        attention[f"{kind}{number}"] = [fields]
    if mixture == "side by side":
        attention = {"both": [fields for kinds in attention.values() for fields in kinds]}
    if rng.random() < 0.2:
        attention["none"] = [{"kind": "none"}]
    if mixture != "state" and rng.random() < 0.15:
        attention["shared"] = [{"kind": "shared", "heads": shape["heads"], "head_dim": shape["head_dim"]}]
    names = list(attention)
    layers = [name for name in names for _ in range(rng.choice([1, 1, 2, 3, 4, 6]))]
    if rng.random() < 0.5:
        rng.shuffle(layers)
    layers *= rng.choice([1, 2, 3, 5, 8])
    return attention, layers[:90], mixture


_MIXTURES: dict[str, tuple[str, ...]] = {
    "full": ("gqa",),
    "two sizes of full": ("gqa", "gqa"),
    "sliding": ("sliding",),
    "full and sliding": ("gqa", "sliding"),
    "sliding and full": ("sliding", "gqa"),
    "two windows": ("sliding", "sliding"),
    "full and two windows": ("gqa", "sliding", "sliding"),
    "full and chunked": ("chunked", "gqa"),
    "full, sliding and chunked": ("gqa", "sliding", "chunked"),
    "mla": ("mla",),
    "mla and sliding": ("mla", "sliding"),
    "mla and two windows": ("mla", "sliding", "sliding"),
    "two sizes of mla": ("mla", "mla"),
    "cross": ("gqa", "cross"),
    "state": ("mamba2",),
    "two states": ("mamba", "gated_delta_net"),
    "full and mamba": ("gqa", "mamba"),
    "full and mamba2": ("gqa", "mamba2"),
    "side by side": ("gqa", "mamba2"),
    "full and delta net": ("gated_delta_net", "gqa"),
    "mla and kda": ("kda", "mla"),
    "full and short conv": ("gqa", "short_conv"),
    "full and lightning": ("lightning", "gqa"),
    "full and gla": ("gqa", "gla"),
    "sliding and mamba": ("mamba", "sliding"),
    "full, sliding and mamba": ("gqa", "mamba", "sliding"),
    "full, mamba2 and lightning": ("gqa", "mamba2", "lightning"),
    "compressed": ("compressed", "compressed"),
    "more compressed": ("compressed", "compressed", "compressed", "compressed"),
    "sliding, cross and full": ("sliding", "cross", "gqa"),
}
_KV_DTYPES = ["bfloat16"] * 6 + ["float16", "float32", "fp8", "fp8", *PER_HEAD, "nvfp4"]


def _legal_tps(attention: dict[str, list[Fields]]) -> list[int]:
    return [tp for tp in range(1, 17) if all(_splits(f, tp) for kinds in attention.values() for f in kinds)]


def _splits(f: Fields, tp: int) -> bool:
    """Return whether vLLM spreads a kind over *tp* ranks."""
    whole = [
        f[key]
        for key in ("heads", "qk_heads", "v_heads", "d_inner", "channels", "width", "o_groups")
        if key in f
    ]
    if any(count % tp for count in whole):
        return False
    groups: int = f.get("groups", 1)
    if f["kind"] == "mamba2":
        return groups == 1 or groups % tp == 0
    return groups % tp == 0 or tp % groups == 0


def _dcp_share(kinds: set[str]) -> float:
    """Return how often to ask for DCP, which windows refuse."""
    return 0.0 if "compressed" in kinds else 0.05 if "sliding" in kinds else 0.4


def _legal_dcps(fields: list[Fields], tp: int) -> list[int]:
    """Return the degrees that vLLM's configuration lets pass: KV heads must be stored that often."""
    groups: list[int] = [
        1 if f["kind"] == "mqa" else f.get("groups") or f["heads"] for f in fields if f["kind"] in SHARDED
    ]
    copies = min((tp // count if tp > count else 1 for count in groups), default=tp)
    return [dcp for dcp in range(1, copies + 1) if tp % dcp == 0]


def _model_case(
    rng: random.Random, label: str, attention: dict[str, list[Fields]], layers: list[str]
) -> Case:
    fields = [f for kinds in attention.values() for f in kinds]
    kinds = {f["kind"] for f in fields}
    latent = kinds & {"mla", "compressed"}
    odd = rng.random() < 0.25 and "compressed" not in kinds
    default = 256 if "compressed" in kinds else 64 if latent else 16
    kernel = 1 if odd else min(64, default)
    block = rng.randint(1, 256) if odd else default * rng.choice([1, 1, 1, 2, 4])
    pp = min(len(layers), rng.choice([1, 1, 1, 1, 2, 3, 4, 8]))
    available = [int(2 ** rng.uniform(26, 41)) for _ in range(pp)]
    if rng.random() < 0.6:
        available = [max(available)] * pp
    tp = rng.choice(_legal_tps(attention))
    return {
        "class": label,
        "attention": attention,
        "layers": layers,
        "tp": tp,
        "pp": pp,
        "dcp": rng.choice(_legal_dcps(fields, tp)) if rng.random() < _dcp_share(kinds) else 1,
        "kv_dtype": _kv_dtype(rng, kinds, fields),
        "block_size": block,
        "kernel_block": kernel,
        "context": rng.choice(
            [int(2 ** rng.uniform(0, 20)), 2 ** rng.randint(0, 20), 2 ** rng.randint(10, 20)]
        ),
        "max_num_batched_tokens": rng.choice([8192, 8192, 8192, 2048, 16384, 32768, 512, 1000, 1]),
        "async_scheduling": rng.random() < 0.8,
        "v2_runner": rng.random() < 0.8,
        "hybrid_manager": rng.random() < (0.6 if label == "mla and two windows" else 0.94),
        "state_mode": rng.choice(["none", "align"]),
        "checkpoint_alignment": rng.choice([1, 1, 16, 64, 24]),
        "available_bytes": available,
        "blocks": int(2 ** rng.uniform(0, 20)) if rng.random() < 0.04 else None,
        "auto_fit": rng.random() < 0.1,
    } | _state_choices(rng, kinds)


def _state_choices(rng: random.Random, kinds: set[str]) -> Case:
    chosen: Case = {"speculative_tokens": rng.choice([0, 0, 0, 0, 1, 3])}
    if kinds & set(STATES) and rng.random() < 0.4:
        chosen["conv_dtype"] = chosen["state_dtype"] = "bf16"
    if kinds & set(STATES) and rng.random() < 0.2:
        chosen["checkpoint_blocks"] = rng.choice([0, 1])
    return chosen


def _kv_dtype(rng: random.Random, kinds: set[str], fields: list[Fields]) -> str:
    if "compressed" in kinds:
        return rng.choice(["fp8_ds_mla", "fp8_ds_mla", "fp8_ds_mla", "bfloat16", "fp8"])
    if "mla" in kinds:
        packed = ["fp8_ds_mla", "nvfp4_ds_mla"] if kinds <= {"mla", *STATES} else []
        rows = {f["d_c"] + f["d_rope"] for f in fields if f["kind"] == "mla"}
        return rng.choice(["bfloat16", "bfloat16", "fp8", *(packed if rows == {576} else [])])
    chosen = rng.choice(_KV_DTYPES)
    same = all(f.get("v_head_dim", f.get("head_dim")) == f.get("head_dim") for f in fields)
    wide = all(f.get("head_dim", 64) % 16 == 0 and f.get("v_head_dim", 64) % 16 == 0 for f in fields)
    # nvfp4 needs K and V of one size; a state's alignment to it is left to FlashInfer.
    return chosen if chosen != "nvfp4" or (same and wide) else "bfloat16"


def random_cases(rng: random.Random) -> Iterator[Case]:
    """Yield cases of random mixtures."""
    count = 0
    while count < RANDOM_CASES:
        attention, layers, mixture = _random_model(rng)
        if _legal_tps(attention):
            count += 1
            yield _model_case(rng, mixture, attention, layers)


def catalogue_cases(rng: random.Random) -> Iterator[Case]:
    """Yield cases of the catalogue's models: many of each that mixes kinds, few of the others."""
    import yaml  # noqa: PLC0415 - a plain reading of the specs, beside kvplan's own

    for path in sorted((Path(__file__).parents[3] / "model_specs").rglob("*.yaml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        attention, layers = layer_types(spec)
        kinds = {f["kind"] for kinds in attention.values() for f in kinds}
        if kinds & set(UNSERVED) or not _legal_tps(attention):
            continue
        mixed = len(kinds) > 1 or "compressed" in kinds or "indexer" in str(attention)
        repeats = CASES_PER_HYBRID * (3 if "compressed" in kinds else 1)
        for _ in range(repeats if mixed else CASES_PER_PLAIN):
            case = _model_case(rng, f"catalogue {'+'.join(sorted(kinds))}", attention, layers)
            if rng.random() < 0.5:
                case["context"] = spec["max_context"]
            yield case | {"name": spec["name"]}


def layer_types(spec: Fields) -> tuple[dict[str, list[Fields]], list[str]]:
    attention = spec["attention"]
    if "kind" in attention:
        attention = {"": attention}
    attention = {name: kinds if isinstance(kinds, list) else [kinds] for name, kinds in attention.items()}
    runs = spec["layers"]
    if isinstance(runs, int):
        return attention, [""] * runs
    return attention, [name for run in runs for name in run["pattern"] * run["repeat"]]


def boundary_cases(cases: list[Case], answers: list[Fields]) -> Iterator[Case]:
    """Yield answered cases again, with exactly the memory that one request needs, and a byte less."""
    rng = random.Random(SEED + 1)  # noqa: S311 - repeatable, not secret
    for case, answer in zip(cases, answers, strict=True):
        if not answer["ok"] or "bytes_per_block" not in answer or not answer.get("blocks_per_request"):
            continue
        if rng.random() < 0.2 and case["blocks"] is None and not case["auto_fit"]:
            blocks = answer["blocks_per_request"] + 1
            exact = [size * blocks for size in answer["bytes_per_block"]]
            less = [size - (rank == 0) for rank, size in enumerate(exact)]
            yield case | {"available_bytes": exact, "class": "exactly one request"}
            yield case | {"available_bytes": less, "class": "a byte less than one request"}
            yield case | {"available_bytes": less, "class": "auto-fit to a byte less", "auto_fit": True}
