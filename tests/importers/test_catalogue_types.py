"""Models of the catalogue by the fields of their own config.json: read to their reviewed spec."""

from typing import Any

import pytest

from kvplan.errors import ImportedError
from kvplan.importers.compare import layer_kinds
from kvplan.importers.config import Imported, import_values
from kvplan.specs.load import load

_FULL = [*range(4, 93, 4), 93]

FILES: dict[str, dict[str, Any]] = {
    "kimi-k3": {
        "model_type": "kimi_k3",
        "text_config": {
            "model_type": "kimi_linear",
            "hidden_size": 7168,
            "num_hidden_layers": 93,
            "num_attention_heads": 96,
            "num_key_value_heads": 96,
            "max_position_embeddings": 1048576,
            "q_lora_rank": 1536,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "mla_use_nope": True,
            "mla_use_output_gate": True,
            "routed_expert_hidden_size": 3584,
            "latent_moe_use_norm": True,
            "attn_res_block_size": 12,
            "activation_situ_beta": 4.0,
            "activation_situ_linear_beta": 25.0,
            "linear_attn_config": {
                "full_attn_layers": _FULL,
                "kda_layers": [layer for layer in range(1, 94) if layer not in _FULL],
                "head_dim": 128,
                "num_heads": 96,
                "short_conv_kernel_size": 4,
                "gate_lower_bound": -5.0,
                "use_full_rank_gate": True,
            },
        },
    },
    "phi-3-small-8k": {
        "model_type": "phi3small",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "dense_attention_every_n_layers": 2,
        "blocksparse_block_size": 64,
        "blocksparse_num_local_blocks": 16,
        "blocksparse_vert_stride": 8,
        "ff_intermediate_size": 14336,
        "mup_use_scaling": True,
    },
    "phi-4-mini-flash-reasoning": {
        "model_type": "phi4flash",
        "hidden_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 40,
        "num_key_value_heads": 20,
        "max_position_embeddings": 262144,
        "mb_per_layer": 2,
        "mamba_d_conv": 4,
        "mamba_d_state": 16,
        "mamba_dt_rank": 160,
        "mamba_expand": 2,
        "sliding_window": [512 if layer < 16 and layer % 2 else None for layer in range(32)],
    },
    "rwkv-6-world-1.6b": {
        "model_type": "rwkv6",
        "attention_hidden_size": 2048,
        "context_length": 4096,
        "head_size": 64,
        "head_size_divisor": 8,
        "hidden_size": 2048,
        "num_attention_heads": 64,
        "num_hidden_layers": 24,
    },
    "rwkv-7-world-1.5b": {
        "model_type": "rwkv7",
        "torch_dtype": "float32",
        "attn": None,
        "attn_mode": "chunk",
        "a_low_rank_dim": 96,
        "decay_low_rank_dim": 96,
        "gate_low_rank_dim": 256,
        "v_low_rank_dim": 64,
        "head_dim": 64,
        "hidden_size": 2048,
        "max_position_embeddings": 2048,
        "norm_bias": True,
        "norm_first": True,
        "num_heads": None,
        "num_hidden_layers": 24,
    },
    "xlstm-7b": {
        "model_type": "xlstm",
        "embedding_dim": 4096,
        "hidden_size": 4096,
        "inference_state_dtype": "float32",
        "num_blocks": 32,
        "num_heads": 8,
        "num_hidden_layers": 32,
        "qk_dim_factor": 0.5,
        "v_dim_factor": 1.0,
    },
    "zamba-7b-v1": {
        "model_type": "zamba",
        "attention_head_dim": 464,
        "attention_hidden_size": 7424,
        "attn_layer_offset": 4,
        "attn_layer_period": 6,
        "hidden_size": 3712,
        "mamba_d_conv": 4,
        "mamba_d_state": 16,
        "mamba_dt_rank": 232,
        "mamba_expand": 2,
        "max_position_embeddings": 4096,
        "n_mamba_heads": 2,
        "num_attention_heads": 16,
        "num_hidden_layers": 76,
        "num_key_value_heads": 16,
    },
}


def _import(name: str, **changes: Any) -> Imported:
    values = {"torch_dtype": "bfloat16", **FILES[name], **changes}
    return import_values(values, file="config.json", name="model")


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_to_its_reviewed_spec(name: str) -> None:
    imported, reviewed = _import(name).spec, load(name)
    assert layer_kinds(imported) == layer_kinds(reviewed)
    assert imported.hidden == reviewed.hidden
    assert imported.architecture in (reviewed.architecture, "kimi_linear")


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("phi-4-mini-flash-reasoning", {"sliding_window": [512] * 32}, "expected one window in each odd"),
        ("rwkv-7-world-1.5b", {"attn": {"layers": [3]}}, "attention layers would keep a cache"),
        ("rwkv-7-world-1.5b", {"num_heads": 16}, "num_heads: found 16, but hidden_size / head_dim is 32"),
        ("xlstm-7b", {"num_heads": 7}, "7 heads do not divide keys of 2048"),
        ("zamba-7b-v1", {"n_mamba_heads": 3}, "n_mamba_heads: does not divide"),
        (
            "zamba-7b-v1",
            {"layers_block_type": ["mamba"] * 76},
            "contradicts attn_layer_period and attn_layer_offset",
        ),
    ],
)
def test_a_file_that_says_another_model_is_refused(name: str, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ImportedError, match=problem):
        _import(name, **changes)
