"""
transformers' own tensor parallelism on tiny checkpoints: what each rank caches, and where it fails.

It divides KV heads that the ranks divide and replicates none: serving engines' replication is what
the reference layers of l3_parallel.py check.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import field
from functools import partial
from importlib.util import find_spec
from typing import Any

from kvplan.engines.transformers.caches import COMMON, Traits, kept
from kvplan.errors import SplitError
from kvplan.records import record
from kvplan.specs.model import ModelSpec
from kvplan.validate.cachewalk import walk
from kvplan.validate.hf_models import build, cache_of, quiet, stage_of
from kvplan.validate.ranks import on_ranks
from kvplan.validate.results import Check, Measurement, SkippedError
from kvplan.validate.sharded import Rank

BATCH = 2
TOKENS = 32

_COMMON: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 128,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MOE: dict[str, Any] = {
    "moe_intermediate_size": 32,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "n_group": 2,
    "topk_group": 1,
}
_LATENT = {
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "kv_lora_rank": 32,
    "q_lora_rank": 32,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
}
_MLA = {"kind": "mla", "heads": 8, "d_c": 32, "d_rope": 16, "d_nope": 16, "v_head_dim": 16, "q_lora_rank": 32}
_LINEAR = {
    "kind": "gated_delta_net",
    "qk_heads": 4,
    "v_heads": 8,
    "qk_head_dim": 16,
    "v_head_dim": 16,
    "conv_kernel": 4,
    "conv_dtype": "bf16",
    "state_dtype": "fp32",
}


@record
class HfCase:
    """A tiny checkpoint in transformers' words and in kvplan's, and the numbers of ranks to try."""

    name: str
    config_class: str
    config: dict[str, Any]
    attention: dict[str, Any]
    ranks: tuple[int, ...]
    layers: Any = 2
    traits: Traits = field(default=COMMON)

    def spec(self) -> ModelSpec:
        """Return the case in kvplan's words."""
        return ModelSpec.model_validate(
            {
                "name": "toy",
                "source": self.name,
                "dtype": "bfloat16",
                "max_context": 4096,
                "layers": self.layers,
                "attention": self.attention,
            }
        )


def _llama(heads: int, groups: int, ranks: tuple[int, ...], head_dim: int = 16) -> HfCase:
    return HfCase(
        name=f"LlamaForCausalLM, {groups} KV heads",
        config_class="LlamaConfig",
        config={
            **_COMMON,
            "hidden_size": heads * head_dim,
            "num_attention_heads": heads,
            "num_key_value_heads": groups,
            "head_dim": head_dim,
        },
        attention={"kind": "gqa", "heads": heads, "groups": groups, "head_dim": head_dim},
        ranks=ranks,
    )


CASES = (
    _llama(16, 8, (2, 4)),
    HfCase(
        name="DeepseekV2ForCausalLM",
        config_class="DeepseekV2Config",
        config={**_COMMON, **_LATENT, **_MOE},
        attention=_MLA,
        ranks=(2, 4),
    ),
    HfCase(
        name="DeepseekV3ForCausalLM",
        config_class="DeepseekV3Config",
        config={**_COMMON, **_LATENT, **_MOE},
        attention=_MLA,
        ranks=(2, 4),
    ),
    HfCase(
        name="Qwen3NextForCausalLM",
        config_class="Qwen3NextConfig",
        config={
            **_COMMON,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 16,
            "linear_num_key_heads": 4,
            "linear_num_value_heads": 8,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "linear_conv_kernel_dim": 4,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32,
            "layer_types": ["linear_attention", "full_attention"],
        },
        layers=[{"repeat": 1, "pattern": ["linear", "full"]}],
        attention={"linear": _LINEAR, "full": {"kind": "gqa", "heads": 8, "groups": 4, "head_dim": 16}},
        ranks=(2, 4),
    ),
    HfCase(
        name="JambaForCausalLM, attention not in its plan",
        config_class="JambaConfig",
        config={
            **_COMMON,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 2,
            "num_experts_per_tok": 1,
            "mamba_dt_rank": 8,
            "use_mamba_kernels": False,
        },
        layers=[{"repeat": 1, "pattern": ["mamba", "full"]}],
        attention={
            "full": {"kind": "gqa", "heads": 8, "groups": 2, "head_dim": 16},
            "mamba": {
                "kind": "mamba",
                "d_inner": 256,
                "d_state": 16,
                "dt_rank": 8,
                "conv_kernel": 4,
                "conv_dtype": "bf16",
                "state_dtype": "fp32",
            },
        },
        ranks=(2, 4),
        traits=Traits(shards_heads=False),
    ),
    # Fewer KV heads than ranks, or no multiple of them: it loads, and the first forward fails.
    _llama(16, 2, (4,)),
    _llama(12, 6, (4,)),
    _llama(16, 1, (2,)),
)


def checks_of(cases: Sequence[HfCase]) -> list[Check]:
    """Return one check for each number of ranks, as starting processes is what takes time."""
    return [
        Check(
            level="L3",
            name=f"{ranks} ranks, transformers' own sharding",
            run=partial(run_cases, tuple(case for case in cases if ranks in case.ranks), ranks),
        )
        for ranks in sorted({ranks for case in cases for ranks in case.ranks})
    ]


def run_cases(cases: tuple[HfCase, ...], ranks: int, device: str) -> list[Measurement]:
    """
    Return the bytes of the cache on each rank, or how many ranks failed, beside the predictions.

    Raises SkippedError without accelerate, which transformers wants for its sharding.
    """
    if find_spec("accelerate") is None:
        raise SkippedError("transformers shards with accelerate alone, which is not installed")
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, case in enumerate(cases):
            paths.append(f"{folder}/{number}")
            with quiet():
                build(case.config_class, "AutoModelForCausalLM", case.config, "cpu").save_pretrained(
                    paths[-1]
                )
        found = on_ranks(_run_cases, ranks, device, tuple(paths))
    return [
        measurement
        for position, case in enumerate(cases)
        for measurement in _measurements(case, ranks, [rank[position] for rank in found])
    ]


def _measurements(case: HfCase, ranks: int, found: list[dict[str, Any]]) -> list[Measurement]:
    errors = [rank["error"] for rank in found if rank["error"]]
    try:
        stage = stage_of(case.spec())
        predicted = kept(stage, tokens=TOKENS, batch=BATCH, tp=ranks, traits=case.traits)
    except SplitError as refusal:
        return [
            Measurement(
                level="L3",
                subject=case.name,
                claim=f"ranks of {ranks} whose forward fails",
                measured=len(errors),
                predicted=ranks,
                unit="ranks",
                detail=f"kvplan: {refusal}; transformers: {(errors or ['no error'])[0]}",
            )
        ]
    return [
        Measurement(
            level="L3",
            subject=case.name,
            claim=f"cache on rank {index} of {ranks}",
            measured=rank["bytes"],
            predicted=predicted,
            unit="bytes",
            detail=f"{BATCH} sequences of {TOKENS} tokens, {rank['shapes'] or rank['error']}",
        )
        for index, rank in enumerate(found)
    ]


def _run_cases(rank: Rank, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Run in each process: load and run the checkpoints one after another."""
    os.environ.update(RANK=str(rank.index), LOCAL_RANK=str(rank.index), WORLD_SIZE=str(rank.world))
    from torch.distributed.device_mesh import init_device_mesh  # noqa: PLC0415 - only the checks need it

    mesh = init_device_mesh(rank.device.split(":")[0], (rank.world,), mesh_dim_names=("tp",))
    with quiet():
        return [_run_case(rank, mesh, path) for path in paths]


def _run_case(rank: Rank, mesh: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - a torch object
    import torch  # noqa: PLC0415 - only the checks need it
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - as above

    model = AutoModelForCausalLM.from_pretrained(path, tp_plan="auto", device_mesh=mesh, dtype=torch.bfloat16)
    ids = torch.arange(3, 3 + TOKENS, device=rank.device).repeat(BATCH, 1)
    try:
        output = model(input_ids=ids, use_cache=True)
    except RuntimeError as error:
        return {"bytes": 0, "shapes": "", "error": str(error).splitlines()[0][:100]}
    walked = walk(cache_of(output))
    return {"bytes": walked.data_bytes, "shapes": walked.shapes(), "error": ""}
